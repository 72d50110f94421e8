"""Objectives by worker, kind and model: whose requests met them, what of pages is only a bracket, and what a token takes where anybody says."""

import numpy as np
import pytest

from collectors.diagnose.judging import Judging
from collectors.diagnose.objectives import PROFILES, Limit, Profile
from collectors.diagnose.prices import Price
from collectors.model.batch import (
    DELIVERY,
    EXTRA,
    Batch,
    Decision,
    Decisions,
    Deliveries,
    Finished,
    Inventory,
    Layout,
    Received,
    Requests,
    Samples,
    Status,
    Watermark,
    WorkerInfo,
)
from collectors.model.frame import Frame
from collectors.model.signals import Kind, Series, Signal
from collectors.model.slo import Attained, Of, Slo, SloRow
from collectors.model.vocabulary import Device, Provenance, Role, State, TargetStatus
from collectors.session.session import Session
from tests.session.pages import at_zero, fed, fixture

S, MS = 1_000_000_000, 1_000_000
WORKERS = (
    WorkerInfo(0, "gpu/0", Role.AGGREGATED, Device.GPU, "H100-SXM", 2, "m"),
    WorkerInfo(1, "lpu/0", Role.DECODE, Device.LPU, "Groq-LPU-v1", 64, "m"),
    WorkerInfo(2, "pre/0", Role.PREFILL, Device.GPU, "H100-SXM", 1, "m"),
)


def up(source: str) -> Status:
    return Status(f"http://{source}", "any", TargetStatus.UP)


def served(session: Session, gaps_ms: dict[int, list[int]], tokens: int = 50) -> None:
    """For each worker requests, of so many tokens each, one every so many ms; the first after 100 ms."""
    session.feed(Batch("router", 0, (up("router"), Inventory(WORKERS, emulated=True))))
    stream = 0
    for slot, gaps in gaps_ms.items():
        for gap in gaps:
            name = f"r-{stream}"
            rows = np.zeros(tokens, DELIVERY)
            rows["time_ns"] = 100 * MS + np.arange(tokens) * gap * MS
            rows["first_token"], rows["tokens"] = np.arange(tokens), 1
            rows["worker"], rows["stream"], rows["stage"], rows["tier"] = slot, stream, 2, 2
            session.feed(
                Batch(
                    "router",
                    9 * S,
                    (
                        Requests((Received(0, name, stream, "m", labels=("chat",)),)),
                        Decisions((Decision(0, name, "rule", slot, labels=("chat",)),)),
                        Deliveries(rows, np.zeros(0, EXTRA)),
                        Requests((Finished(int(rows["time_ns"][-1]), name, "stop"),)),
                    ),
                )
            )
            stream += 1
    session.feed(Batch("router", 10 * S - 1, (Watermark(10 * S),)))


def report(frame: Frame) -> Slo:
    assert frame.slo is not None
    return frame.slo


def row(frame: Frame, of: Of, name: str) -> SloRow:
    return next(one for one in report(frame).rows if (one.of, one.name) == (of, name))


def test_requests_count_for_the_worker_that_generated_and_its_kind() -> None:
    session = Session("virtual")
    served(session, {0: [20] * 6 + [60] * 4, 1: [2] * 10})
    frame = session.tick(10 * S)
    gpu, lpu, whole = row(frame, Of.WORKER, "gpu/0"), row(frame, Of.KIND, "LPU"), row(frame, Of.ALL, "all")
    assert gpu.attained is not None
    assert (gpu.attained.least, gpu.attained.most, gpu.attained.n) == (6, 6, 10)
    assert gpu.attained.state is Attained.VIOLATED
    assert lpu.attained is not None
    assert (lpu.attained.least, lpu.attained.n, lpu.attained.state) == (10, 10, Attained.INDETERMINATE)
    assert whole.attained is not None
    assert (whole.attained.least, whole.attained.n) == (16, 20)
    assert whole.goodput_per_s.value == pytest.approx(16 / 10)
    assert report(frame).state is Attained.VIOLATED
    assert [one.of for one in report(frame).rows] == [Of.ALL, Of.KIND, Of.KIND, Of.WORKER, Of.WORKER]


def test_another_profile_judges_otherwise_from_the_next_tick_on() -> None:
    session = Session("virtual")
    served(session, {0: [60] * 200})
    assert report(session.tick(10 * S)).state is Attained.VIOLATED
    session.judging = Judging(PROFILES["mlperf-llama2-70b-server"])
    frame = session.tick(10 * S + S // 4)
    assert report(frame).profile == "mlperf-llama2-70b-server"
    assert row(frame, Of.ALL, "all").attained is not None
    assert report(frame).state is Attained.INDETERMINATE  # 200 of 200 do not prove 99 %
    session.judging = Judging(Profile("easy", Limit(1.0, 0.9), None, None, "here"))
    assert report(session.tick(10 * S + S // 2)).state is Attained.MET


def test_what_a_token_costs_is_only_said_of_who_makes_all_of_it() -> None:
    session = Session("virtual", judging=Judging(prices={"H100-SXM": Price(3.6)}))
    served(session, {0: [20] * 10, 1: [2] * 10})
    frame = session.tick(10 * S)
    alone = row(frame, Of.WORKER, "gpu/0")
    # 2 chips at 3.60 $/h: 2e-3 $/s over 500 tokens in 10 s.
    assert alone.dollars_per_mtok.value == pytest.approx(2e-3 / 50 * 1e6)
    assert alone.joules_per_token.state is State.ABSENT
    assert row(frame, Of.WORKER, "lpu/0").dollars_per_mtok.state is State.ABSENT  # no price
    assert row(frame, Of.KIND, "GPU").dollars_per_mtok.state is State.ABSENT  # one of them prefills for the LPU


def test_what_nobody_measures_is_counted_by_the_operators_word_and_says_so() -> None:
    own = {"GPU": Price(3.6, "invoice", "2026-11"), "LPU": Price(None, watts=250.0)}
    session = Session("virtual", judging=Judging(prices=own))
    served(session, {0: [20] * 10, 1: [2] * 10})
    frame = session.tick(10 * S)
    gpu, lpu = row(frame, Of.WORKER, "gpu/0"), row(frame, Of.WORKER, "lpu/0")
    assert gpu.dollars_per_mtok.metric == "3.6 $/h of H100-SXM (config: invoice, 2026-11)"
    assert gpu.joules_per_token.state is State.ABSENT
    # 64 chips of 250 W over 500 tokens in 10 s.
    assert lpu.joules_per_token.value == pytest.approx(64 * 250 / 50)
    assert (lpu.joules_per_token.provenance, lpu.joules_per_token.metric) == (
        Provenance.ASSUMED,
        "250 W of Groq-LPU-v1 (config)",
    )
    assert row(frame, Of.KIND, "LPU").joules_per_token.value == lpu.joules_per_token.value
    told = [
        (one.chip, one.dollars_per_hour and one.dollars_per_hour.by, one.watts and one.watts.value)
        for one in report(frame).chips
    ]
    assert told == [("H100-SXM", "config", None), ("Groq-LPU-v1", None, 250.0)]


def test_energy_of_a_page_counts_where_idle_time_is_in_it() -> None:
    def watts(*phases: str, own: Price | None = None) -> float | int | None:
        session = Session("virtual", judging=Judging(prices={"GPU": own} if own else {}))
        layout = tuple(Series(Signal.ENERGY, Kind.COUNTER, "gpu/0", "j", label=phase) for phase in phases)
        for second in (0, 9):
            joules = np.array([second * 100.0] * len(phases))
            parts = (up("gpu"), Inventory(WORKERS[:1]), Layout(layout), Samples(joules))
            session.feed(Batch("gpu", second * S, parts if not second else parts[-1:]))
        served(session, {0: [20] * 10})
        return row(session.tick(10 * S), Of.WORKER, "gpu/0").joules_per_token.value

    assert watts("decode", "idle") == pytest.approx(200 / 50)
    assert watts("decode") is None
    assert watts("decode", "idle", own=Price(None, watts=9.0)) == pytest.approx(200 / 50)  # what is measured holds


def test_of_a_page_it_is_known_how_many_at_least_and_at_most() -> None:
    page = fixture("vllm/after_load.metrics.txt")
    _, frame = fed((at_zero(page), "v", 50), (page, "v", 59))
    whole = row(frame, Of.ALL, "all")
    assert whole.ttft is not None
    assert whole.attained is not None
    assert whole.ttft.n == whole.attained.n == next(worker.ttft.n for worker in frame.workers)
    assert whole.attained.least <= whole.attained.most


def test_nobody_says_nothing() -> None:
    frame = Session("virtual").tick(S)
    assert report(frame).state is Attained.INDETERMINATE
    assert [one.attained for one in report(frame).rows] == [None]
    assert row(frame, Of.ALL, "all").goodput_per_s.state is State.ABSENT


def test_routing_by_label_and_rule() -> None:
    session = Session("virtual")
    served(session, {0: [20] * 3, 1: [2] * 150})
    routing = session.tick(10 * S).routing
    assert routing is not None
    by_worker = {one.worker: one for one in routing.labels}
    assert {name: one.decided.value for name, one in by_worker.items()} == {"gpu/0": 3, "lpu/0": 150}
    gpu, lpu = by_worker["gpu/0"], by_worker["lpu/0"]
    assert gpu.tpot.p50.value == pytest.approx(0.02)
    assert (gpu.tpot.p99.state, gpu.tpot.n) == (State.TOO_FEW, 3)
    assert lpu.ttft.p99.value == pytest.approx(0.1)
    (rule,) = routing.rules
    assert (rule.rule, rule.decided.value, rule.alone.value) == ("rule", 153, 153)
