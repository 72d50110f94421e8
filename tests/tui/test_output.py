"""Rows that go straight to the terminal: it shows the same as what Textual would compose."""

import re

import pytest
from rich.console import Console
from textual.screen import Screen

from tests.tui.frames import big_fleet, emulated
from tests.tui.playing import Played
from tests.tui.screen import at_rest, lines, minute, running, settled
from tui.app import TokenyardApp
from tui.screens.output import Rows

MOVE = re.compile(r"\x1b\[(\d+);(\d+)H")
INK = re.compile(r"\x1b\[[\d;]*m")


class Terminal:
    """What was put out to a terminal: rows as ours, and in how many turns; all else as Textual has it."""

    def __init__(self, app: TokenyardApp, monkeypatch: pytest.MonkeyPatch) -> None:
        self._app = app
        self.ours = self.textuals = 0
        self.rows = lines(app)
        monkeypatch.setattr(app, "_display", self._display)

    def _display(self, screen: Screen[None], it: object) -> None:
        if not isinstance(it, Rows):
            self.textuals += it is not None
            self.rows = lines(self._app)
            return
        self.ours += 1
        _, *moved = MOVE.split(it.render_segments(Console(color_system="truecolor")))
        for y, x, text in zip(moved[::3], moved[1::3], moved[2::3], strict=True):
            row, start, new = self.rows[int(y) - 1], int(x) - 1, INK.sub("", text)
            self.rows[int(y) - 1] = row[:start].ljust(start) + new + row[start + len(new) :]

    @property
    def seen(self) -> list[str]:
        return [row.rstrip() for row in self.rows]


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (200, 50)])
async def test_what_is_put_out_row_by_row_is_what_is_composed(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    played = Played(minute(3600))
    async with running(played, size) as (app, pilot):
        await at_rest(pilot)
        terminal = Terminal(app, monkeypatch)
        for tick in range(3601, 3611):
            played.post(emulated(tick))
            await settled(pilot)
            assert terminal.seen == lines(app)
        assert (terminal.ours, terminal.textuals) == (10, 0)
        for key in ("down", "z", "escape", "i", "escape", "2", "1", "question_mark", "escape", "tab"):
            await pilot.press(key)
            await at_rest(pilot)
            assert terminal.seen == lines(app), key
        for tick in range(3611, 3615):
            played.post(emulated(tick))
            await settled(pilot)
        assert terminal.seen == lines(app)


async def test_where_anything_stands_before_the_panels_textual_composes(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(minute(3600))
    async with running(played, toasts=True) as (app, pilot):
        await at_rest(pilot)
        terminal = Terminal(app, monkeypatch)
        app.say("a message")
        await at_rest(pilot)
        assert any("a message" in row for row in terminal.seen)
        terminal.ours = terminal.textuals = 0
        played.post(emulated(3601))
        await settled(pilot)
        assert terminal.ours == 0
        assert terminal.textuals
        assert any("a message" in row for row in terminal.seen)


async def test_panels_that_go_elsewhere_are_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(minute(3600))
    async with running(played) as (app, pilot):
        await at_rest(pilot)
        terminal = Terminal(app, monkeypatch)
        played.post(emulated(3601, big_fleet(8)))
        await at_rest(pilot)
        assert terminal.textuals
        assert terminal.seen == lines(app)
        await pilot.resize_terminal(100, 30)
        await at_rest(pilot)
        played.post(emulated(3602, big_fleet(8)))
        await at_rest(pilot)
        assert terminal.seen == lines(app)
