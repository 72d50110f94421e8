"""The screen as text at each contracted size. `TOKENYARD_UPDATE_GOLDENS=1 pytest tests/tui/test_golden.py` writes the files anew."""

import os
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.tui import frames
from tests.tui.playing import Played
from tests.tui.screen import lines, running, settled, text

GOLDENS = Path(__file__).parent / "goldens"
SIZES = [(60, 20), (80, 24), (120, 36), (200, 50)]
FRAMES = {
    "emulated": frames.emulated(),
    "vllm": frames.vllm(),
    "trouble": frames.with_trouble(),
    "empty": frames.empty(),
    "hostile": frames.hostile(),
    "states": frames.states(),
    "fleet72": frames.emulated(3600, frames.big_fleet()),
    "fleet300": frames.emulated(3600, frames.big_fleet(300)),
}


def check(name: str, shown: str) -> None:
    path = GOLDENS / (name if name.endswith(".svg") else f"{name}.txt")
    if os.environ.get("TOKENYARD_UPDATE_GOLDENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown + "\n")
    assert path.is_file(), f"no golden {path.name}: run with TOKENYARD_UPDATE_GOLDENS=1 and look at it"
    assert shown + "\n" == path.read_text()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", FRAMES)
async def test_the_overview(name: str, size: tuple[int, int]) -> None:
    async with running(Played([FRAMES[name]]), size) as (app, _):
        shown = lines(app)
        assert len(shown) == size[1]
        assert all(cell_len(line) <= size[0] for line in shown)
        assert "? help" in shown[-1], "a blank screen is no golden"
        check(f"{name}-{size[0]}x{size[1]}", text(app))


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (["z"], "fleet"),
        (["tab", "z"], "tiers"),
        (["z", "tab", "tab"], "river"),
        (["shift+tab", "shift+tab", "z"], "stalls"),
    ],
)
async def test_a_zoomed_section(keys: list[str], name: str) -> None:
    async with running(Played([FRAMES["emulated"]]), (80, 24)) as (app, pilot):
        await pilot.press(*keys)
        await settled(pilot)
        check(f"zoom-{name}-80x24", text(app))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_help(size: tuple[int, int]) -> None:
    async with running(Played([FRAMES["emulated"]]), size) as (app, pilot):
        await pilot.press("question_mark")
        await settled(pilot)
        assert " EMULATED" in lines(app)[0]
        check(f"help-{size[0]}x{size[1]}", text(app))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_what_a_figure_is(size: tuple[int, int]) -> None:
    async with running(Played([FRAMES["emulated"]]), size) as (app, pilot):
        await pilot.press("down", "i", *["right"] * 4)
        await settled(pilot)
        check(f"inspector-{size[0]}x{size[1]}", text(app))


async def test_a_small_terminal_says_what_is_needed() -> None:
    async with running(Played([FRAMES["emulated"]]), (50, 20)) as (app, _):
        check("small-50x20", text(app))
