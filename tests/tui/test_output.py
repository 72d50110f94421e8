"""Rows that go straight to the terminal: it shows the same as what Textual would compose."""

import re
from typing import Any

import pytest
from rich.color import ColorSystem
from rich.console import Console
from textual.screen import Screen
from textual.strip import Strip

from tests.tui.frames import big_fleet, emulated
from tests.tui.playing import Played
from tests.tui.screen import at_rest, lines, minute, running, settled
from tui.app import TokenyardApp
from tui.palettes import PALETTES
from tui.screens.choosing import Choose
from tui.screens.output import PLAIN, RESET, Rows, steps_between
from tui.screens.question import Question
from tui.screens.tenth import Tenth
from tui.theme import Ink, styles

MOVE = re.compile(r"\x1b\[(\d+);(\d+)H")
INK = re.compile(r"\x1b\[[\d;]*m")


class Terminal:
    """What was put out to a terminal: rows as ours, and in how many turns; all else as Textual has it."""

    def __init__(self, app: TokenyardApp, monkeypatch: pytest.MonkeyPatch) -> None:
        self._app, self._display_it = app, app._display
        self.ours = self.textuals = 0
        self.rows = lines(app)
        monkeypatch.setattr(app, "_display", self._display)

    def _display(self, screen: Screen[object], it: Any) -> None:
        self._display_it(screen, it)
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


@pytest.mark.parametrize("key", ["question_mark", "ctrl+p", "colon", "slash", "g"])
async def test_what_is_opened_over_a_page_stays_before_it(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    played = Played(minute(3600))
    async with running(played) as (app, pilot):
        await at_rest(pilot)
        terminal = Terminal(app, monkeypatch)
        await pilot.press(key)
        await at_rest(pilot)
        for tick in range(3601, 3604):
            played.post(emulated(tick))
            await at_rest(pilot)
            assert terminal.seen == lines(app)
        await pilot.press("escape")
        await at_rest(pilot)
        terminal.ours = 0
        played.post(emulated(3604))
        await at_rest(pilot)
        assert terminal.seen == lines(app)
        assert terminal.ours == 1


@pytest.mark.parametrize("question", [Choose("which?", ["one", "two"]), Tenth()])
async def test_a_page_is_composed_before_its_rows_are_written_again(
    monkeypatch: pytest.MonkeyPatch, question: Question[int | None]
) -> None:
    """What stood before it is on the terminal for a moment after it was answered."""
    played = Played(minute(3600, 3604, 3608))
    async with running(played, (80, 24)) as (app, pilot):
        await at_rest(pilot)
        seen: list[int] = []
        terminal = Terminal(app, monkeypatch)

        def answered(_: int | None) -> None:
            terminal.ours = terminal.textuals = 0
            app.action_step(-4)
            seen.append(terminal.ours)

        app.push_screen(question, answered)
        await at_rest(pilot)
        await pilot.press("2")
        await at_rest(pilot)
        assert seen == [0]
        assert terminal.textuals
        assert terminal.seen == lines(app)


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


def seen(text: str) -> tuple[str, str, frozenset[str]]:
    """Colour, ground and attributes that a terminal has after this (ECMA-48 8.3.117, and its usual extensions)."""
    colour, ground, others = "39", "49", set[str]()
    for code in INK.findall(text):
        parts = code[2:-1].split(";")
        while parts:
            part = parts.pop(0) or "0"
            if part == "0":
                colour, ground, others = "39", "49", set()
            elif part in ("38", "48"):
                taken = 2 if parts[0] == "5" else 4
                whole = ";".join((part, *parts[:taken]))
                colour, ground = (whole, ground) if part == "38" else (colour, whole)
                parts = parts[taken:]
            elif part[:-1] in ("3", "9"):
                colour = part
            elif part[:-1] in ("4", "10"):
                ground = part
            else:
                others.add(part)
    return colour, ground, frozenset(others)


@pytest.mark.parametrize("system", [ColorSystem.TRUECOLOR, ColorSystem.EIGHT_BIT, ColorSystem.STANDARD])
@pytest.mark.parametrize("colour", [True, False])
def test_between_two_inks_only_what_differs_is_written(system: ColorSystem, colour: bool) -> None:
    for palette in PALETTES.values():
        inks = styles(palette, colour=colour)
        steps = steps_between(inks, system)
        whole = [Strip.render_style(ink, "x", system) for ink in inks]
        bare = [text.removesuffix(RESET) for text in whole]
        for one, before in enumerate(bare):
            assert seen(f"\x1b[1;4;31;42m{steps[PLAIN, one]}") == seen(before)
            for two, after in enumerate(bare):
                assert seen(before + steps[one, two]) == seen(after)
        if colour:
            assert len(steps[Ink.TEXT, Ink.DIM]) < len(bare[Ink.DIM])
