"""What a Frame says of several sources together: one worker told twice, a stream that is lost, batches cut anyhow."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.model.batch import (
    DELIVERY,
    EXTRA,
    Batch,
    Deliveries,
    Inventory,
    Layout,
    PoolInfo,
    Received,
    Requests,
    Samples,
    Status,
    Watermark,
    WorkerInfo,
)
from collectors.model.frame import Frame
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import STAGES, Device, Role, Stage, State, TargetStatus, Tier
from collectors.session.clock import TICK_NS
from collectors.session.session import Session

S = 1_000_000_000
NOT_OBSERVED = 0xFFFF
WORKERS = (WorkerInfo(0, "gpu-0/0", Role.DECODE, Device.GPU, "H100", 1, "m"),)
POOLS = (PoolInfo(0, Tier.HBM, "gpu-0/0", 0, 1_000),)


def up(source: str) -> Status:
    return Status(f"http://{source}", "any", TargetStatus.UP)


def rows(count: int, gap_ns: int = 20_000_000, first_ns: int = 100_000_000) -> np.ndarray:
    made = np.zeros(count, DELIVERY)
    number = np.arange(count)
    made["time_ns"] = first_ns + number * gap_ns
    made["first_token"] = number
    made["tokens"], made["tier"], made["stage"] = 1, 2, 2
    return made


def deliveries(made: np.ndarray) -> Deliveries:
    return Deliveries(made, np.zeros(0, EXTRA))


def stream(session: Session, made: np.ndarray, cuts: list[int] | None = None) -> None:
    """A router's stream with one request, its rows in batches cut where told."""
    hello = Inventory(WORKERS, POOLS, emulated=True)
    received = Requests((Received(0, "r", 0),))
    session.feed(Batch("router", 0, (up("router"), hello, received)))
    edges = sorted({0, len(made), *(cut % (len(made) + 1) for cut in cuts or [])})
    for begin, end in itertools.pairwise(edges):
        session.feed(Batch("router", S - 1, (deliveries(made[begin:end]),)))
    session.feed(Batch("router", S - 1, (Watermark(S),)))


def test_a_worker_of_a_stream_and_of_a_page_is_one_row() -> None:
    session = Session("virtual")
    stream(session, rows(40))
    running = Series(Signal.REQUESTS_RUNNING, Kind.GAUGE, "gpu-0/0", "vllm:num_requests_running")
    page = (
        up("gpu-0"),
        Inventory((WorkerInfo(0, "gpu-0/0", model="m"),)),
        Layout((running,)),
        Samples(np.array([7.0])),
    )
    session.feed(Batch("gpu-0", S - 1, page))
    (worker,) = session.tick(S).workers
    assert (worker.id, worker.target, worker.role, worker.device) == ("gpu-0/0", "gpu-0", Role.DECODE, Device.GPU)
    assert worker.running.value == 7
    assert worker.gap.n == 39
    assert worker.tokens_per_delivery.value == 1.0


def test_output_that_a_tap_places_is_not_counted_again_by_the_router_that_passed_it() -> None:
    session = Session("virtual")
    front = Inventory((WorkerInfo(0, "front", Role.ROUTER),))
    generated = Series(Signal.GENERATION_TOKENS, Kind.COUNTER, "front", "output_tokens")
    computed = Series(Signal.PROMPT_TOKENS_COMPUTED, Kind.COUNTER, "front", "prompt_tokens")
    layout = Layout((generated, computed))
    session.feed(Batch("front", 0, (up("front"), front, layout, Samples(np.array([0.0, 0.0])))))
    session.feed(Batch("front", S - 1, (Samples(np.array([40.0, 900.0])),)))
    router_alone = session.tick(S)
    assert [(row.worker, row.stage, row.tokens.value) for row in router_alone.placements] == [
        (None, Stage.DECODE, 40),
        (None, Stage.PREFILL, 900),
    ]
    made = rows(40)
    made["stage"] = STAGES.index(Stage.UNKNOWN)
    tap = Inventory((WorkerInfo(0, "7/0", named_by="nvext"),), measured=True)
    session.feed(Batch("tap", S, (up("tap"), tap, Requests((Received(0, "r", 0),)), deliveries(made))))
    both = session.tick(2 * S)
    assert [(row.worker, row.stage, row.tokens.value) for row in both.placements] == [
        ("7/0", Stage.UNKNOWN, 40),
        (None, Stage.PREFILL, 900),
    ]


def test_a_stream_that_is_lost_leaves_a_gap_and_no_invented_value() -> None:
    session = Session("virtual")
    stream(session, rows(40))
    before = session.tick(S)
    assert before.tiers[0].used_bytes.state is State.ABSENT
    session.feed(Batch("router", S, (Status("http://router", "any", TargetStatus.DOWN, "refused"),)))
    after = [session.tick(S + tick * TICK_NS) for tick in range(1, 9)][-1]
    (target,) = after.targets
    assert (target.status, target.reason, target.heard_ns) == (TargetStatus.DOWN, "refused", S - 1)
    river = np.frombuffer(after.river[0].tokens, "<u2")
    assert (river[-8:] == NOT_OBSERVED).all()
    assert river[-9] == 7  # of the last tick before
    assert after.timeline[-2:] == b"\xff\xff"
    (placement,), (worker,) = after.placements, after.workers
    assert (placement.tokens.value, placement.tokens.state) == (40, State.STALE)
    # 40 tokens in the second that was observed, not in the three since then; and nobody is known not to be running.
    assert worker.tokens_per_s.value == pytest.approx(40)
    assert worker.tokens_per_s.state is State.STALE
    assert worker.running.state is State.ABSENT
    assert {worker.gap.p50.state, after.ttft.p50.state, after.jitter[0].p99_minus_p50.state} <= {
        State.STALE,
        State.TOO_FEW,
    }
    assert after.tiers[0].capacity_bytes.state is State.STALE
    assert after.tokens_per_s.state is State.STALE
    assert after.window_s == pytest.approx(1)


def test_a_stream_that_goes_on_where_it_was_lost_leaves_no_gap_and_nothing_twice() -> None:
    """As if it had never been lost, once all is told."""

    def played(lost: bool) -> Frame:
        session = Session("virtual")
        made = rows(200)
        stream(session, made[:40])
        session.tick(S)
        if lost:
            session.feed(Batch("router", S, (Status("http://router", "any", TargetStatus.DOWN, "refused"),)))
        for tick in range(1, 10):
            if not lost:
                now = S + tick * TICK_NS
                due = made[(made["time_ns"] >= now - TICK_NS) & (made["time_ns"] < now)]
                session.feed(Batch("router", now - 1, (deliveries(due), Watermark(now))))
            session.tick(S + tick * TICK_NS)
        until = S + 10 * TICK_NS
        if lost:
            hello = Inventory(WORKERS, POOLS, emulated=True, resumed=True)
            session.feed(Batch("router", until - 2, (up("router"), hello)))
            session.tick(until)
            due = made[(made["time_ns"] >= S) & (made["time_ns"] < until)]
            session.feed(Batch("router", until, (deliveries(due), Watermark(until))))
        else:
            due = made[(made["time_ns"] >= until - TICK_NS) & (made["time_ns"] < until)]
            session.feed(Batch("router", until - 1, (deliveries(due), Watermark(until))))
            session.tick(until)
        session.feed(Batch("router", until + 5, (Watermark(until + 5),)))
        return session.tick(until + TICK_NS)

    one, other = played(lost=False), played(lost=True)
    assert other.targets[0].gaps.resumed == 1  # type: ignore[union-attr]
    assert (one.placements, one.ttft, one.river, one.window_s) == (
        other.placements,
        other.ttft,
        other.river,
        other.window_s,
    )
    assert one.workers == other.workers
    assert one.timeline == other.timeline
    assert b"\xff" not in other.timeline


def test_nothing_is_invented_before_anything_is_heard() -> None:
    frame = Session("live").tick(TICK_NS)
    assert (frame.workers, frame.placements, frame.stalls, frame.timeline) == ((), (), (), b"")
    assert frame.tokens_per_s.state is State.ABSENT
    assert frame.decisions.total.state is State.ABSENT
    assert frame.ttft.p99.state is State.ABSENT


def frame_of(cuts: list[int]) -> Frame:
    session = Session("virtual")
    made = rows(45)
    made["time_ns"][30:] += 170_000_000
    stream(session, made, cuts)
    return session.tick(S)


WHOLE = frame_of([])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 45), max_size=12))
def test_how_rows_are_cut_into_batches_does_not_matter(cuts: list[int]) -> None:
    assert WHOLE.stalls[0].gap_s.value == 0.19
    assert frame_of(cuts) == WHOLE
