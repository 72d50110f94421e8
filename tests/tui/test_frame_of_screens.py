"""What every page can do: jump, hide, copy, screenshots, contextual help."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.widgets import Static

from tests.tui import frames
from tests.tui.playing import Played
from tests.tui.screen import lines, running, settled, text
from tui.app import TokenyardApp
from tui.layout import Wants, plan
from tui.line import Line
from tui.pages import BY_NAME
from tui.places import Box, without
from tui.shots import pasted, write

FRAME = frames.emulated()


def titles(app: TokenyardApp) -> list[str]:
    words = ("Fleet", "Tiers", "Token river", "Newest stalls")
    return [f"{mark}{word}".strip() for word in words for mark in " ▸" if f"─{mark}{word} " in text(app)]


async def toasted(pilot: Pilot[None]) -> None:
    """A message is seen."""
    for _ in range(100):
        await settled(pilot)
        if pilot.app.screen.query("Toast"):
            await settled(pilot)
            return
    raise AssertionError("no message")


# jump


async def test_a_letter_goes_to_a_panel_a_row_or_sorts_by_a_column() -> None:
    async with running(Played([FRAME])) as (app, pilot):
        await pilot.press("j")
        await settled(pilot)
        assert "a letter goes there" in lines(app)[-1]
        fleet = next(line for line in lines(app) if "Fleet window" in line)
        assert fleet.startswith("╭─aFleet ")
        stalls = next(line for line in lines(app) if "Newest stalls" in line)
        await pilot.press(stalls.partition("─")[2][0])
        await settled(pilot)
        assert titles(app)[-1] == "▸Newest stalls"
        await pilot.press("j")
        await settled(pilot)
        row = next(line for line in lines(app) if "lpu-0   LPU" in line)
        await pilot.press(row.strip("│")[0])
        await settled(pilot)
        assert any(line.startswith("│▸  lpu-0   LPU") for line in lines(app))
        await pilot.press("j")
        await settled(pilot)
        heading = next(line for line in lines(app) if "tok/s" in line and "gap p50" in line)
        letter = heading[heading.rindex("tok/s") - 1]
        assert letter.isalpha()
        await pilot.press(letter)
        await settled(pilot)
        assert "↓tok/s" in text(app)


async def test_any_other_key_stays_and_is_not_what_it_means_elsewhere() -> None:
    async with running(Played([FRAME])) as (app, pilot):
        before = text(app)
        for key in ("escape", "space", "end"):
            await pilot.press("j", key)
            await settled(pilot)
            assert text(app) == before
            assert not app.playhead.held


# hide


async def test_hidden_panels_leave_their_place_to_others_and_come_back() -> None:
    async with running(Played([FRAME])) as (app, pilot):
        await pilot.press("x")
        await settled(pilot)
        assert titles(app) == ["▸Tiers", "Token river", "Newest stalls"]
        for _ in range(3):
            await pilot.press("x")
        await settled(pilot)
        assert len(titles(app)) == 1, "the last one stays"
        found = {command.title: command for command in app.get_system_commands(app.screen)}
        await found["Show fleet"].callback()
        await settled(pilot)
        assert "Fleet" in titles(app)
        await pilot.press("X")
        await settled(pilot)
        assert len(titles(app)) == 4


@given(
    st.integers(60, 220),
    st.integers(14, 70),
    st.booleans(),
    st.builds(Wants, st.integers(0, 80), st.integers(0, 80), st.integers(0, 80)),
    st.sets(st.sampled_from(["fleet", "tiers", "river", "stalls"]), max_size=3),
)
def test_what_is_left_tiles_the_same_room(width: int, height: int, boxed: bool, wants: Wants, hidden: set[str]) -> None:
    there = plan(Box(0, 3, width, height), boxed, wants).boxes
    boxes = without(there, hidden)
    assert set(boxes) == set(there) - hidden or set(there) <= hidden
    cells = [
        (x, y)
        for box in boxes.values()
        for x in range(box.x, box.x + box.width)
        for y in range(box.y, box.y + box.height)
    ]
    assert len(cells) == len(set(cells))
    whole = plan(Box(0, 3, width, height), boxed, wants).boxes.values()
    assert len(cells) == sum(box.width * box.height for box in whole)


# copy


async def test_y_copies_the_row_or_the_figure() -> None:
    async with running(Played([FRAME])) as (app, pilot):
        await pilot.press("down", "y")
        assert app.clipboard.startswith("gpu-1 GPU aggreg. llama-3.1-70b 19 0 2.16k 18.9 ms 212 ms")
        await pilot.press("i", "right", "y")
        await settled(pilot)
        assert app.clipboard.startswith("wait of gpu-1: value 0; is requests that wait")
        assert "EMULATED" in app.clipboard
    async with running(Played([frames.empty()]), toasts=True) as (app, pilot):
        await pilot.press("tab", "y")
        await toasted(pilot)
        assert app.clipboard == ""
        assert "no row is under the cursor" in text(app)


# screenshots


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(TokenyardApp, "shots", tmp_path / "shots")
    return tmp_path / "shots"


async def test_a_screenshot_is_the_screen_as_svg_and_as_text(folder: Path) -> None:
    async with running(Played([frames.hostile()], title="<script>&\x1b]0;x\x07"), toasts=True) as (app, pilot):
        before = text(app)
        await pilot.press("S", "S")
        await toasted(pilot)
        assert "shots/overview-" in text(app).replace("\n", "").replace(" ", "")
    check_shots(folder, before)


def check_shots(folder: Path, screen: str) -> None:
    files = sorted(folder.iterdir())
    assert [file.suffix for file in files] == [".svg", ".txt", ".svg", ".txt"]
    assert files[1].read_text() == screen + "\n"
    svg = files[0].read_text()
    assert svg.startswith("<svg ")
    assert "<script>" not in svg
    assert "\x1b" not in svg
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_folder_that_cannot_be_written_is_said(folder: Path, tmp_path: Path) -> None:
    tmp_path.joinpath("shots").symlink_to("/dev/null/nowhere")
    async with running(Played([FRAME]), toasts=True) as (app, pilot):
        await pilot.press("S")
        await toasted(pilot)
        assert "no screenshot: " in text(app)


def test_names_that_are_taken_are_left_alone(tmp_path: Path) -> None:
    paths = {write(tmp_path, "overview", "<svg/>", "x") for _ in range(4)}
    assert len(paths) == 4


def test_panels_are_pasted_at_their_places() -> None:
    boxes: dict[str, tuple[Box, list[Line]]] = {
        "a": (Box(0, 0, 4, 1), [(("wide", 0),)]),
        "b": (Box(4, 0, 2, 2), [(("日", 0),), (("xy", 0),)]),
    }
    assert pasted(8, 3, boxes) == "wide日\n    xy\n\n"


# help


async def test_help_is_of_the_page_and_of_the_panel_with_the_focus() -> None:
    async with running(Played([FRAME]), (120, 180)) as (app, pilot):
        await pilot.press("question_mark")
        await helped(app, pilot)
        shown = text(app)
        assert "Fields, after /" in shown
        assert "in any field of fleet" in shown
        assert "gap.p99" in shown
        assert all(page.title in shown for page in BY_NAME.values())
        await pilot.press("escape", "tab", "question_mark")
        await helped(app, pilot)
        assert "in any field of tiers" in text(app)
        assert app.screen.query(Static)


async def helped(app: TokenyardApp, pilot: Pilot[None]) -> None:
    for _ in range(100):
        await settled(pilot)
        if "in any field of" in text(app):
            return
