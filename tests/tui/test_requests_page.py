"""The page of single requests: list, agent runs, one request in full, and the decision that sent it where it went."""

import asyncio
import re
from pathlib import Path

import pytest

from collectors.model.detail import DecisionCard, Named
from tests.tui.demo import demo
from tests.tui.playing import Played
from tests.tui.screen import at_rest, lines, running, settled, text
from tests.tui.test_golden import SIZES, check
from tui.app import TokenyardApp
from tui.line import text_of
from tui.replaying import ReplayDriver
from tui.screens.requests import RequestsPage
from tui.view import View
from tui.widgets import request_table
from tui.widgets.card import CHOSEN, _table, bar, score
from tui.widgets.rows import RowsPanel
from tui.widgets.stalls import StallKey
from tui.widgets.waterfall import Axis


def page(app: TokenyardApp) -> RequestsPage:
    assert isinstance(app.page, RequestsPage)
    return app.page


def test_an_axis_of_two_scales_and_of_one() -> None:
    whole = Axis(100, 2.0, None)
    assert whole.span(0.5, 1.0) == (25, 50)
    assert whole.span(0.5, 0.5) == (25, 26), "what took no time is still seen"
    split = Axis(100, 10.0, 0.1)
    assert split.first == 45
    assert split.span(0.0, 0.1) == (0, 45)
    assert split.span(0.1, 10.0) == (45, 100)


def test_bars_and_scores() -> None:
    assert bar(0.5, 1.0, 4) == "██"
    assert bar(-0.5, 1.0, 4) == "−██"
    assert bar(0.0, 1.0, 4) == ""
    assert bar(1e-9, 1.0, 4) == "▏", "what is not nothing is seen"
    assert (score(2.904), score(-0.1875)) == ("2.90", "−0.188")


def card(count: int, terms: int) -> DecisionCard:
    candidates = tuple(
        Named(f"w-{n}", "", 3.0 - n, tuple((f"term{t}", (t + 1) / (n + 1)) for t in range(terms)), None, n == 0)
        for n in range(count)
    )
    return DecisionCard("r", 0.0, "all", (), "w-0", candidates, 1.0, tie=False, headroom_s=None)


def test_many_terms_of_few_candidates_are_turned() -> None:
    table = _table(View(), card(2, 6), 60)
    assert text_of(table.heading).split() == [CHOSEN, "w-0", "w-1"]
    assert [row.split()[0] for row in text_of(table.rows).splitlines()] == ["score", *(f"term{t}" for t in range(6))]
    assert table.left_out == 0


def test_many_candidates_are_rows_and_what_does_not_fit_is_counted() -> None:
    table = _table(View(), card(30, 6), 60)
    assert len(table.rows) == 30
    assert text_of(table.rows[:1]).split()[:2] == [CHOSEN, "w-0"]
    assert table.left_out == 6 - text_of(table.heading).count("term")


async def test_without_detail_there_is_what_the_frame_has() -> None:
    from tests.tui import frames

    async with running(Played([frames.vllm()])) as (app, pilot):
        await pilot.press("5")
        await settled(pilot)
        assert "who says so" in text(app)
        await pilot.press("v", "f", "enter")
        await settled(pilot)
        assert "who says so" in text(app)


async def test_a_request_is_opened_followed_and_left() -> None:
    async with running(demo().played(), (120, 36)) as (app, pilot):
        await pilot.press("5", *["down"] * 26, "enter")
        await settled(pilot)
        shown = text(app)
        for word in ("received", "prefill", "decode", "rule", "SLO headroom", "Tokens", "overlap"):
            assert word in shown
        opened = page(app).opened
        assert opened is not None
        await pilot.press("f")
        await settled(pilot)
        assert app.page.name == "placement"
        assert re.search(r"Follow r-\d+", text(app))
        await pilot.press("enter")
        await settled(pilot)
        assert page(app).opened == opened
        await pilot.press("escape")
        await settled(pilot)
        assert app.page.name == "placement", "back to where it was opened"
        await pilot.press("5")
        await settled(pilot)
        assert page(app).opened is None
        assert page(app).table.current == opened


async def test_why_did_it_go_there_in_four_keys_from_the_overview() -> None:
    """A stall is under the cursor: panel, panel, panel, enter."""
    async with running(demo().played(), (80, 24)) as (app, pilot):
        keys = 0
        while app.page.focus_on != "stalls":
            await pilot.press("tab")
            keys += 1
        await pilot.press("enter")
        keys += 1
        await settled(pilot)
        assert keys <= 4
        shown = text(app)
        assert "rule" in shown
        assert CHOSEN in shown


async def test_from_a_worker_to_why_a_request_of_its_went_there_in_four_keys() -> None:
    async with running(demo().played(), (80, 24)) as (app, pilot):
        await pilot.press("enter")
        await settled(pilot)
        assert app.page.name == "placement"
        await pilot.press("enter", "enter", "enter")
        await settled(pilot)
        assert app.page.name == "requests"
        assert CHOSEN in text(app)


async def test_filter_and_order() -> None:
    async with running(demo().played(), (120, 36)) as (app, pilot):
        await pilot.press("5", "slash", *"state:stop ttft>500ms", "enter")
        await settled(pilot)
        rows = [line for line in lines(app) if re.search(r"│.{1,3}r-\d+", line)]
        assert rows
        assert all(" stop " in row for row in rows)
        assert page(app).table.picking
        await pilot.press("escape")
        await settled(pilot)
        page(app).table.sort_by("longest")
        page(app).redraw()
        found = [float(value) for value in re.findall(r"(\d+) ms +\d* +[\d.]+ m?s +│$", text(app), re.MULTILINE)]
        assert len(found) > 10
        assert found == sorted(found, reverse=True)


async def test_filter_by_gaps_looks_at_all_of_them() -> None:
    async with running(demo().played(), (120, 36)) as (app, pilot):
        await pilot.press("5", "slash", *"gap.p99>100ms", "enter")
        await settled(pilot)
        table = page(app).table
        assert 0 < len(table._body.keys) < 100


async def test_what_a_figure_of_a_request_is() -> None:
    async with running(demo().played(), (120, 36)) as (app, pilot):
        await pilot.press("5", *["down"] * 26, "i")
        await settled(pilot)
        shown = text(app)
        assert "TTFT" in shown
        assert "its first delivery with content" in " ".join(shown.split())
        assert "emulated" in shown.casefold()


async def test_an_agent_run_opens_as_a_tree() -> None:
    async with running(demo().played(), (120, 36)) as (app, pilot):
        await pilot.press("5", "v", *["down"] * 9, "enter")
        await settled(pilot)
        assert re.search(r"▾ w-3 +6 requests", text(app))
        assert "critical path" in text(app)
        await pilot.press("down", "enter")
        await settled(pilot)
        assert page(app).opened is not None
        assert "w-3" in text(app)
        await pilot.press("escape", "v")
        await settled(pilot)
        assert "who says so" in text(app)
        await pilot.press("v")
        await settled(pilot)
        assert "gaps are each request's own" in text(app)


async def test_mouse() -> None:
    async with running(demo().played(), (120, 36)) as (app, pilot):
        await pilot.press("5")
        await settled(pilot)
        await pilot.click(offset=(5, 10), times=2)
        await settled(pilot)
        assert page(app).opened is not None


async def test_no_layouts_in_ticks() -> None:
    seen = demo()
    async with running(seen.played(), (200, 50)) as (app, pilot):
        for keys in (["5"], [*["down"] * 20, "enter"]):
            await pilot.press(*keys)
            await at_rest(pilot)
            layouts: list[object] = []
            app.screen.screen_layout_refresh_signal.subscribe(app, layouts.append)
            driver = app.feed
            assert isinstance(driver, Played)
            for frame in seen.frames[-50:]:
                driver.post(frame)
                await pilot.pause()
            assert layouts == []
            app.screen.screen_layout_refresh_signal.unsubscribe(app)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("what", ["list", "runs", "one"])
async def test_how_it_looks(what: str, size: tuple[int, int]) -> None:
    keys = {"list": [], "runs": ["v", *["down"] * 9, "enter"], "one": [*["down"] * 26, "enter"]}[what]
    async with running(demo().played(8), size) as (app, pilot):
        await pilot.press("5", *keys)
        await settled(pilot)
        check(f"requests-{what}-{size[0]}x{size[1]}", text(app))


async def test_a_stall_opens_its_request_in_a_recording_too(recorded: Path) -> None:
    """Single requests are read from the recording only when somebody looks at them."""
    driver = ReplayDriver(recorded, 11.0)
    driver.player.playing = False
    app = TokenyardApp(driver)
    async with app.run_test(size=(80, 24)) as pilot:
        while app.playhead.shown is None:
            await pilot.pause()
        await pilot.press("shift+tab", "shift+tab")
        stalls = app.page.own["stalls"]
        assert isinstance(stalls, RowsPanel)
        stall = stalls.current
        assert isinstance(stall, StallKey)
        await pilot.press("enter")
        async with asyncio.timeout(60):
            while driver.detail is None or page(app).view.detail is None:
                await pilot.pause(0.01)
        await settled(pilot)
        opened = page(app).opened
        assert opened is not None
        assert driver.detail is not None
        one = driver.detail.request(opened, app.playhead.shown.time_ns)
        assert one is not None
        assert one.line.id == stall.request
        assert one.line.stalls > 0
        await pilot.press("escape")
        assert app.page.name == "overview"


async def test_where_picking_takes_long_rows_are_of_a_moment_before_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands of requests it is not done for each Frame; what is told of the rows is as new as ever."""
    monkeypatch.setattr(request_table, "LONG_S", -1.0)
    monkeypatch.setattr(request_table, "REST", 1e9)
    whole = demo()
    played = Played(whole.frames[-12:-11])
    played.detail = whole.detail
    async with running(played, (120, 36)) as (app, pilot):
        await pilot.press("5")
        page(app).table.sort_by("took")
        page(app).redraw()
        await settled(pilot)
        before = {row.key: row.last_s or 0.0 for row in page(app).table._shown}
        assert "picked" not in text(app)
        played.post(whole.frames[-1])
        await settled(pilot)
        assert "picked 2.75 s before" in text(app)
        after = {row.key: row.last_s or 0.0 for row in page(app).table._shown}
        assert list(after) == list(before)
        assert sum(after.values()) > sum(before.values())
        page(app).table.sort_by("at")
        page(app).redraw()
        await settled(pilot)
        assert "picked" not in text(app), "it was asked for something else"
        assert list({row.key: None for row in page(app).table._shown}) != list(before)
