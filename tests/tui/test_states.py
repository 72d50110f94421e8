"""Every state of knowledge looks different on the Overview, without colour, and the help tells what the marks mean."""

import itertools

import msgspec
import pytest

from collectors.model.frame import Frame
from collectors.model.snapshot import snapshot
from collectors.model.vocabulary import State
from tests.tui import frames
from tests.tui.frames import FIGURES, TICK_NS, in_state, known, quantile_in
from tests.tui.playing import Played
from tests.tui.screen import lines, running
from tui import format as fmt
from tui.format import Unit
from tui.glyphs import LEGEND
from tui.view import View
from tui.widgets.kpi import kpis
from tui.widgets.tiers import residual

NOW = 240 * TICK_NS
OF_QUANTILES = tuple(State)


def test_every_state_of_a_gauge_is_written_otherwise() -> None:
    for unit in Unit:
        shown = [fmt.figure(in_state(state, NOW), unit, NOW) for state in FIGURES]
        for one, other in itertools.combinations(shown, 2):
            assert not set(one) & set(other), (unit, one, other)


def test_every_state_of_a_quantile_is_written_otherwise() -> None:
    shown = [fmt.quantile(quantile_in(state, NOW), Unit.SECONDS, NOW) for state in OF_QUANTILES]
    for one, other in itertools.combinations(shown, 2):
        assert not set(one) & set(other), (one, other)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_fleet_table_tells_the_states_apart(size: tuple[int, int]) -> None:
    async with running(Played([frames.states()]), size) as (app, pilot):
        rows: dict[str, str] = {}
        for _ in range(8):
            for line in lines(app):
                words = line.strip("│ ").split()
                if words and words[0] in list(State):
                    rows.setdefault(words[0], line.partition("││")[0].split(words[0], 1)[1].strip("│ "))
            await pilot.press("down")
            await pilot.pause()
    assert set(rows) == set(State)
    assert len(set(rows.values())) == len(State)


async def test_the_tiers_tell_the_states_apart() -> None:
    async with running(Played([frames.states()]), (120, 36)) as (app, pilot):
        await pilot.press("tab", "z")
        await pilot.pause()
        rows = [line.replace("▸", " ").split() for line in lines(app) if " HBM " in line]
        shown = {words[1]: words[2:] for words in rows}
    told = {name: " ".join(cells) for name, cells in shown.items() if name in FIGURES}
    assert set(told) == set(FIGURES)
    assert len(set(told.values())) == len(FIGURES)


def test_the_snapshot_has_the_state_by_name() -> None:
    printed = snapshot(frames.states())
    assert [row["gap"]["p99"]["state"] for row in printed["workers"]] == [str(state) for state in State]
    for row in printed["workers"]:
        running_ = row["running"]
        assert (running_["value"] is None) == (running_["state"] not in ("ok", "zero", "stale"))


def test_the_help_tells_what_the_marks_mean() -> None:
    marks = [mark for mark, _ in LEGEND]
    for state in FIGURES:
        if state is not State.OK:
            assert any(mark in fmt.figure(in_state(state, NOW), Unit.COUNT)[-1] for mark in marks), state
    for mark in ("n too small", "> 2.5 s", "64 %?", "64 %, b, l", "≈ 1.2k"):
        assert mark in marks


def test_an_estimate_carries_its_mark() -> None:
    for it in (known(1_200), in_state(State.STALE, NOW)):
        about = msgspec.structs.replace(it, estimate=True)
        assert "≈" in fmt.figure(about, Unit.COUNT, NOW)[0]
        assert "≈" not in fmt.figure(it, Unit.COUNT, NOW)[0]
    for state in (State.OK, State.STALE, State.OVER_RANGE):
        about_quantile = msgspec.structs.replace(quantile_in(state, NOW), estimate=True)
        assert all("≈" in form for form in fmt.quantile(about_quantile, Unit.SECONDS, NOW))


def test_what_does_not_add_up_most_is_told_with_its_sign() -> None:
    frame = frames.states()
    view = View(frame=frame)
    assert residual(frame, view) == "≠ 68 tok ok/0 +1"
    (_, _, least) = frame.prompts
    alone = msgspec.structs.replace(frame, prompts=(least,))
    assert residual(alone, view) == "≠ −12 tok absent/0"
    assert residual(msgspec.structs.replace(frame, prompts=frame.prompts[1:2]), view) == ""


def test_a_key_figure_tells_why_it_is_not_known() -> None:
    frame = frames.states()

    def shown(jitter: State, stall: State) -> list[str]:
        row = frames.vllm().jitter[0]
        told = msgspec.structs.replace(
            row, p99_minus_p50=quantile_in(jitter, NOW), longest_stall_s=in_state(stall, NOW)
        )
        found: Frame = msgspec.structs.replace(frame, jitter=(told,))
        return [kpi.forms[0] for kpi in kpis(View(frame=found)) if kpi.name in ("worst jitter", "longest stall")]

    assert shown(State.TOO_FEW, State.UNSAMPLED) == ["n too small", "·"]
    assert shown(State.NAN, State.ABSENT) == ["NaN", "–"]
    assert shown(State.ABSENT, State.ZERO) == ["–", "none"]
