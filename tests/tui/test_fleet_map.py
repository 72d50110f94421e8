"""The fleet as a map: every worker has a cell, and each cell says what is known of its worker."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.frame import Frame
from collectors.model.vocabulary import Device, Role, State, TargetStatus
from tests.tui import frames, judged
from tests.tui.playing import Played
from tests.tui.screen import at_rest, lines, running, settled, text
from tests.tui.test_golden import SIZES
from tui.app import TokenyardApp
from tui.choices import Choices
from tui.line import text_of
from tui.places import crowded
from tui.remembered import Remembered, load
from tui.table import field_name
from tui.theme import Ink
from tui.view import View, worker_names
from tui.widgets import fleet_map
from tui.widgets.fleet import Fleet
from tui.widgets.fleet_columns import columns

FLEET300 = frames.emulated(3600, frames.big_fleet(300))
FLEET72 = frames.emulated(3600, frames.big_fleet(72))


def view(frame: Frame) -> View:
    return View(frame, frame, names=worker_names(row.id for row in frame.workers))


def fleet(frame: Frame, width: int = 100, height: int = 20) -> tuple[Fleet, str]:
    panel = Fleet("fleet")
    panel.as_map = True
    return panel, text_of(panel.body(view(frame), width, height).lines)


def of(app: TokenyardApp) -> Fleet:
    panel = app.page.panels["fleet"]
    assert isinstance(panel, Fleet)
    return panel


@given(st.lists(st.integers(1, 400), min_size=1, max_size=9), st.integers(30, 240), st.integers(1, 40), st.data())
def test_every_cell_has_one_place(sizes: list[int], width: int, height: int, data: st.DataObject) -> None:
    it = fleet_map.places(tuple(sizes), width, height)
    assert [sum(count for group, _, count in it.lines if group == at) for at in range(len(sizes))] == sizes
    assert all(it.label + it.pitch * count <= width for _, _, count in it.lines)
    assert it.pitch == 1 or len(it.lines) <= height
    cell = data.draw(st.integers(0, sum(sizes) - 1))
    here = it.line(cell)
    assert it.starts[here] <= cell < it.starts[here] + it.lines[here][2]
    assert it.line(it.beside(cell, 1)) == min(here + 1, len(it.lines) - 1)
    assert it.line(it.beside(cell, -1)) == max(here - 1, 0)


@pytest.mark.parametrize(("rows", "room", "far"), [(24, 1, False), (25, 1, True), (40, 10, False), (41, 10, True)])
def test_when_a_list_is_a_map(rows: int, room: int, far: bool) -> None:
    assert crowded(rows, room) is far


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("frame", [FLEET72, FLEET300], ids=["72", "300"])
async def test_the_whole_fleet_is_seen_at_once(frame: Frame, size: tuple[int, int]) -> None:
    async with running(Played([frame]), size) as (app, _):
        body = of(app)._body
        assert body.keys == [row.id for kind in fleet_map.kinds(frame.workers).values() for row in kind], (
            "by kind and role, each once"
        )
        assert (body.first, len(body.spots)) == (0, len(frame.workers))
        assert len({(spot.x, spot.y) for spot in body.spots}) == len(frame.workers)
        title = text_of(app.page.panels["fleet"].lines[:1])
        assert "─ 1–" not in title, "nothing is above or below"


def test_what_ails_is_a_sign_and_not_only_a_colour() -> None:
    first, *rest = FLEET72.workers
    workers = (
        msgspec.structs.replace(first, running=frames.known(0)),
        msgspec.structs.replace(rest[0], running=frames.unknown()),
        msgspec.structs.replace(rest[1], running=frames.stale(3, 0)),
        msgspec.structs.replace(rest[2], running=frames.unknown(State.UNSAMPLED)),
        *rest[3:],
    )
    down = msgspec.structs.replace(FLEET72.targets[5], status=TargetStatus.DOWN, reason="refused")
    calm = tuple(msgspec.structs.replace(row, late=bytes(240)) for row in FLEET72.river)
    calm = (*calm[:7], msgspec.structs.replace(calm[7], late=bytes([0] * 230 + [4] * 10)), *calm[8:])
    targets = (*FLEET72.targets[:5], down, *FLEET72.targets[6:])
    frame = msgspec.structs.replace(FLEET72, workers=workers, targets=targets, river=calm)
    run = next(one for one in columns(view(frame), frame) if field_name(one) == "run")
    found = {key: glyph for group in fleet_map.groups(frame, workers, run) for key, glyph, _ in group.cells}
    assert [found[row.id] for row in workers[:8]] == ["0", "–", "~", "·", "█", "✗", "█", "!"]
    shown = fleet(frame)[1]
    assert "targets" in shown
    assert "refused" in shown, "the first cell is the target's, and its row says why"


def test_the_worker_that_the_verdict_names_is_marked() -> None:
    diagnosis = judged.frame().diagnosis
    named = msgspec.structs.replace(FLEET72, diagnosis=diagnosis)
    run = next(one for one in columns(view(named), named) if field_name(one) == "run")
    cells = [cell for group in fleet_map.groups(named, named.workers, run) for cell in group.cells]
    assert [key for key, glyph, _ in cells if glyph == "▲"] == ["gpu-1/0"]


def test_a_full_cell_is_the_groups_own_top() -> None:
    workers = tuple(
        msgspec.structs.replace(row, running=frames.known(1 + at % 16 if row.device is Device.GPU else 400))
        for at, row in enumerate(FLEET72.workers)
    )
    calm = tuple(msgspec.structs.replace(row, late=bytes(240)) for row in FLEET72.river)
    frame = msgspec.structs.replace(FLEET72, workers=workers, river=calm)
    run = next(one for one in columns(view(frame), frame) if field_name(one) == "run")
    groups = fleet_map.groups(frame, workers, run)
    assert {group.names[0].split()[1]: group.top for group in groups} == {
        "prefill": "10",
        "aggreg.": "15",
        "decode": "400",
    }
    assert {glyph for _, glyph, _ in groups[-1].cells} == {"█"}
    assert fleet_map.top(0.0312) == pytest.approx(0.04)


async def test_the_cursor_goes_over_the_cells_and_opens_what_is_under_it() -> None:
    async with running(Played([FLEET300]), (120, 36)) as (app, pilot):
        keys = of(app)._body.keys
        await pilot.press("full_stop", "full_stop", "comma")
        await settled(pilot)
        assert of(app).current == keys[1]
        await pilot.press("down")
        await settled(pilot)
        below = of(app).current
        spots = dict(zip(keys, of(app)._body.spots, strict=True))
        assert (spots[below].x, spots[below].y) == (spots[keys[1]].x, spots[keys[1]].y + 1)
        name = str(below).removesuffix("/0")
        assert f" {name} " in lines(app)[6] or f" {name} " in lines(app)[7]
        await pilot.press("i")
        await settled(pilot)
        assert f"of {name}" in text(app)
        await pilot.press("i", "up", "G")
        await settled(pilot)
        assert of(app).current == keys[-1]
        await pilot.press("home", "enter")
        await settled(pilot)
        assert app.page.name == "placement"


async def test_a_click_goes_to_a_cell() -> None:
    async with running(Played([FLEET300]), (120, 36)) as (app, pilot):
        box, spot = app.page.boxes["fleet"], of(app)._body.spots[170]
        await pilot.click(offset=(box.x + 2 + spot.x, box.y + 1 + spot.y))
        await settled(pilot)
        assert of(app).current == of(app)._body.keys[170]


async def test_m_changes_its_shape_and_the_next_run_begins_with_it(tmp_path: Path) -> None:
    choices = Choices(kept=tmp_path / "screen.json")
    app = TokenyardApp(Played([FLEET300]), choices)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert of(app).as_map
        await pilot.press("m")
        await settled(pilot)
        assert "1–10 of 300" in text(app)
    assert load(tmp_path / "screen.json")[0].fleet == "list"
    again = TokenyardApp(Played([FLEET300]), choices)
    async with again.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert not of(again).as_map
        await pilot.press("m")
        await settled(pilot)
        assert of(again).as_map
        assert again.fleet == "", "by itself again"
    chosen = TokenyardApp(Played([frames.emulated()]), Choices(fleet="map"))
    async with chosen.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert of(chosen).as_map
    assert Remembered().fleet == ""


async def test_a_filter_leaves_some_cells_and_an_order_says_what_they_are_as_high_as() -> None:
    async with running(Played([FLEET300]), (120, 36)) as (app, pilot):
        await pilot.press("slash", *"role:prefill", "enter")
        await settled(pilot)
        assert len(of(app)._body.keys) == sum(row.role is Role.PREFILL for row in FLEET300.workers)
        await pilot.press("escape")
        assert "run ÷" in text(app)
        of(app).sort_by("tok/s")
        await pilot.press("down")
        await settled(pilot)
        assert "tok/s ÷" in text(app)


async def test_a_row_of_cells_stands_still_while_nothing_changes_and_no_tick_lays_out() -> None:
    played = Played([FLEET300])
    async with running(played, (120, 36)) as (app, pilot):
        await at_rest(pilot)
        layouts: list[object] = []
        app.screen.screen_layout_refresh_signal.subscribe(app, layouts.append)
        before = [str(spot) for spot in of(app)._body.spots]
        for tick in (3601, 3602, 3603):
            played.post(frames.emulated(tick, frames.big_fleet(300)))
            await settled(pilot)
        assert layouts == []
        assert [str(spot) for spot in of(app)._body.spots] == before


async def test_more_than_there_is_room_for_can_be_reached() -> None:
    async with running(Played([frames.emulated(3600, frames.big_fleet(900))]), (60, 20)) as (app, pilot):
        body = of(app)._body
        assert 0 < len(body.spots) < 900
        await pilot.press("G")
        await settled(pilot)
        body = of(app)._body
        assert body.first + len(body.spots) == 900
        assert of(app).current == body.keys[-1]
        await pilot.press("up", "home")
        await settled(pilot)
        assert of(app)._body.first == 0
        of(app).scroll(1)
        of(app).show(app.page.view)
        assert of(app)._body.first > 0
        assert of(app).current == body.keys[0], "the cursor stays"


def test_the_cell_under_the_cursor_is_marked() -> None:
    panel = Fleet("fleet")
    panel.as_map = panel.focused = True
    drawn = panel.draw(view(FLEET72), 100, 14)
    assert sum(ink == Ink.CURSOR for line in drawn for _, ink in line) == 1
