"""Page 8: two recordings beside each other, and what to do where nothing is compared."""

import re

import pytest

from collectors.compare.comparison import Comparison, Spread
from tests.tui.frames import emulated
from tests.tui.playing import Played
from tests.tui.screen import at_rest, lines, running, text
from tests.tui.test_golden import check
from tui.app import TokenyardApp
from tui.choices import Choices
from tui.compared import what
from tui.widgets.chart import LogAxis
from tui.widgets.compare import Overlaid, overlay, spans_of, stepped
from tui.widgets.rows import Body


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36), (200, 50)])
async def test_what_differs_stands_first_and_everything_fits(comparison: Comparison, size: tuple[int, int]) -> None:
    app = TokenyardApp(Played([emulated(4)]), Choices(page="compare"), comparison)
    async with app.run_test(size=size) as pilot:
        await at_rest(pilot)
        shown = text(app)
        assert "before.tyard" in shown
        assert "after.tyard" in shown
        assert shown.count("EMULATED") >= 2
        assert "B − A lies in" in shown
        assert all(len(line) <= size[0] for line in lines(app))
        check(f"compare-{size[0]}x{size[1]}", text(app))


async def test_the_cursor_goes_through_all_rows_and_a_filter_picks_some(comparison: Comparison) -> None:
    app = TokenyardApp(Played([emulated(4)]), Choices(page="compare"), comparison)
    async with app.run_test(size=(120, 36)) as pilot:
        await at_rest(pilot)
        await pilot.press("G")
        await at_rest(pilot)
        last = comparison.rows[-1]
        assert app.page.panels["differences"].cursor == ("row", last.figure, last.of)  # type: ignore[attr-defined]
        await pilot.press("slash", *"figure:tpot", "enter")
        await at_rest(pilot)
        rows = [line for line in lines(app) if "tpot" in line]
        assert rows
        assert not [line for line in lines(app) if "ttft p" in line]


async def test_both_sides_of_a_row_can_be_asked_for(comparison: Comparison) -> None:
    app = TokenyardApp(Played([emulated(4)]), Choices(page="compare"), comparison)
    async with app.run_test(size=(120, 36)) as pilot:
        await at_rest(pilot)
        await pilot.press("i")
        await at_rest(pilot)
        row = comparison.rows[0]
        assert f"A of {what(row)} {row.of}" in text(app)
        assert f"n {row.n_a:,} · before.tyard from {comparison.a.from_s:g} s" in text(app)
        assert "1 of 2" in text(app)
        await pilot.press("right")
        await at_rest(pilot)
        assert f"B of {what(row)} {row.of}" in text(app)
        assert f"n {row.n_b:,}" in text(app)
        await pilot.press("tab", "tab")
        await at_rest(pilot)
        plain = comparison.plain[0]
        assert f"of {plain.figure} {plain.of}" in text(app)
        assert "as it was told at the end of what is compared" in text(app)
        assert "the last " not in text(app)


async def test_both_are_on_one_axis(comparison: Comparison) -> None:
    app = TokenyardApp(Played([emulated(4)]), Choices(page="compare"), comparison)
    async with app.run_test(size=(200, 50)) as pilot:
        await at_rest(pilot)
        assert "Overlaid" in text(app)
        [head] = [line for line in lines(app) if "ttft GPU llama-3.1-8b" in line and " and " in line]
        spread = next(one for one in comparison.spreads if one.figure == "ttft")
        assert f"n {sum(spread.counts_a)} and {sum(spread.counts_b)}" in head


async def test_where_nothing_is_compared_it_says_how() -> None:
    async with running(Played([emulated(4)])) as (app, pilot):
        await pilot.press("8")
        await at_rest(pilot)
        assert "tokenyard compare A.tyard B.tyard" in text(app)


async def test_it_is_drawn_in_the_dots_that_there_are(comparison: Comparison) -> None:
    app = TokenyardApp(Played([emulated(4)]), Choices(page="compare", glyphs="ascii"), comparison)
    async with app.run_test(size=(120, 36)) as pilot:
        await at_rest(pilot)
        shown = text(app)
        assert shown.isascii()
        assert not re.search("[2-8]{4}", shown.partition("Overlaid")[2].partition("As told")[0]), "no dots by number"
        assert re.search(r"\.{4}", shown)


def test_few_samples_are_drawn_in_few_steps_and_none_is_lost() -> None:
    counts = [1.0, 0.0, 2.0, 0.0, 0.0, 4.0, 1.0]
    assert stepped(counts, 1) == counts
    assert stepped(counts, 3) == [3.0, 3.0, 3.0, 4.0, 4.0, 4.0, 1.0]
    few, many = (tuple(range(9_000, 9_000 + n)) for n in (16, 1_600))
    axis = LogAxis(1e-3, 1e6, 160)
    shapes = []
    for bins in (few, many):
        spans = spans_of(bins, (1,) * len(bins))
        shapes.append(overlay(Spread("gap", "all", bins, (1,) * len(bins), (), ()), (spans, []), axis, 80, 5))
    assert all(len(shape) == 5 and all(sum(len(text) for text, _ in line) == 80 for line in shape) for shape in shapes)
    assert "n 16 and 0" in "".join(text for text, _ in shapes[0][0])


async def test_what_was_compared_is_drawn_once_while_the_replay_goes_on(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played([emulated(4)])
    app = TokenyardApp(played, Choices(page="compare"), comparison)
    async with app.run_test(size=(200, 50)) as pilot:
        await at_rest(pilot)
        drawn: list[int] = []
        draw = Overlaid.compared

        def noted(panel: Overlaid, it: Comparison, width: int, height: int) -> Body:
            drawn.append(height)
            return draw(panel, it, width, height)

        monkeypatch.setattr(Overlaid, "compared", noted)
        played.post(emulated(5))
        await at_rest(pilot)
        assert not drawn
        await pilot.press("z", "tab")
        await at_rest(pilot)
        assert drawn
