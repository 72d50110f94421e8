"""Single deliveries, requests and decisions as of any tick: by hand-made streams whose every gap is known."""

import math

import numpy as np
import pytest

from collectors.model.batch import (
    DELIVERY,
    EXTRA,
    Admitted,
    Batch,
    Candidate,
    Decision,
    Decisions,
    Deliveries,
    Finished,
    Inventory,
    Phases,
    PoolInfo,
    Received,
    Requests,
    Span,
    Status,
    WorkerInfo,
)
from collectors.model.detail import NO_PLACE, By, Cell, DecisionCard, NoDecision, Place, State
from collectors.model.vocabulary import Device, Phase, Provenance, Role, Stage, TargetStatus, Tier
from collectors.session.clock import TICK_NS
from collectors.session.detail import Detail
from collectors.session.request_detail import MOVED_BY, NOT_KEPT, NOT_OF_THIS, NOT_REPORTED
from collectors.session.session import Session
from collectors.stats.told import Decisions as Kept

MS = 1_000_000
S = 1_000 * MS
WORKERS = (
    WorkerInfo(0, "gpu-0/0", Role.PREFILL, Device.GPU),
    WorkerInfo(1, "lpu-0/0", Role.DECODE, Device.LPU),
    WorkerInfo(2, "lpu-1/0", Role.DECODE, Device.LPU),
)
HELLO = Inventory(WORKERS, (PoolInfo(0, Tier.HBM, "gpu-0/0", 0, 1_000),), emulated=True)
UP = Status("http://router", "any", TargetStatus.UP)
DOWN = Status("http://router", "any", TargetStatus.DOWN, "refused")


def rows(times_ms: list[float], *, stream: int = 0, worker: int = 1, first: int = 0, tokens: int = 1) -> np.ndarray:
    made = np.zeros(len(times_ms), DELIVERY)
    made["time_ns"] = [round(one * MS) for one in times_ms]
    made["stream"], made["worker"], made["tokens"] = stream, worker, tokens
    made["first_token"] = first + tokens * np.arange(len(made))
    made["tier"], made["stage"] = 1, 2
    made["start_ns"], made["duration_ns"] = made["time_ns"] - 2 * MS, MS
    return made


def told(made: np.ndarray, extras: np.ndarray | None = None) -> Deliveries:
    return Deliveries(made, np.zeros(0, EXTRA) if extras is None else extras)


class Watching:
    def __init__(self, max_bytes: int = 1 << 20) -> None:
        self.detail = Detail(max_bytes)
        self.session = Session("virtual", detail=self.detail)
        self.tell(0, UP, HELLO)

    def tell(self, at_ms: float, *parts: object) -> None:
        self.session.feed(Batch("router", round(at_ms * MS), parts))  # type: ignore[arg-type]

    def tick(self, at_ms: int) -> int:
        self.session.tick(at_ms * MS)
        return at_ms * MS


def received(request: str = "r", stream: int = 0, at_ms: float = 0, **more: object) -> Requests:
    return Requests((Received(round(at_ms * MS), request, stream, "m", 100, **more),))  # type: ignore[arg-type]


def test_a_request_is_told_token_by_token() -> None:
    watched = Watching()
    watched.tell(10, received(labels=("interactive",)))
    watched.tell(200, told(rows([50], worker=0)), told(rows([70 + 5 * i for i in range(10)], first=1)))
    # The eleventh gap is of six medians: a stall. Then three tokens at once.
    watched.tell(240, told(rows([145], first=11)), told(rows([150], first=12, tokens=3)))
    now = watched.tick(250)
    detail = watched.detail
    key = detail.find("r", now)
    assert key is not None
    one = detail.request(key, now)
    assert one is not None
    found = one.deliveries
    assert found.first_token == (*range(13),)
    assert found.tokens == (*[1] * 12, 3)
    assert found.at_s[:3] == (0.05, 0.07, 0.075)
    assert math.isnan(found.gap_s[0])
    assert found.gap_s[1:] == pytest.approx([0.02, *[0.005] * 9, 0.03, 0.005])
    assert all(math.isnan(one) for one in found.lateness[:9])
    assert found.lateness[9:] == pytest.approx([1, 1, 6, 1]), "against the median of the gaps before it"
    assert found.stall == (*[False] * 11, True, False)
    assert [found.places[place] for place in found.place[:2]] == [
        Place("gpu-0/0", Stage.DECODE, Tier.SRAM),
        Place("lpu-0/0", Stage.DECODE, Tier.SRAM),
    ]
    assert (found.start_s[0], found.duration_s[0]) == pytest.approx((0.048, 0.001))
    assert (one.gap.n, one.gap.max.value, one.stalled_s) == (12, 0.03, 0.03)
    assert one.gap.p99.value is None, "too few gaps for that"
    line = one.line
    assert (line.state, line.tokens, line.ttft_s, line.longest_s, line.stalls) == (State.DECODES, 15, 0.05, 0.03, 1)
    assert (line.labels, line.model, line.decode, line.emulated) == (("interactive",), "m", "lpu-0/0", True)
    assert one.tpot_s is None, "it goes on"


def test_tpot_is_without_the_first_token() -> None:
    watched = Watching()
    watched.tell(0, received())
    watched.tell(240, told(rows([200, 280], tokens=4)), Requests((Finished(240 * MS, "r", "stop", 8),)))
    now = watched.tick(250)
    one = watched.detail.request(watched.detail.find("r", now) or 0, now)
    assert one is not None
    assert one.tpot_s == pytest.approx(0.08 / 7)
    assert (one.line.state, one.line.reason, one.line.last_s) == (State.ENDED, "stop", 0.24)


def test_the_past_is_as_it_was_known_then() -> None:
    watched = Watching()
    detail = watched.detail
    watched.tell(1, received("early", 0, 1))
    watched.tell(240, told(rows([100, 120])))
    first = watched.tick(250)
    before = (
        detail.requests(first),
        detail.request(1, first),
        [detail.river(first, 50 * MS, 8, by) for by in By],
    )
    # What comes late is of a time before the tick, and was not known at it.
    watched.tell(
        260, told(rows([130, 140], first=2)), received("late", 1, 200), Requests((Finished(245 * MS, "early", "stop"),))
    )
    later = watched.tick(500)
    after = (
        detail.requests(first),
        detail.request(1, first),
        [detail.river(first, 50 * MS, 8, by) for by in By],
    )
    assert [line.id for line in detail.requests(later).lines] == ["late", "early"]
    assert detail.requests(later).lines[1].tokens == 4
    assert after[0] == before[0]
    assert after[2] == before[2]
    assert after[1] is not None
    assert before[1] is not None
    assert (after[1].line, after[1].deliveries.tokens, after[1].steps) == (
        before[1].line,
        before[1].deliveries.tokens,
        before[1].steps,
    )
    assert after[1].joined is None, "what all tellers say is told of the newest moment only"


def test_cells_by_worker_request_and_workflow() -> None:
    watched = Watching()
    watched.tell(0, received("a", 0, workflow="w"), received("b", 1, workflow="w"), received("c", 2))
    some = np.concatenate([rows([10, 20, 110]), rows([30, 120], stream=1), rows([240], stream=2, worker=2, tokens=5)])
    watched.tell(245, told(some))
    now = watched.tick(250)
    river = watched.detail.river(now, 100 * MS, 3, By.WORKER)
    assert (river.begin_ns, river.columns) == (0, 3)
    assert {line.key: line.tokens for line in river.lines} == {
        "gpu-0/0": (0, 0, 0),
        "lpu-0/0": (3, 2, 0),
        "lpu-1/0": (0, 0, 5),
    }
    by_request = watched.detail.river(now, 100 * MS, 3, By.REQUEST)
    assert {line.name: line.tokens for line in by_request.lines} == {"c": (0, 0, 5), "b": (1, 1, 0), "a": (2, 1, 0)}
    assert by_request.places[by_request.lines[0].place[2]].worker == "lpu-1/0"
    assert by_request.lines[0].place[:2] == bytes([NO_PLACE] * 2)
    (run,) = watched.detail.river(now, 100 * MS, 3, By.WORKFLOW).lines
    assert (run.key, run.tokens) == ("w", (3, 2, 0))


def test_a_place_is_that_of_most_tokens() -> None:
    watched = Watching()
    watched.tell(0, received("a", 0))
    watched.tell(240, told(np.concatenate([rows([10], worker=1), rows([20, 30], worker=2, first=1)])))
    now = watched.tick(250)
    river = watched.detail.river(now, 250 * MS, 1, By.REQUEST)
    assert river.places[river.lines[0].place[0]].worker == "lpu-1/0"


def test_stages_beside_the_primary_one() -> None:
    watched = Watching()
    watched.tell(0, received())
    made = rows([10, 20, 30, 40])
    made["stage"], made["extra"] = 4, [1, 0, 2, 1]
    extras = np.zeros(4, EXTRA)
    extras["worker"], extras["tier"], extras["stage"] = [2, 2, 0, 2], 2, 3
    extras["start_ns"], extras["duration_ns"] = 5 * MS, MS
    order = [0, 1, 2, 3]
    watched.tell(240, told(made[order], extras))
    now = watched.tick(250)
    one = watched.detail.request(1, now)
    assert one is not None
    found = one.deliveries
    assert found.beside_of == (0, 2, 2, 3)
    workers = [found.places[place].worker for place in found.beside_place]
    assert workers == ["lpu-1/0", "lpu-1/0", "gpu-0/0", "lpu-1/0"]
    assert found.beside_start_s == pytest.approx([0.005] * 4)
    river = watched.detail.river(now, 250 * MS, 1, By.WORKER)
    assert {line.key: (line.tokens, line.beside_tokens) for line in river.lines} == {
        "gpu-0/0": ((0,), (1,)),
        "lpu-0/0": ((4,), (0,)),
        "lpu-1/0": ((0,), (3,)),
    }


def test_what_was_not_observed_is_not_empty() -> None:
    watched = Watching()
    watched.tell(0, received())
    watched.tick(250)
    watched.tell(260, DOWN)
    watched.tick(500)
    watched.tick(750)
    watched.tell(760, UP, HELLO)
    now = watched.tick(1_000)
    line = watched.detail.river(now, 250 * MS, 6, By.WORKER).lines[1]
    assert list(line.seen) == [*[Cell.UNOBSERVED] * 2, Cell.SEEN, Cell.UNOBSERVED, Cell.UNOBSERVED, Cell.SEEN]
    assert watched.detail.river(500 * MS, 250 * MS, 3, By.WORKER, end_ns=750 * MS).lines[1].seen[2] == Cell.AHEAD


def test_memory_is_bounded_and_says_from_when_on_everything_is_there() -> None:
    watched = Watching(max_bytes=40_000)
    watched.tell(0, received())
    first = 0
    for tick in range(1, 40):
        watched.tell(tick * 250 - 5, told(rows([tick * 250 - 200 + i / 100 for i in range(100)], first=first)))
        first += 100
        now = watched.tick(tick * 250)
    kept = watched.detail.kept
    assert kept.bytes <= 40_000
    assert kept.since_ns is not None
    assert 0 < kept.since_ns < now
    river = watched.detail.river(now, 250 * MS, 40, By.WORKER)
    line = river.lines[1]
    seen = [tokens for tokens, state in zip(line.tokens, line.seen, strict=True) if state == Cell.SEEN]
    assert seen == [100] * len(seen)
    assert len(seen) == (now - kept.since_ns) // TICK_NS
    one = watched.detail.request(1, now)
    assert one is not None
    assert one.missing == one.deliveries.first_token[0] > 0
    assert (one.line.kept, one.line.ttft_s, one.line.tokens) == (False, None, first)


def test_phases_that_never_began_are_absent_and_what_nobody_timed_is_about() -> None:
    watched = Watching()
    spans = Phases(
        (
            Span("r", Phase.QUEUE, 0, 10 * MS, 0),
            Span("r", Phase.PREFILL, 10 * MS, 20 * MS, 0, Tier.HBM, 50),
            Span("r", Phase.PREFILL, 30 * MS, 10 * MS, 0, Tier.HBM, 30),
        )
    )
    admitted = Requests((Admitted(10 * MS, "r", 0, 80, ((0, 20),)),))
    watched.tell(0, received())
    watched.tell(100, admitted, spans, told(rows([41], worker=0)), told(rows([50, 55], first=1)))
    now = watched.tick(250)
    one = watched.detail.request(1, now)
    assert one is not None
    assert [(step.phase, step.start_s, step.tokens, step.estimate) for step in one.steps] == [
        (Phase.QUEUE, 0.0, None, ""),
        (Phase.PREFILL, 0.01, 50, ""),
        (Phase.PREFILL, 0.03, 30, ""),
        (Phase.TRANSFER, 0.04, None, MOVED_BY),
        (
            Phase.DECODE,
            0.041,
            None,
            "first to last token: the handover from the worker that made the first one is inside",
        ),
    ]
    assert one.steps[3].duration_s == pytest.approx(0.01)
    assert one.steps[3].provenance is one.steps[4].provenance is Provenance.DERIVED
    assert one.steps[4].open
    assert [(hit.owner, hit.tier, hit.tokens) for hit in one.hits] == [("gpu-0/0", Tier.HBM, 20)]
    assert (one.computed_tokens, one.line.hit_tokens, one.line.prefill) == (80, 20, "gpu-0/0")


def test_a_request_that_waits_has_begun_nothing_else() -> None:
    watched = Watching()
    watched.tell(0, received("other", 1), Requests((Admitted(MS, "other", 0, 100),)))
    watched.tell(10, received(at_ms=10), Decisions((Decision(10 * MS, "r", "all", 1),)))
    now = watched.tick(250)
    one = watched.detail.request(watched.detail.find("r", now) or 0, now)
    assert one is not None
    assert one.line.state is State.WAITS
    ((phase, length, goes_on),) = [(step.phase, step.duration_s, step.open) for step in one.steps]
    assert (phase, length, goes_on) == (Phase.QUEUE, 0.24, True)


def test_what_is_told_after_a_look_is_seen_at_the_next_and_not_in_the_past() -> None:
    watched = Watching()
    watched.tell(0, received(), received("other", 1))
    before = watched.tick(250)
    assert [line.state for line in watched.detail.lines(before)] == [State.RECEIVED, State.RECEIVED]
    watched.tell(260, Requests((Admitted(260 * MS, "r", 0, 60, ((0, 40),)),)))
    now = watched.tick(500)
    for _ in range(2):
        other, line = watched.detail.lines(now)
        assert (line.id, line.state, line.prefill, line.hit_tokens) == ("r", State.PREFILLS, "gpu-0/0", 40)
        assert (other.state, other.hit_tokens) == (State.WAITS, None)
        assert [line.hit_tokens for line in watched.detail.lines(before)] == [None, None]
    watched.tell(510, Decisions((DECISION,)))
    one = watched.detail.request(line.key, watched.tick(750))
    assert one is not None
    assert isinstance(one.decision, DecisionCard)


DECISION = Decision(
    2 * MS,
    "r",
    "interactive-to-lpu",
    1,
    (Candidate(2, 0.5, {"load": 0.5}, 0, 10), Candidate(1, 0.9, {"load": 0.5, "overlap": 0.4}, 0, 60)),
    ("interactive",),
    0.4,
    headroom_s=-0.02,
)


def test_a_decision_has_all_its_candidates_by_name() -> None:
    watched = Watching()
    watched.tell(1, received(at_ms=1), Decisions((DECISION,)))
    now = watched.tick(250)
    one = watched.detail.request(1, now)
    assert one is not None
    card = one.decision
    assert isinstance(card, DecisionCard)
    assert [(named.worker, named.prefill, named.chosen, named.cached_tokens) for named in card.candidates] == [
        ("lpu-0/0", "gpu-0/0", True, 60),
        ("lpu-1/0", "gpu-0/0", False, 10),
    ]
    assert card.candidates[0].terms == (("load", 0.5), ("overlap", 0.4))
    assert (card.rule, card.chosen, card.margin, card.tie, card.headroom_s, card.at_s) == (
        "interactive-to-lpu",
        "lpu-0/0",
        0.4,
        False,
        -0.02,
        0.001,
    )


def test_a_router_that_reports_no_decision_says_so_with_what_would() -> None:
    watched = Watching()
    watched.tell(1, received(at_ms=1))
    now = watched.tick(250)
    one = watched.detail.request(1, now)
    assert one is not None
    assert isinstance(one.decision, NoDecision)
    assert one.decision.reason == NOT_REPORTED
    assert "docs/placement-stream.md" in one.decision.hint


def test_a_router_that_decided_others_is_not_said_to_report_nothing() -> None:
    watched = Watching()
    watched.tell(0, received("other", 1))
    watched.tell(1, received(at_ms=1), Decisions((DECISION,)))
    now = watched.tick(250)
    one = watched.detail.request(watched.detail.find("other", now) or 0, now)
    assert one is not None
    assert one.decision == NoDecision(NOT_OF_THIS, "")


def test_decisions_are_kept_inside_a_budget_the_newest() -> None:
    kept = Kept(max_bytes=5_000)
    packed = [kept.keep(DECISION) for _ in range(100)]
    assert kept.bytes <= 5_000
    assert packed[-1].open() == DECISION
    assert packed[0].open() is None
    many = Decision(0, "r", "all", 0, tuple(Candidate(i, 1 / (1 + i), {"load": 0.1, "queue": 0.2}) for i in range(300)))
    large = kept.keep(many)
    assert large.zipped
    assert large.open() == many
    assert NOT_KEPT


def test_slots_mean_what_they_did_when_they_were_told() -> None:
    watched = Watching()
    watched.tell(1, received(at_ms=1), Decisions((DECISION,)))
    watched.tick(250)
    others = Inventory((WorkerInfo(0, "x/0"), WorkerInfo(1, "y/0"), WorkerInfo(2, "z/0")))
    watched.tell(260, DOWN)
    watched.tell(270, UP, others)
    now = watched.tick(500)
    one = watched.detail.request(1, now)
    assert one is not None
    assert isinstance(one.decision, DecisionCard)
    assert one.decision.chosen == "lpu-0/0"


def test_a_workflow_is_a_tree_by_its_times() -> None:
    watched = Watching()
    # a, then b and c at once, then d after the longer of the two.
    times = {"a": (0, 100), "b": (110, 300), "c": (120, 200), "d": (310, 400)}
    for stream, (name, (begin, _)) in enumerate(times.items()):
        watched.tell(begin, received(name, stream, begin, workflow="w"))
    watched.tell(410, Requests(tuple(Finished(end * MS, name, "stop") for name, (_, end) in times.items())))
    now = watched.tick(500)
    run = watched.detail.workflow("w", now)
    assert run is not None
    by_key = {step.line.key: step.line.id for step in run.steps}
    shown = [(step.line.id, by_key.get(step.after or 0), step.depth, step.critical) for step in run.steps]
    assert shown == [("a", None, 0, True), ("b", "a", 1, True), ("d", "b", 1, True), ("c", "a", 1, False)]
    assert (run.span_s, run.critical_s) == pytest.approx((0.4, 0.38))
    assert not run.live
    assert [(one.id, one.requests, one.live) for one in watched.detail.workflows(now)] == [("w", 4, 0)]


def test_lists_come_in_parts_and_whole() -> None:
    watched = Watching()
    for number in range(6):
        watched.tell(number, received(f"r-{number}", number, number))
    watched.tell(240, told(np.concatenate([rows([100 + 10 * n, 120], stream=n) for n in (0, 1)])))
    now = watched.tick(250)
    detail = watched.detail
    some = detail.requests(now, first=1, limit=2)
    assert [line.id for line in some.lines] == ["r-4", "r-3"]
    assert (len(some.keys), some.first) == (6, 1)
    every = detail.lines(now)
    assert [line.id for line in every] == [f"r-{number}" for number in (5, 4, 3, 2, 1, 0)]
    assert [line.longest_s for line in every[-2:]] == pytest.approx([0.01, 0.02])
    assert every[-1].gap is None, "not asked for"
    assert [line.gap.n for line in detail.lines(now, gaps=True) if line.gap is not None] == [1, 1]


def test_a_name_that_is_used_again_is_another_request() -> None:
    watched = Watching()
    watched.tell(0, received(stream=0))
    watched.tell(100, told(rows([50, 60])), Requests((Finished(70 * MS, "r", "stop"),)))
    watched.tell(120, received(stream=0, at_ms=110))
    watched.tell(240, told(rows([200])))
    now = watched.tick(250)
    lines = watched.detail.requests(now).lines
    assert [(line.at, line.tokens) for line in lines] == [(0.11, 1), (0.0, 2)]
