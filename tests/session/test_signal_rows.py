"""Whatever a page says can be found among a session's signals, as what it is."""

import msgspec
import pytest

from collectors.model.figure import Distribution, Figure
from collectors.model.signals import NOT_ADDABLE, Kind, Signal, unit_of
from collectors.model.vocabulary import Provenance, State
from tests.backends.pages import FIXTURES, read
from tests.session.pages import at_zero, fed, fixture

PAGES = sorted(
    str(path.relative_to(FIXTURES))
    for path in FIXTURES.rglob("*")
    if path.suffix == ".prom" or path.name.endswith(".metrics.txt")
)
NOT_ALONE = {"llm-d-router"}
"""Pages of single families, which no back end may know."""


def known(it: Figure | msgspec.UnsetType) -> Figure:
    assert isinstance(it, Figure)
    return it


def spread(it: Distribution | msgspec.UnsetType) -> Distribution:
    assert isinstance(it, Distribution)
    return it


@pytest.mark.parametrize("name", PAGES)
def test_every_mapped_signal_of_a_page_can_be_found(name: str) -> None:
    page = fixture(name)
    try:
        mapping = read(page, "t:1").mapping
    except ValueError:
        assert name.partition("/")[0] in NOT_ALONE
        return
    session, _ = fed((page, "t:1", 1), at_s=2)
    found = {(row.signal, row.worker, row.owner, row.tier, row.to, row.label) for row in session.signals(2 * 10**9)}
    bounded = {
        (one.signal, one.worker, one.owner, one.tier, one.to, one.label)
        for one in mapping.series
        if one.kind is Kind.BUCKET and one.le == float("inf")
    }
    for one in mapping.series:
        said = (one.signal, one.worker, one.owner, one.tier, one.to, one.label)
        if (one.kind in (Kind.COUNTER, Kind.GAUGE) and one.signal not in NOT_ADDABLE) or said in bounded:
            assert said in found


def test_a_counter_tells_its_growth_its_rate_and_its_total() -> None:
    session, _ = fed(
        (fixture("vllm/under_load.metrics.txt"), "v:8000", 10), (fixture("vllm/after_load.metrics.txt"), "v:8000", 50)
    )
    rows = {row.signal: row for row in session.signals(60 * 10**9)}
    tokens = rows[Signal.GENERATION_TOKENS]
    assert (tokens.kind, tokens.unit, tokens.metric) == ("counter", "tokens", "vllm:generation_tokens_total")
    assert [known(one).value for one in (tokens.value, tokens.per_s, tokens.total)] == [4232, 4232 / 40, 4832]
    assert spread(rows[Signal.PREFILL].distribution).n == 24


def test_one_page_already_tells_totals_but_no_growth() -> None:
    session, _ = fed((fixture("vllm/after_load.metrics.txt"), "v:8000", 1), at_s=2)
    row = next(row for row in session.signals(2 * 10**9) if row.signal == Signal.PREEMPTIONS)
    assert known(row.value).state is State.ABSENT
    assert known(row.total).value == 31


def test_a_bound_is_an_estimate_with_its_formula_and_a_prediction_says_so() -> None:
    pages = [fixture(f"dynamo/frontend_{when}.metrics.txt") for when in ("under_load", "after_load")]
    session, frame = fed((pages[0], "fe:8000", 1), (pages[1], "fe:8000", 40))
    rows = {row.signal: row for row in session.signals(60 * 10**9)}
    assert rows[Signal.KV_PREDICTED_BLOCKS].caveat == "a router's prediction: not occupancy"
    bound = spread(rows[Signal.PD_TRANSFER_BOUND].distribution)
    assert bound.p50.estimate is True
    assert bound.p50.formula == "first decode − prefill done: an upper bound"
    (handover,) = frame.handovers
    assert handover.duration.p50.estimate is True
    assert not any(row.owner.startswith("fe") and row.used_bytes.value for row in frame.tiers)


def test_what_was_worked_out_of_several_values_is_not_reported() -> None:
    page = fixture("dynamo/frontend_after_load.metrics.txt")
    session, _ = fed((at_zero(page), "fe:8000", 1), (page, "fe:8000", 40))
    row = next(row for row in session.signals(60 * 10**9) if row.signal == Signal.PROMPT_TOKENS_COMPUTED)
    assert known(row.value).provenance is Provenance.DERIVED
    assert " - " in row.metric


@pytest.mark.parametrize(
    ("signal", "unit"),
    [
        (Signal.KV_TRANSFER_TIME, "ns"),
        (Signal.PD_TRANSFER_RATE, "bytes/s"),
        (Signal.POWER_PROJECTED, "watts"),
        (Signal.KV_HITS, "tokens"),
        (Signal.PROMPT_TOKENS_COMPUTED, "tokens"),
        (Signal.KV_HIT_RATE, "ratio"),
        (Signal.KV_ACTIVE_RATIO_MEAN, "ratio"),
        (Signal.DEVICE_TEMPERATURE, "celsius"),
        (Signal.REQUESTS_RUNNING, "count"),
        (Signal.TOKENS_WAITING, "tokens"),
    ],
)
def test_units(signal: Signal, unit: str) -> None:
    assert unit_of(signal) == unit


def test_a_proxy_is_told_to_be_one() -> None:
    """Requests that are sent again may go to the same worker: they are no migrations for certain."""
    page = (
        '# TYPE smg_worker_retries_total counter\nsmg_worker_retries_total{route="r"} 4\n'
        '# TYPE smg_router_requests_total counter\nsmg_router_requests_total{route="r"} 9\n'
    )
    session, _ = fed((at_zero(page), "gw:29000", 1), (page, "gw:29000", 2), at_s=3)
    rows = {row.signal: row for row in session.signals(3 * 10**9)}
    retries, requests = rows[Signal.MIGRATIONS], rows[Signal.REQUESTS_FINISHED]
    figures = [known(one) for one in (retries.value, retries.per_s, retries.total)]
    assert [(one.value, one.estimate, one.formula == retries.caveat) for one in figures] == [(4, True, True)] * 3
    assert "perhaps to the same worker" in str(retries.caveat)
    assert known(requests.value).estimate is msgspec.UNSET
