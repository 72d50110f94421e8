"""`i`: what a figure is, for every figure that a panel shows."""

import msgspec
import pytest

from collectors.model.figure import Figure
from collectors.model.vocabulary import Provenance, State
from tests.tui import frames
from tests.tui.playing import Played
from tests.tui.screen import lines, running, settled, text
from tui.format import Unit
from tui.told import Told
from tui.view import View, worker_names
from tui.widgets.inspector import SAYS, STATES, explained

FRAME = frames.emulated()
VIEW = View(FRAME, FRAME, names=worker_names(row.id for row in FRAME.workers))


def said(told: Told, view: View = VIEW) -> dict[str, str]:
    return {label: text for label, text, _ in explained(told, view)}


def test_every_state_and_every_teller_has_its_words() -> None:
    assert set(STATES) == set(State)
    assert set(SAYS) == set(Provenance)
    assert len(set(STATES.values())) == len(State)
    for state in State:
        for one in (frames.unknown(state), msgspec.structs.replace(frames.no_quantile(state), low=1.0)):
            assert STATES[state] in said(Told("x", one, Unit.SECONDS))["state"]


@pytest.mark.parametrize(
    ("it", "words"),
    [
        (
            Figure(3, State.OK, Provenance.REPORTED, False, FRAME.time_ns - 2 * 10**9, metric="vllm:num_requests_running"),
            {
                "value": "3",
                "from": "vllm:num_requests_running",
                "state": "known, reported by the back end",
                "heard": "2 s before this moment, at 09:08:18",
            },
        ),
        (
            Figure(2.5, State.OK, Provenance.DERIVED, True, None, metric="vllm:generation_tokens_total"),
            {
                "from": "vllm:generation_tokens_total: its growth ÷ seconds",
                "state": "EMULATED, known, derived: a formula over what was reported or measured",
                "heard": "–",
            },
        ),
        (
            Figure(2.5, State.OK, Provenance.DERIVED, False, None, metric="hits ÷ queries", estimate=True, formula="a bound"),
            {"from": "hits ÷ queries", "but": "≈ a bound"},
        ),
        (Figure(9, State.OK, Provenance.MEASURED, False, 0, n=1234, at_least=True), {"but": "≥ what nobody counted is not in it"}),
        (frames.unknown(), {"value": "–", "from": "–", "heard": "–"}),
        (
            msgspec.structs.replace(frames.bucketed(0.1, 0.25), metric="vllm:ttft_seconds"),
            {"value": "(100, 250] ms   in (100 ms, 250 ms]", "from": "buckets of vllm:ttft_seconds"},
        ),
        (frames.over(2.5), {"value": "> 2.5 s", "state": "above the highest bound that is counted, reported by the back end"}),
    ],
)  # fmt: skip
def test_what_is_said_of_a_figure(it: Figure, words: dict[str, str]) -> None:
    found = said(Told("x", it, Unit.SECONDS if "s" in words.get("value", "") else Unit.RATE))
    assert {label: found.get(label) for label in words} == words


def test_over_what_it_is() -> None:
    it = frames.known(1, n=1234)
    assert said(Told("x", it, Unit.COUNT, population="requests"))["over"] == "requests · n 1,234 · the last 60 s"
    assert said(Told("x", frames.known(1), Unit.COUNT, now=True))["over"] == "at this moment"
    assert said(Told("x", frames.known(1), Unit.COUNT, window_s=30))["over"] == "the last 30 s"


async def test_the_inspector_goes_through_the_figures_and_keeps_the_one_chosen_on_other_rows() -> None:
    async with running(Played([frames.emulated(3600), frames.emulated(3601)])) as (app, pilot):
        await pilot.press("i")
        await settled(pilot)
        assert "─▸run of gpu-0 ─" in text(app)
        await pilot.press("right", "right", "right", "right", "down")
        await settled(pilot)
        assert "─▸gap p99 of gpu-1 ─" in text(app)
        assert any("value    212 ms" in line for line in lines(app))
        assert not app.playhead.held, "the arrows are for figures now"
        await pilot.press("left", "tab")
        await settled(pilot)
        assert "─▸used of gpu-0 HBM ─" in text(app)
        await pilot.press("tab")
        await settled(pilot)
        assert "no figure under the cursor" in text(app)
        await pilot.press("tab")
        await settled(pilot)
        assert "─▸stall of r-1812 ─" in text(app)
        await pilot.press("tab")
        await settled(pilot)
        assert "─▸output tok/s of the fleet ─" in text(app)
        await pilot.press("escape", "left")
        await settled(pilot)
        assert "─▸output tok/s" not in text(app)
        assert app.playhead.held


async def test_the_inspector_is_of_the_view_that_is_shown() -> None:
    played = Played([frames.emulated(3600)])
    async with running(played) as (app, pilot):
        await pilot.press("i", "right", "right")
        await settled(pilot)
        before = next(line for line in lines(app) if "value " in line)
        played.post(frames.emulated(3611))
        await settled(pilot)
        assert next(line for line in lines(app) if "value " in line) != before


@pytest.mark.parametrize("name", ["emulated", "vllm", "states", "with_trouble", "hostile", "empty"])
async def test_every_figure_of_every_row_is_explained(name: str) -> None:
    frame = getattr(frames, name)()
    async with running(Played([frame]), (80, 24)) as (app, pilot):
        await pilot.press("i")
        for _ in range(5):
            for _ in range(4):
                await pilot.press("down", "right")
            await pilot.press("tab")
            await settled(pilot)
            assert "esc back" in text(app)
            assert len(lines(app)) == 24
