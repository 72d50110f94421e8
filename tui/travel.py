"""What the keys of time do: pausing, stepping, going to a moment, bookmarks, speed. Part of the App."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App

from tui import format as fmt
from tui.marks import Bookmarks, beside
from tui.plain import printable
from tui.playhead import Playhead

if TYPE_CHECKING:
    from tui.driver import Driver

NO_PLAYER = "only a recording or a show can be played faster, slower or backwards"


class Travels(App[None]):
    """Actions over `feed` and `playhead`."""

    feed: Driver
    playhead: Playhead
    bookmarks: Bookmarks

    def show_now(self) -> None:
        """Draw what the playhead shows."""
        raise NotImplementedError

    def action_hold(self) -> None:
        player = self.feed.player
        self._hold(not self.playhead.held and not (player is not None and player.ended))

    def action_live(self) -> None:
        """The newest; in a recording its end."""
        if self.feed.player is not None:
            self.action_seek(self.feed.player.last_ns)
        else:
            self._hold(False)

    def action_step(self, ticks: int) -> None:
        self.playhead.step(ticks)
        self._stay()

    def action_seek(self, time_ns: int) -> None:
        self.playhead.seek(time_ns)
        self._stay()

    def action_mark(self, direction: int) -> None:
        """To the bookmark or stall before or after what is shown."""
        shown = self.playhead.shown
        moment = (
            beside(self.feed.history, self.bookmarks.times, shown.time_ns, direction) if shown is not None else None
        )
        if moment is None:
            self.notify(f"no bookmark or stall {'after' if direction > 0 else 'before'} this", timeout=3)
            return
        self.action_seek(moment)
        if note := self.bookmarks.notes.get(moment):
            self.notify(printable(note), title="bookmark", markup=False)

    def action_bookmark(self) -> None:
        """Where there is one already: without it."""
        shown = self.playhead.shown
        if shown is None:
            return
        if shown.time_ns in self.bookmarks.notes:
            problem, done = self.bookmarks.remove(shown.time_ns), "bookmark removed"
        else:
            problem, done = (
                self.bookmarks.add(shown.time_ns),
                f"bookmark at {fmt.wall(shown.utc_s, shown.time_ns / 1e9)}",
            )
        self._say(problem or done, bad=problem is not None)
        self._marked()

    def action_note(self) -> None:
        """A bookmark where there is none, and its text."""
        from tui.screens.note import Note

        shown = self.playhead.shown
        if shown is None:
            return
        at_ns, when = shown.time_ns, fmt.wall(shown.utc_s, shown.time_ns / 1e9)

        def keep(text: str | None) -> None:
            if text is not None:
                problem = self.bookmarks.add(at_ns, printable(text), stop=at_ns in self.bookmarks.stops)
                self._say(problem or f"bookmark at {when}", bad=problem is not None)
                self.show_now()

        self.push_screen(Note(self.bookmarks.notes.get(at_ns, "")), keep)

    def action_pause_mark(self) -> None:
        """A bookmark at which a replay pauses by itself; where it does already, not any more."""
        shown = self.playhead.shown
        if shown is None:
            return
        at_ns, stops = shown.time_ns, shown.time_ns not in self.bookmarks.stops
        problem = self.bookmarks.add(at_ns, self.bookmarks.notes.get(at_ns, ""), stop=stops)
        done = "pauses here by itself from now on" if stops else "goes on here from now on"
        self._say(problem or done, bad=problem is not None)
        self._marked()

    def action_delivery(self, direction: int) -> None:
        shown = self.playhead.shown
        if shown is None:
            return
        if self.feed.clock != "replay":
            self._say("only a recording can be stepped through by delivery")
            return
        moment = self.feed.delivery(shown.time_ns, direction)
        if moment is None:
            self._say(f"no delivery within two minutes {'after' if direction > 0 else 'before'} this")
            return
        self.action_seek(moment)

    def _marked(self) -> None:
        """Bookmarks have changed."""
        if self.feed.player is not None and self.feed.clock == "replay":
            self.feed.player.stops = sorted(self.bookmarks.stops)
        self.show_now()

    def action_loop(self) -> None:
        player, shown = self.feed.player, self.playhead.shown
        if player is None:
            self._say("only a recording can be played in a loop")
        elif shown is not None:
            self._say(player.mark_loop(shown.time_ns))
            self.show_now()

    def action_speed(self, steps: int) -> None:
        player = self.feed.player
        if player is None:
            self._say(NO_PLAYER)
            return
        player.change(steps)
        self.show_now()

    def action_reverse(self) -> None:
        player = self.feed.player
        if player is None:
            self._say(NO_PLAYER)
            return
        player.backwards = not player.backwards
        self.show_now()

    def action_tenth(self, number: int) -> None:
        span = self.feed.history.span()
        if span is not None:
            self.action_seek(span[0] + (span[1] - span[0]) * number // 10)

    def action_ask_tenth(self) -> None:
        from tui.screens.tenth import Tenth

        self.push_screen(Tenth(), lambda number: self.action_tenth(number) if number is not None else None)

    async def action_save(self) -> None:
        """Write what is remembered to a new file where the dashboard was started."""
        path = Path.cwd() / time.strftime("tokenyard-%Y%m%d-%H%M%S.tyard")
        problem, done = await self.feed.save(path)
        self._say(problem or done, bad=bool(problem))

    def _stay(self) -> None:
        shown = self.playhead.shown
        self.feed.hold(True, shown.time_ns if shown is not None else None)
        self.show_now()

    def _hold(self, held: bool) -> None:
        shown = self.playhead.shown
        self.feed.hold(held, shown.time_ns if shown is not None else None)
        self.playhead.hold(held)
        self.show_now()

    def _say(self, text: str, *, bad: bool = False) -> None:
        self.notify(printable(text), severity="error" if bad else "information", markup=False)
