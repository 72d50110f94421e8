"""The `?` overlay: every key from the command list, and what the signs on the screen mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from rich.text import Text
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.commands import GLOBAL, PAGE, SHOW, TAKEN
from tui.glyph_sets import shown
from tui.glyphs import LEGEND
from tui.widgets.rows import RowsPanel

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tui.commands import Command
    from tui.screens.page import Page


def listed(page: Page) -> list[tuple[str, list[Command]]]:
    """All that has a key now, in groups: of the show, of the page alone, of every page. What a show has taken is not among it."""
    show = SHOW if page.view.showing is not None else ()
    taken = TAKEN if show else frozenset[str]()
    groups = (
        ("The show", show),
        (str(page.name).capitalize(), page.KEYS),
        ("Panels and rows", PAGE),
        ("Everywhere", GLOBAL),
    )
    return [
        (title, [one for one in keys if one.action.partition("(")[0].removeprefix("screen.") not in taken])
        for title, keys in groups
        if keys
    ]


def help_table(page: Page, glyphs: str) -> Table:
    """The keys of the page that is shown, those of every page, what the panel with the focus is filtered by, and the signs; plain content, no markup."""
    out = Table.grid(padding=(0, 2))
    out.add_column(max_width=18)
    out.add_column()
    keymap = page.footer.keymap
    sections = [
        (title, [(keymap.get(one.id, one.shown), f"{one.name}: {one.help}") for one in keys])
        for title, keys in listed(page)
    ]
    panel = page.focused_panel
    if isinstance(panel, RowsPanel) and (fields := panel.fields(page.view)):
        words = [field.name for field in fields if not field.number]
        numbers = [field.name for field in fields if field.number]
        told = [
            ("word", f"in any field of {panel.key}"),
            (":", "  ".join(words)),
            ("< > =", "  ".join(numbers)),
            ("!", "before any of these: not"),
        ]
        sections.append(("Fields, after /", told))
    for title, rows in (*sections, ("Signs", list(LEGEND))):
        out.add_row(Text(title, "bold"), Text())
        for left, right in rows:
            out.add_row(Text(shown(left, glyphs), "bold"), Text(shown(right, glyphs)))
    return out


class Help(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [("escape,question_mark,q,space", "dismiss", "Close")]

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page

    def compose(self) -> ComposeResult:
        with VerticalScroll() as scroll:
            scroll.border_title = "tokenyard"
            glyphs = self._page.yard.glyphs
            scroll.border_subtitle = shown("↑↓ scroll · esc close", glyphs)
            scroll.set_class(glyphs == "ascii", "-ascii")
            yield Static(help_table(self._page, glyphs))
