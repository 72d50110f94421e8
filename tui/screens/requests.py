"""Single requests: a list, agent runs, and one request in full: its phases, its tokens, what decided where it went, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from tui.commands import Command
from tui.places import Ask, Box, shared
from tui.screens.page import Page
from tui.widgets.card import Card
from tui.widgets.follow import Follow
from tui.widgets.request_table import RequestTable
from tui.widgets.requests import Requests
from tui.widgets.runs import Runs
from tui.widgets.waterfall import Waterfall

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tui.view import View
    from tui.widgets.panel import Panel
    from tui.widgets.rows import RowsPanel

LISTS: Final = ("requests", "runs", "tellers")
OPENED: Final = ("waterfall", "card", "tokens", "said")
_WIDE: Final = 110
"""Cells from which on the card stands beside the phases."""


class Labelled(NamedTuple):
    """What is gone to: all requests with the label."""

    label: str


class RequestsPage(Page):
    looks_into_requests = True
    optional = (*LISTS, *OPENED)
    KEYS: ClassVar[tuple[Command, ...]] = (
        Command(
            "v",
            "screen.rows",
            "v",
            "Other rows",
            "Requests, agent runs, or requests with all that tell of them.",
            "rows",
            3,
        ),
        Command("f", "screen.follow", "f", "Follow", "The request token by token, in the river.", "follow", 4),
    )

    def contents(self) -> Sequence[Panel]:
        self.shown = "requests"
        self.opened: int | None = None
        self.came_for = False
        """Another page opened this one for the request that is shown."""
        self._sought: str | None = None
        """What is to be shown as soon as single requests are known: a recording is read for them when somebody looks."""
        self.table, self.runs, self.tellers = RequestTable("requests"), Runs("runs"), Requests("tellers")
        self.waterfall, self.card, self.tokens, self.said = (
            Waterfall("waterfall"),
            Card("card"),
            Follow("tokens", alone=False),
            Requests("said"),
        )
        return self.table, self.runs, self.tellers, self.waterfall, self.card, self.tokens, self.said

    def wants(self, view: View) -> Hashable:
        return self._list(view), self.opened, self._tellers(view)

    def places(self, view: View, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        if self.opened is None:
            return {self._list(view): body}
        said = [Ask("said", (3, 5))] if self._tellers(view) else []
        if body.width < _WIDE:
            return shared(body, boxed, [[Ask("waterfall", (7, 9))], [Ask("card", (5, 6))], [Ask("tokens", (3, 40))]])
        return shared(
            body,
            boxed,
            [[Ask("waterfall", (9, 12), 1.2), Ask("card", (6, 9))], [Ask("tokens", (5, 14, 60), 1.2), *said]],
        )

    def open_row(self, panel: RowsPanel, row: Hashable) -> None:
        if panel is self.runs and isinstance(row, str):
            self.runs.toggle(row)
            self.redraw()
        elif isinstance(row, int) and panel in (self.table, self.runs):
            self.show(row)
        elif isinstance(row, str) and panel is self.tellers:
            self._show_named(row)
        else:
            super().open_row(panel, row)

    def show(self, key: int | None) -> None:
        """One request in full; None: the list."""
        self.came_for, self._sought = False, None
        self.opened = self.waterfall.of = self.card.of = self.tokens.of = self.said.only = key
        for panel in (self.waterfall, self.card, self.tokens):
            panel.cursor, panel.scroll_rows = None, 0
        self._focus("waterfall" if key is not None else self._list(self.view))
        self.redraw()

    def step_out(self) -> bool:
        self._sought = None
        stays = self.opened is not None and not self.came_for
        if self.opened is not None:
            self.show(None)
        return stays

    def redraw(self) -> None:
        if self._sought is not None and self.view.detail is not None:
            self._seek(self._sought)
            return
        here = self._list(self.view)
        if self.opened is None and self.focus_on in LISTS and self.focus_on != here:
            self._focus(here)
        super().redraw()

    def action_rows(self) -> None:
        self.shown = LISTS[(LISTS.index(self.shown) + 1) % len(LISTS)]
        self.show(None)

    def action_follow(self) -> None:
        key = self.opened if self.opened is not None else self.table.current
        if isinstance(key, int):
            self.yard.open_page("placement", "follow", key)

    def go_to(self, panel: str, row: Hashable) -> None:
        """A request that is gone to by its number or its name is shown in full, an agent run is opened; of a label all requests that have it."""
        if isinstance(row, int):
            self._come_for(row)
        elif isinstance(row, str):
            self._seek(row)
        else:
            if isinstance(row, Labelled):
                self.shown = LISTS[0]
                self.table.filter_by(f'label:"{row.label}"', self.view)
            self.show(None)

    def _seek(self, name: str) -> None:
        """The newest request of that name, or the agent run."""
        frame, detail = self.view.frame, self.view.detail
        self.show(None)
        if frame is None or detail is None:
            super().go_to(self._list(self.view), name)
            self._sought = name
            return
        key = detail.find(name, frame.time_ns)
        if key is not None:
            self._come_for(key)
        elif detail.workflow(name, frame.time_ns) is not None:
            self.shown = "runs"
            self.runs.opened.add(name)
            super().go_to("runs", name)
        else:
            self.yard.say(f"{name} is not kept any more")

    def _come_for(self, key: int) -> None:
        self.table.cursor = key
        self.show(key)
        self.came_for = True

    def _show_named(self, name: str) -> None:
        frame, detail = self.view.frame, self.view.detail
        key = None if frame is None or detail is None else detail.find(name, frame.time_ns)
        if key is not None:
            self.show(key)

    def _list(self, view: View) -> str:
        """Without detail there is only what the Frame has: requests with their tellers."""
        return self.shown if view.detail is not None else "tellers"

    def _tellers(self, view: View) -> bool:
        """Whether several tell of the request that is shown."""
        return self.said.told(view)
