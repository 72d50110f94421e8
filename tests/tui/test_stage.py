"""The stage: big digits say what the figures say, and nothing else."""

import pytest

from tests.tui import frames
from tests.tui.demo import demo
from tests.tui.playing import Played
from tests.tui.screen import running, settled, text
from tests.tui.test_golden import check
from tui.big import big
from tui.view import View
from tui.widgets.stage import figures, message, stage


def test_big_digits_are_equally_wide() -> None:
    rows = big("0123456789.–")
    assert len({len(row) for row in rows}) == 1
    assert big("41") == ("█ █ ▄█  ", "▀▀█  █  ", "  ▀ ▀▀▀ ")


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", ["emulated", "states", "trouble"])
async def test_the_stage(name: str, size: tuple[int, int]) -> None:
    frame = {"emulated": frames.emulated, "states": frames.states, "trouble": frames.with_trouble}[name]()
    async with running(Played([frame]), size) as (app, pilot):
        await pilot.press("9")
        await settled(pilot)
        check(f"stage-{name}-{size[0]}x{size[1]}", text(app))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_stage_in_the_demo(size: tuple[int, int]) -> None:
    async with running(demo().played(), size) as (app, pilot):
        await pilot.press("9")
        await settled(pilot)
        check(f"stage-demo-{size[0]}x{size[1]}", text(app))


def test_what_is_not_known_is_never_a_digit() -> None:
    view = View(frame=frames.empty())
    drawn = "".join(part for line in stage(view, 80, 20) for part, _ in line)
    assert "█" not in drawn
    assert len(figures(view)) == 3
    assert message(view, 80)[0] == ""
