"""The pages of tiers and of jitter: as text in the seeded demo and in large fleets, by key and by mouse, without a layout in a tick, whatever comes."""

import asyncio
import re
from collections.abc import Sequence
from functools import cache

import msgspec
import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from collectors.diagnose.tier_groups import fullness, thrashes
from collectors.model.figure import Figure
from collectors.model.frame import Frame
from collectors.model.vocabulary import State, Tier
from tests.tui import frames
from tests.tui.histories import complete, emulated
from tests.tui.playing import Played
from tests.tui.screen import at_rest, lines, running, settled, text
from tests.tui.test_golden import SIZES, check
from tui.app import TokenyardApp
from tui.headless import demo_frames
from tui.widgets.gap_lines import GapLines
from tui.widgets.ledger import Ledger
from tui.widgets.stalls import StallKey
from tui.widgets.tier_table import TierTable

PAGES = {"tiers": "3", "jitter": "4"}
SECONDS = 70.0


@cache
def demo() -> Sequence[Frame]:
    """The default scenario, seed 7, tick by tick."""
    seen: list[Frame] = []
    asyncio.run(demo_frames("default", 7, SECONDS, None, seen.append))
    return seen


@pytest.fixture(scope="module", autouse=True)
def played() -> None:
    demo()


async def press(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def ids(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


@pytest.mark.parametrize("size", SIZES, ids=ids)
@pytest.mark.parametrize("page", PAGES)
async def test_in_the_demo(page: str, size: tuple[int, int]) -> None:
    async with running(Played(demo()[-1:]), size) as (app, pilot):
        await press(pilot, PAGES[page])
        shown = lines(app)
        assert all(cell_len(line) <= size[0] for line in shown)
        assert " EMULATED" in shown[0]
        check(f"{page}-demo-{ids(size)}", text(app))


@pytest.mark.parametrize("workers", [72, 300])
@pytest.mark.parametrize("page", PAGES)
async def test_of_a_large_fleet(page: str, workers: int) -> None:
    async with running(Played([emulated(3600, workers)]), (120, 36)) as (app, pilot):
        await press(pilot, PAGES[page])
        check(f"{page}-fleet{workers}-120x36", text(app))


MADE = {
    "empty": frames.empty(),
    "vllm": complete(frames.vllm()),
    "bare": frames.emulated(),
    "trouble": complete(frames.with_trouble()),
    "hostile": complete(frames.hostile()),
    "states": complete(frames.states()),
}


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=ids)
@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("page", PAGES)
async def test_whatever_there_is_to_show(page: str, name: str, size: tuple[int, int]) -> None:
    async with running(Played([MADE[name]]), size) as (app, pilot):
        await press(pilot, PAGES[page])
        for _ in range(4):
            shown = lines(app)
            assert len(shown) == size[1]
            assert all(cell_len(line) <= size[0] for line in shown)
            await press(pilot, "z", "i", "i", "z", "tab")
        assert "? help" in lines(app)[-1]


@pytest.mark.parametrize("page", PAGES)
async def test_no_layout_in_fifty_ticks(page: str) -> None:
    played = Played(demo()[-52:-50])
    async with running(played, (200, 50)) as (app, pilot):
        await press(pilot, PAGES[page])
        await at_rest(pilot)
        layouts: list[object] = []
        app.screen.screen_layout_refresh_signal.subscribe(app, layouts.append)
        before = text(app)
        for frame in demo()[-50:]:
            played.post(frame)
            await settled(pilot)
        assert layouts == []
        assert text(app) != before


async def test_which_tier_thrashes_and_what_it_costs_is_one_key_away() -> None:
    async with running(Played(demo()[-1:]), (80, 24)) as (app, pilot):
        await press(pilot, "3")
        shown = text(app)
        assert re.search(r"▲ gpu-0 +HBM.* 100 % .* \d\d %", shown)
        assert re.search(r"  lpu-0 +SRAM.* 100 % .* \d\d %", shown), "full by design, and told without an alarm"
        assert re.search(r"back .* [\d.]+ GiB/s +▲[\d.]+ MiB/s", shown)


def panel(app: TokenyardApp, key: str) -> tuple[int, int]:
    """Place of a panel on the screen."""
    box = app.page.boxes[key]
    return box.x, box.y


async def test_a_click_into_an_area_moves_the_time() -> None:
    async with running(Played(demo()), (120, 36)) as (app, pilot):
        await press(pilot, "3")
        table = app.page.own["tiers"]
        assert isinstance(table, TierTable)
        x, y = panel(app, "tiers")
        column = next(one for one in range(119, 0, -1) if table.action_at(one, 3))
        await pilot.click(offset=(x + column, y + 3))
        await settled(pilot)
        assert app.playhead.held
        assert app.playhead.shown is not None
        assert app.playhead.shown.time_ns == demo()[-1].time_ns // (2 * 10**9) * 2 * 10**9
        await pilot.click(offset=(x + column - 5, y + 3))
        await settled(pilot)
        assert app.playhead.shown.time_ns < demo()[-1].time_ns - 4 * 10**9


async def test_a_click_into_the_lines_moves_the_time_and_back() -> None:
    async with running(Played(demo()), (120, 36)) as (app, pilot):
        await press(pilot, "4")
        chart = app.page.own["lines"]
        assert isinstance(chart, GapLines)
        x, y = panel(app, "lines")
        asked = [one for one in range(120) if chart.action_at(one, 3)]
        for column in (asked[-10], asked[-1]):
            await pilot.click(offset=(x + column, y + 3))
            await settled(pilot)
            assert "┃" in text(app) or column == asked[-1]
        assert app.playhead.shown is not None
        assert app.playhead.shown.time_ns == int(SECONDS) * 10**9
        await press(pilot, "end")
        assert not app.playhead.held


async def test_a_stall_opens_its_request_at_its_moment() -> None:
    async with running(Played(demo()), (120, 36)) as (app, pilot):
        await press(pilot, "4", "tab", "tab", "tab", "down", "down")
        ledger = app.page.own["ledger"]
        assert isinstance(ledger, Ledger)
        key = ledger.current
        assert isinstance(key, StallKey)
        await press(pilot, "enter")
        assert app.page.name == "requests"
        assert app.playhead.held
        assert app.playhead.shown is not None
        assert 0 < app.playhead.shown.time_ns / 1e9 - key.at <= 0.5
        assert any((one.at, one.request) == (key.at, key.request) for one in app.playhead.shown.stalls)
        await press(pilot, "escape")
        assert app.page.name == "jitter"


async def test_the_ledger_is_sorted_and_filtered() -> None:
    async with running(Played(demo()[-1:]), (120, 36)) as (app, pilot):
        await press(pilot, "4", "tab", "tab", "tab")
        ledger = app.page.own["ledger"]
        assert isinstance(ledger, Ledger)
        ledger.sort_by("gap")
        await press(pilot, "down")
        stalls = (*demo()[-1].stalls, *demo()[-1].long_stalls)
        rows = {StallKey(row.at, row.worker, row.request): row.gap_s.value or 0 for row in stalls}
        order = [rows[key] for key in ledger._body.keys if isinstance(key, StallKey)]
        assert order == sorted(rows.values(), reverse=True)
        await press(pilot, "slash", *"worker:nobody", "enter")
        assert "0 of" in text(app) or "no row" in text(app) or ledger._body.total == 0


async def test_the_smoothed_jitter_takes_the_place_of_the_gaps() -> None:
    async with running(Played(demo()[-1:]), (120, 36)) as (app, pilot):
        await press(pilot, "4")
        assert "GPU p99" in text(app)
        await press(pilot, "v")
        assert "GPU J" in text(app)
        assert "RFC 3550 jitter" in text(app)
        await press(pilot, "v")
        assert "GPU p99" in text(app)


@pytest.mark.parametrize("size", SIZES, ids=ids)
async def test_a_jitter_is_never_without_the_longest_stall(size: tuple[int, int]) -> None:
    """An LPU's longest gap, the wait for its KV, stands beside `none`; where there is less room the stall stays."""
    async with running(Played(demo()[-1:]), size) as (app, pilot):
        await press(pilot, "4")
        row = next(line for line in lines(app) if re.search(r"lpu-0 .*≤ ?2.2 µs", line))
        found = re.search(r"≤ ?2.2 µs( +\d+ ms)? +none", row)
        assert found is not None
        assert bool(found[1]) == (size[0] >= 200)


async def test_pools_lead_to_their_workers_and_the_overview_to_its_tiers() -> None:
    async with running(Played(demo()[-1:]), (120, 36)) as (app, pilot):
        await press(pilot, "tab", "down", "enter")
        assert app.page.name == "tiers"
        assert app.page.own["tiers"].focused
        await press(pilot, "enter")
        assert app.page.name == "overview"


async def test_every_figure_says_what_it_is() -> None:
    async with running(Played(demo()[-1:]), (120, 36)) as (app, pilot):
        for page, words in (("3", "had been removed"), ("4", "between two consecutive deliveries")):
            await press(pilot, page, "i")
            found = ""
            for _ in range(24):
                found += " ".join(text(app).split())
                await press(pilot, "right")
            assert words in found
            await press(pilot, "i")


def test_a_pool_of_which_nothing_is_known_is_not_said_to_thrash() -> None:
    row = emulated().tiers[1]
    assert thrashes(row, ())
    assert isinstance(row.stored_again, Figure)
    for state in (State.STALE, State.NAN):
        old = msgspec.structs.replace(row.used_bytes, state=state)
        assert fullness(msgspec.structs.replace(row, used_bytes=old)) is None
        past = msgspec.structs.replace(row.stored_again, state=state)
        assert not thrashes(msgspec.structs.replace(row, stored_again=past), ())
    few = msgspec.structs.replace(row.stored_again, n=20)
    assert not thrashes(msgspec.structs.replace(row, stored_again=few), ())
    assert not thrashes(msgspec.structs.replace(row, stored_again=msgspec.UNSET), ())
    assert Tier.SRAM in {one.tier for one in emulated().tiers}
