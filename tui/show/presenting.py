"""What the keys of a presenter do: chapters, captions, faults by hand, the stage. Part of the App; without a show the keys are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui import format as fmt
from tui.commands import SHOW
from tui.pages import BY_NAME
from tui.show.driver import ShowDriver
from tui.show.script import Showing
from tui.travel import Travels

if TYPE_CHECKING:
    from textual import events

    from collectors.model.frame import Frame
    from tui.screens.page import Page

GRACE_NS: Final = 2_000_000_000
"""So soon after its beginning a chapter is left for the one before."""
STAGE: Final = "stage"
ACTIONS: Final = frozenset(command.action.partition("(")[0] for command in SHOW)
NAMES: Final = {
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}


class Presents(Travels):
    """Actions over a `ShowDriver`."""

    page: Page
    captions = True
    keys_shown = False
    _key = ""
    _chapter: int | None = None

    def open_page(self, name: str) -> bool:
        raise NotImplementedError

    def leave_page(self) -> None:
        raise NotImplementedError

    @property
    def show(self) -> ShowDriver | None:
        """The show that is on; None on anything else."""
        return self.feed if isinstance(self.feed, ShowDriver) else None

    @property
    def showing(self) -> Showing | None:
        show = self.show
        if show is None:
            return None
        shown = self.playhead.shown
        at_ns = shown.time_ns if shown is not None else 0
        return Showing(
            show.script,
            show.script.number(at_ns),
            waits=not show.player.playing and show.position_ns in show.player.stops,
            ahead_s=None if show.ahead_ns is None else show.ahead_ns / 1e9,
            world_s=show.world_ns / 1e9,
            captions=self.captions,
            key=self._key,
            keys=self.keys_shown,
            by_hand=[text for from_ns, text in show.by_hand if from_ns <= at_ns],
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.show is not None if action in ACTIONS else super().check_action(action, parameters)

    def follow(self, frame: Frame) -> None:
        """A chapter that begins turns to what it is about, after what is being asked for."""
        show = self.show
        if (
            show is None
            or self.screen is not self.page
            or (number := show.script.number(frame.time_ns)) == self._chapter
        ):
            return
        first, self._chapter = self._chapter is None, number
        page, _, panel = show.script.chapters[number].look.partition("/") if number >= 0 else ("", "", "")
        if page in BY_NAME and (first or self.page.name != STAGE):
            self.action_page(page)
            if panel in self.page.own:
                self.page.put_cursor(panel)

    def action_page(self, name: str) -> None:
        raise NotImplementedError

    def action_chapter(self, direction: int) -> None:
        """Where the show waits, the next one is what it waits with."""
        show = self.show
        if show is None:
            return
        at_ns = show.position_ns if show.ahead_ns is None else show.ahead_ns
        if direction < 0:
            self._jump(show.script.before(at_ns, GRACE_NS))
        elif not show.player.playing and at_ns in show.player.stops and show.ahead_ns is None:
            self.action_hold()
        elif (after := show.script.after(at_ns)) is not None:
            self._jump(after)
        else:
            self._say("this is the last chapter")

    def action_restart(self) -> None:
        if (show := self.show) is None:
            return
        if show.restart():
            self.playhead.forget()
            self._chapter = -1
            self._say("from the beginning, in a new world: without what was done by hand, faults or load")
        else:
            self.playhead.held = False
            self._say("from the beginning: shown as it was, which the seed would repeat")

    def action_chapters(self) -> None:
        from tui.screens.choosing import Choose

        if (show := self.show) is None:
            return
        rows = [f"{fmt.clock(chapter.at_s):>6}  {chapter.title}" for chapter in show.script.chapters]
        begins = show.script.begins
        self.push_screen(
            Choose("to which chapter?", rows), lambda row: self._jump(begins[row]) if row is not None else None
        )

    def action_captions(self) -> None:
        self.captions = not self.captions
        self.show_now()

    def action_keys(self) -> None:
        self.keys_shown, self._key = not self.keys_shown, ""
        self.show_now()

    def action_stage(self) -> None:
        """There and back."""
        if self.page.name == STAGE:
            self.leave_page()
        else:
            self.open_page(STAGE)

    def action_page_does(self, name: str) -> None:
        """What a page has on a key that is a show's."""
        if (does := getattr(self.page, f"action_{name}", None)) is not None:
            does()

    async def action_faults(self) -> None:
        await self._offer("fault")

    async def action_load(self) -> None:
        await self._offer("load")

    async def _offer(self, what: str) -> None:
        import click

        from tui.screens.choosing import Choose

        if (show := self.show) is None:
            return
        try:
            made = await (show.loads() if what == "load" else show.faults())
        except click.ClickException as error:
            self._say(error.message, bad=True)
            return

        async def give(row: int | None) -> None:
            if row is None:
                return
            try:
                await show.give(made[row])
            except click.ClickException as error:
                self._say(error.message, bad=True)
                return
            self.playhead.held = False
            self._say(f"{made[row].text}, from {fmt.clock(show.world_ns / 1e9)} on; no longer the seed's run alone")

        self.push_screen(Choose(f"which {what}, from the newest moment on?", [one.text for one in made]), give)

    def note_key(self, event: events.Key) -> None:
        """For the overlay: what was pressed, as it is written."""
        if not self.keys_shown:
            return
        key = (
            NAMES.get(event.key)
            or (event.character if event.is_printable and event.character != " " else None)
            or event.key
        )
        commands = self.page.commands if self.screen is self.page else ()
        known = next((one.name for one in commands if event.key in one.keys.split(",")), "")
        self._key = f"{key}  {known}".rstrip()
        self.call_later(self.show_now)

    def _jump(self, at_ns: int) -> None:
        if (show := self.show) is not None:
            self.playhead.held = False
            show.jump(at_ns)
            self.show_now()
