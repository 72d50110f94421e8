"""Routing and SLO as text at each size, their own keys, and the verdict that leads to what it names."""

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from collectors.model.snapshot import snapshot
from tests.tui import judged
from tests.tui.demo import demo
from tests.tui.playing import Played
from tests.tui.screen import at_rest, lines, running, settled, text
from tests.tui.test_golden import SIZES, check
from tui.format import wall
from tui.judgement import share_forms
from tui.verdicts import told
from tui.view import View, worker_names
from tui.widgets.rows import RowsPanel

PAGES = {"routing": "6", "slo": "7"}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("page", PAGES)
async def test_the_page(page: str, size: tuple[int, int]) -> None:
    async with running(Played([judged.frame()]), size) as (app, pilot):
        await pilot.press(PAGES[page])
        await settled(pilot)
        check(f"{page}-{size[0]}x{size[1]}", text(app))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("page", PAGES)
async def test_the_page_in_the_demo(page: str, size: tuple[int, int]) -> None:
    async with running(demo().played(), size) as (app, pilot):
        await pilot.press(PAGES[page])
        await settled(pilot)
        check(f"demo-{page}-{size[0]}x{size[1]}", text(app))


@pytest.mark.parametrize("page", PAGES)
async def test_nothing_is_known(page: str) -> None:
    async with running(Played([judged.silent()]), (80, 24)) as (app, pilot):
        await pilot.press(PAGES[page])
        await settled(pilot)
        check(f"{page}-silent-80x24", text(app))


async def test_each_measure_of_the_matrix() -> None:
    async with running(Played([judged.frame()]), (120, 36)) as (app, pilot):
        await pilot.press("6")
        await settled(pilot)
        shown = []
        for _ in range(5):
            await pilot.press("m")
            await settled(pilot)
            shown.append(next(line for line in lines(app) if "prefill-heavy" in line).strip("│").split()[1:])
        assert [" ".join(line) for line in shown] == [
            "154 190 ms n86 45.0 ms n25 45.0 ms n43",
            "154 n too small n too small n too small",
            "154 16.4 ms n86 1.41 ms n25 1.41 ms n43",
            "154 n too small n too small n too small",
            "154 86 56 % 25 16 % 43 28 %",
        ]


async def test_a_row_of_the_matrix_is_filtered_sorted_and_explained() -> None:
    async with running(Played([judged.frame()]), (120, 36)) as (app, pilot):
        await pilot.press("6", "slash", *"context", "enter")
        await settled(pilot)
        panel = app.page.own["labels"]
        assert isinstance(panel, RowsPanel)
        assert panel.current == "short-context"
        assert not any("edge" in line for line in lines(app))
        await pilot.press("i")
        await settled(pilot)
        assert "short-context at gpu-1" in text(app)


async def test_the_next_profile_is_asked_for() -> None:
    played = Played([judged.frame()])
    async with running(played, (120, 36)) as (_, pilot):
        await pilot.press("7", "p")
        await settled(pilot)
        assert played.profile == "after chat"


async def test_enter_on_a_worker_shows_it_in_the_fleet() -> None:
    async with running(Played([judged.frame()]), (120, 36)) as (app, pilot):
        await pilot.press("7", "down", "down", "down", "enter")
        await settled(pilot)
        fleet = app.page.own["fleet"]
        assert app.page.name == "overview"
        assert isinstance(fleet, RowsPanel)
        assert fleet.current == "gpu-1/0"
        await pilot.press("escape")
        await settled(pilot)
        assert app.page.name == "slo"


@pytest.mark.parametrize("how", ["key", "mouse"])
async def test_the_verdict_leads_to_whom_it_names(how: str) -> None:
    async with running(Played([judged.frame()]), (120, 36)) as (app, pilot):
        await pilot.press("6")
        await settled(pilot)
        if how == "key":
            await pilot.press("V")
        else:
            y = next(y for y, line in enumerate(lines(app)) if line.startswith(" ▲"))
            await pilot.click(offset=(30, y))
        await settled(pilot)
        fleet = app.page.own["fleet"]
        assert app.page.name == "overview"
        assert isinstance(fleet, RowsPanel)
        assert fleet.current == "gpu-1/0"


def test_the_verdict_names_workers_as_the_screen_does_and_fits() -> None:
    frame = judged.frame()
    view = View(frame=frame, names=worker_names(row.id for row in frame.workers))
    since = f"since {wall(view.utc_s(840.0), 840.0)}"
    head = f"gpu-1: {judged.SAID} ({since};"
    assert told(view, 195, 2) == f"{head} {judged.FIGURES}) → {judged.KNOB}"
    assert told(view, 80, 2) == f"{head} {judged.FIGURES}) · V: more"
    assert told(view, 75, 2) == f"{head} p99 gap 193 ms against p50 18.9 ms, n 25,941, 60 s …) · V: more"
    assert told(view, 56, 2) == f"{head} p99 gap 193 ms against p50 18.9 ms …) · V: more"
    assert told(view, 40, 2) == f"gpu-1: {judged.SAID} ({since} …) · V: more"


def test_a_snapshot_with_a_finding_is_as_it_is_documented() -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs" / "snapshot.schema.json").read_text())
    printed = json.loads(msgspec.json.encode(snapshot(judged.frame())))
    jsonschema.validate(printed, schema)
    assert printed["diagnosis"]["findings"][0]["said"] == judged.SAID


def test_workers_in_a_sentence_are_named_as_rows_are() -> None:
    view = View(names=worker_names(["gpu-1/0", "gpu-11/0"]))
    assert view.spoken("KV moves to gpu-11/0, gpu-1/0") == "KV moves to gpu-11, gpu-1"
    assert View(names=worker_names(["a/0", "a/1"])).spoken("a/0: slow") == "a/0: slow"


async def test_the_strip_has_the_goodput_of_the_profile() -> None:
    async with running(Played([judged.frame()]), (200, 50)) as (app, _):
        shown = lines(app)
        assert any("goodput chat" in line for line in shown)
        assert any("90.2 % 12.3/s" in line for line in shown)


def test_a_share_of_buckets_is_told_as_two_ends() -> None:
    bracket, exact = judged.slo().rows[3].attained, judged.slo().rows[0].attained
    assert share_forms(bracket)[0] == "53.9–62.3 %"
    assert share_forms(exact) == ("90.2 %",)
    assert share_forms(None) == ("–",)


@pytest.mark.parametrize("page", PAGES)
async def test_ticks_cost_no_layout(page: str) -> None:
    played = Played([judged.frame()])
    async with running(played, (120, 36)) as (app, pilot):
        await pilot.press(PAGES[page])
        await at_rest(pilot)
        layouts: list[object] = []
        app.screen.screen_layout_refresh_signal.subscribe(app, layouts.append)
        for tick in range(3601, 3651):
            played.post(judged.frame(tick))
            await pilot.pause()
        assert layouts == []
