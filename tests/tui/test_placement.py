"""The large token river: what its cells say, how it is moved through, and how it looks."""

import re

import msgspec
import pytest

from collectors.model.detail import By, Cell, Place, River, RiverLine
from collectors.model.figure import Figure
from collectors.model.vocabulary import Device, Provenance, Stage, State, Tier
from tests.tui.demo import demo
from tests.tui.playing import Played
from tests.tui.screen import at_rest, lines, running, settled, text
from tests.tui.test_golden import SIZES, check
from tui.app import TokenyardApp
from tui.glyphs import HEIGHTS
from tui.line import text_of
from tui.screens.placement import PlacementPage
from tui.theme import Ink, device_ink
from tui.tracks import Hue, Track, drawn, hues, scale_of, tracks
from tui.view import View
from tui.widgets.follow import Follow, glyph
from tui.widgets.placement import SLICES_NS, cell_figures

LPU = Place("lpu-0/0", Stage.DECODE, Tier.SRAM)
GPU = Place("gpu-0/0", Stage.ATTENTION, Tier.HBM)
DEVICES = {"lpu-0/0": Device.LPU, "gpu-0/0": Device.GPU}


def river(line: RiverLine) -> River:
    return River(0, 250_000_000, len(line.tokens), 0, (LPU, GPU), (line,), 0, (line.key,))


def line(
    tokens: list[int], late: bytes | None = None, seen: bytes | None = None, beside: list[int] | None = None
) -> RiverLine:
    n = len(tokens)
    other = beside or [0] * n
    return RiverLine(
        "r", "r", tuple(tokens), late or bytes(n), bytes(n), tuple(other), bytes([1] * n), seen or bytes(n)
    )


def page(app: TokenyardApp) -> PlacementPage:
    assert isinstance(app.page, PlacementPage)
    return app.page


def test_height_brightness_and_hue() -> None:
    it = line([8, 4, 0, 1], bytes([1, 2, 0, 4]))
    table = hues(river(it), Hue.DEVICE, DEVICES)
    (row,) = drawn(tracks(it, both=False)[0], table, 1, 8)
    assert row == (
        ("█", device_ink(Device.LPU, 1)),
        ("▄ ", device_ink(Device.LPU, 2)),
        ("!", Ink.STALL),
    )
    by_tier = hues(river(it), Hue.TIER, DEVICES)
    assert by_tier[0] == table[0], "SRAM has the hue of LPUs"
    assert by_tier[1] != by_tier[0]


def test_a_tall_row_is_filled_from_below() -> None:
    it = line([16, 8, 3])
    shown = text_of(drawn(tracks(it, both=False)[0], hues(river(it), Hue.DEVICE, DEVICES), 2, 16))
    assert shown == "█\n██▃"


@pytest.mark.parametrize("tokens", [(65_535,), (65_535, 3), (65_535, 20_000), (70_000, 65_535, 1)])
def test_a_cell_of_65535_tokens_is_a_count_as_any(tokens: tuple[int, ...]) -> None:
    size = len(tokens)
    track = Track(tokens, b"\1" * size, b"\xff" * size, b"\0" * size)
    hue_of = bytes(256)
    [line] = drawn(track, hue_of, 1, scale_of(track))
    assert set(text_of([line])) <= set(HEIGHTS[1:])
    assert max(tokens) <= scale_of(track)


def test_what_was_not_watched_is_not_empty() -> None:
    states = bytes([Cell.SEEN, Cell.UNOBSERVED, Cell.NOT_KEPT, Cell.AHEAD])
    it = line([0, 0, 0, 0], seen=states)
    assert text_of(drawn(tracks(it, both=False)[0], hues(river(it), Hue.DEVICE, DEVICES), 1, 8)) == " ╌·"


def test_stages_beside_the_primary_one_are_told_apart() -> None:
    it = line([8, 8], beside=[8, 4])
    made, other = tracks(it, both=True)
    table = hues(river(it), Hue.DEVICE, DEVICES)
    assert text_of(drawn(made, table, 1, 8)) == "██"
    assert drawn(other, table, 1, 8) == [(("⣿⣤", device_ink(Device.GPU, 0)),)]
    # A worker that only has a stage beside another's has a row of it.
    (only,) = tracks(line([0, 0], beside=[3, 3]), both=False)
    assert only.beside


@pytest.mark.parametrize(
    ("lateness", "stall", "shown"),
    [
        (float("nan"), False, ("▁", 0)),
        (1.0, False, ("▃", 1)),
        (1.6, False, ("▅", 2)),
        (4.0, False, ("▇", 3)),
        (9.0, True, ("!", 3)),
    ],
)
def test_a_token_is_as_high_as_it_was_late(lateness: float, stall: bool, shown: tuple[str, int]) -> None:
    assert glyph(lateness, stall=stall) == shown


def test_what_a_cell_says_of_itself() -> None:
    def told(it: RiverLine, at: int) -> dict[str, Figure]:
        return {one.name: one.it for one in cell_figures(it, at, 250_000_000, emulated=True, of="r")}

    it = line([8, 0, 3], seen=bytes([Cell.SEEN, Cell.SEEN, Cell.UNOBSERVED]), beside=[4, 0, 0])
    first = told(it, 0)
    assert {name: one.value for name, one in first.items()} == {"tokens": 8, "tok/s": 32, "tokens beside": 4}
    assert {one.provenance for one in first.values()} == {Provenance.DERIVED}
    assert all(one.emulated for one in first.values())
    (tokens, per_s, *_) = cell_figures(line([8, 0]), 0, 2_000_000_000, emulated=False, of="r")
    assert (tokens.it.value, per_s.it.value, per_s.span) == (8, 4, "2.00 s of this column"), "of what has gone by"
    assert told(it, 1)["tokens"].state is State.ZERO
    assert told(it, 2)["tokens"] == Figure(None, State.ABSENT, None, True, None)
    assert told(msgspec.structs.replace(it, uncounted=True), 0)["tokens"].at_least is True


async def test_a_cell_of_the_river_can_be_asked_for() -> None:
    async with running(demo().played(), (120, 36)) as (app, pilot):
        await pilot.press("2", "i")
        await settled(pilot)
        shown = text(app)
        assert "tokens of gpu-0" in shown
        assert "output tokens, each in the row of the stage that sampled it" in shown
        assert re.search(r"n \d+ · 250 ms of this column", shown)
        assert "EMULATED, " in shown


def test_a_track_of_nothing_has_no_place() -> None:
    assert Track((0,), b"\0", b"\xff", b"\0").stage == 255


@pytest.mark.parametrize(
    ("width", "heads"),
    [(120, ["token", "at", "gap", "÷ median"]), (60, ["token", "gap", "÷ median"]), (48, ["token", "gap"])],
)
def test_what_a_delivery_leaves_out_first(width: int, heads: list[str]) -> None:
    seen = demo()
    frame = seen.frames[-1]
    panel = Follow("follow")
    panel.of = next(line.key for line in seen.detail.lines(frame.time_ns) if (line.tokens or 0) > 9)
    shown = text_of(panel.body(View(frame, frame, detail=seen.detail), width, 12).lines).split("\n")
    head = next(line for line in shown if "token" in line)
    assert [name for name in ("token", "at", "gap", "÷ median") if re.search(rf"(^| ){name} ", head)] == heads
    assert not any("…" in line for line in shown)
    assert all(re.search(r"(decode|prefill) \S+ \S+ [\d.]+ [mµ]s$", line) for line in shown[shown.index(head) + 1 :])


async def test_without_detail_the_page_says_what_would_give_it() -> None:
    from tests.tui import frames

    async with running(Played([frames.vllm()])) as (app, pilot):
        await pilot.press("2")
        await settled(pilot)
        assert "placement stream" in text(app)
        assert "tap" in text(app)


async def test_from_workers_down_to_a_request_and_back() -> None:
    async with running(demo().played(), (120, 36)) as (app, pilot):
        await pilot.press("2")
        await settled(pilot)
        assert "lpu-0" in text(app)
        await pilot.press("down", "enter")
        await settled(pilot)
        it = page(app)
        assert (it.river.by, it.river.on) == (By.REQUEST, "gpu-1/0")
        assert "a row a request on gpu-1" in text(app)
        await pilot.press("enter")
        await settled(pilot)
        assert it.follow.of is not None
        assert re.search(r"Follow r-\d+", text(app))
        assert "decode gpu-1 HBM" in text(app)
        await pilot.press("enter")
        await settled(pilot)
        assert app.page.name == "requests"
        await pilot.press("escape")
        await settled(pilot)
        assert app.page.name == "placement"
        await pilot.press("escape", "escape")
        await settled(pilot)
        it = page(app)
        assert it.follow.of is None
        assert it.river.by is By.WORKER
        assert it.river.current == "gpu-1/0"


async def test_rows_hue_and_width_by_key() -> None:
    async with running(demo().played(), (120, 36)) as (app, pilot):
        await pilot.press("2", "v")
        await settled(pilot)
        assert "a row a request" in text(app)
        await pilot.press("v")
        await settled(pilot)
        assert "a row a workflow" in text(app)
        assert re.search(r"\bw-\d+", text(app))
        await pilot.press("c")
        await settled(pilot)
        assert "hue tier" in text(app)
        assert "█SRAM" in text(app)
        await pilot.press(*["comma"] * 20)
        await settled(pilot)
        assert page(app).river.slice_ns == SLICES_NS[0]
        assert "a column 10.0 ms" in text(app)
        await pilot.press(*["full_stop"] * 20)
        await settled(pilot)
        assert "a column 10.0 s" in text(app)


async def test_the_cursor_says_in_words_what_a_cell_says() -> None:
    async with running(demo().played(8), (120, 36)) as (app, pilot):
        await pilot.press("2", "down", "down")
        await settled(pilot)
        (told,) = [line for line in lines(app) if "▼ lpu-0" in line]
        assert re.search(r"lpu-0 from \+0:13\.7: \d+ tok decode on lpu-0 \(LPU, SRAM\) · latest on time", told)
        await pilot.press("left")
        await settled(pilot)
        assert any("lpu-0 from +0:13.5" in line for line in lines(app))


async def test_a_click_on_the_axis_goes_to_that_moment() -> None:
    async with running(demo().played(8), (120, 36)) as (app, pilot):
        await pilot.press("2")
        await settled(pilot)
        axis = lines(app)[2]
        now = axis.index("▼")
        await pilot.click(offset=(now - 2, 2))
        await settled(pilot)
        assert app.playhead.held
        assert app.playhead.shown is not None
        assert app.playhead.shown.time_ns == (14 * 4 - 2) * 250_000_000
        assert lines(app)[2].index("▼") == now - 2, "columns stay where they are"


async def test_a_double_click_opens_a_row() -> None:
    async with running(demo().played(), (120, 36)) as (app, pilot):
        await pilot.press("2")
        await settled(pilot)
        await pilot.click(offset=(4, 5), times=2)
        await settled(pilot)
        assert page(app).river.by is By.REQUEST


async def test_ticks_cost_no_layout_and_few_cells() -> None:
    seen = demo()
    async with running(seen.played(), (200, 50)) as (app, pilot):
        await pilot.press("2")
        await at_rest(pilot)
        layouts: list[object] = []
        app.screen.screen_layout_refresh_signal.subscribe(app, layouts.append)
        driver = app.feed
        assert isinstance(driver, Played)
        for frame in seen.frames[-50:]:
            driver.post(frame)
            await pilot.pause()
        assert layouts == []


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("keys", ["", "v", "vv", "d"], ids=["worker", "request", "workflow", "follow"])
async def test_how_it_looks(keys: str, size: tuple[int, int]) -> None:
    press = ["down", "enter", "down", "enter"] if keys == "d" else list(keys)
    name = {"": "worker", "v": "request", "vv": "workflow", "d": "follow"}[keys]
    async with running(demo().played(8), size) as (app, pilot):
        await pilot.press("2", *press)
        await settled(pilot)
        check(f"placement-{name}-{size[0]}x{size[1]}", text(app))


@pytest.mark.parametrize("scenario", ["afd", "speculative"])
async def test_engines_of_two_devices(scenario: str) -> None:
    async with running(demo(scenario).played(8), (120, 36)) as (app, pilot):
        await pilot.press("2")
        await settled(pilot)
        stage = {"afd": "attention", "speculative": "draft"}[scenario]
        check(f"placement-{scenario}-120x36", text(app))
        await pilot.press("v", "down", "down", "down", "enter")
        await settled(pilot)
        assert f"+ {stage}" in text(app)
        check(f"follow-{scenario}-120x36", text(app))
