"""One request in full, as of a tick: its phases, each of its deliveries, and what decided where it went. Pure."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from collectors.model.batch import Span
from collectors.model.detail import (
    DecisionCard,
    Deliveries,
    Hit,
    Named,
    NoDecision,
    Place,
    Step,
)
from collectors.model.vocabulary import STAGES, TIERS, UNKNOWN_WORKER, Phase, Provenance
from collectors.session.arrivals import Arrivals
from collectors.session.request_rows import HANDED_OVER
from collectors.stats.kept_rows import STAGE_SHIFT, Lengths
from collectors.stats.lives import COMPLETED
from collectors.stats.running_medians import RunningMedians
from collectors.stats.sketch import Floats, Ints
from collectors.stats.stalls import Rule
from collectors.stats.told import Known, Slots

MOVED_BY: Final = "first token of the decode worker − end of the prefill: an upper bound"
NOT_KEPT: Final = "decisions of that long ago are not kept any more"
NOT_REPORTED: Final = "not reported by this router"
NOT_OF_THIS: Final = "not reported of this request so far, though of others"
_HINTS: Final = (
    (
        "dynamo",
        "DYN_LOGGING_JSONL=1 at the front end, and its log as trace+file:///…: the worker that was chosen (no scores)",
    ),
    (
        "llm-d",
        "--tracing at the endpoint picker, and otlp+http://… as a target: the endpoint that was picked (no scores)",
    ),
)
ANY_ROUTER: Final = "a router that writes `decisions` into a placement stream (docs/placement-stream.md)"


def deliveries(arrived: Arrivals, received_ns: int, medians: RunningMedians) -> Deliveries:
    follows, gaps = arrived.follows, arrived.gaps_ns
    before = medians.of(gaps.tolist())
    gap_s = np.full(len(arrived), np.nan)
    gap_s[follows] = gaps / 1e9
    late = np.full(len(arrived), np.nan)
    known = np.array([math.nan if one is None else one for one in before])
    with np.errstate(all="ignore"):
        late[follows] = gaps / known
    stalled = np.zeros(len(arrived), np.bool_)
    stalled[follows] = gaps > Rule().limit_ns(known)  # NaN is above nothing
    places: dict[tuple[int, int], int] = {}

    def numbered(workers: Iterable[int], kinds: Iterable[int]) -> tuple[int, ...]:
        return tuple(places.setdefault(one, len(places)) for one in zip(workers, kinds, strict=True))

    place = numbered(arrived.worker.tolist(), arrived.kind.tolist())
    beside = arrived.beside
    beside_place = numbered(beside.worker.tolist(), beside.kind.tolist())
    at_ns = arrived.time_ns - received_ns
    return Deliveries(
        places=tuple(_place(arrived.workers[worker], kind) for worker, kind in places),
        at_s=_seconds(at_ns),
        first_token=tuple(arrived.first.tolist()),
        tokens=tuple(arrived.tokens.tolist()),
        gap_s=tuple(gap_s.tolist()),
        lateness=tuple(late.tolist()),
        stall=tuple(stalled.tolist()),
        uncounted=tuple((arrived.flags & 1 != 0).tolist()),
        place=place,
        start_s=_seconds(at_ns - arrived.lead_ns),
        duration_s=_seconds(arrived.duration_ns.astype(np.float64)),
        beside_of=tuple(beside.owner.tolist()),
        beside_place=beside_place,
        beside_start_s=_seconds(at_ns[beside.owner] - beside.lead_ns),
        beside_duration_s=_seconds(beside.duration_ns.astype(np.float64)),
    )


def tpot_s(known: Known, arrived: Arrivals) -> float | None:
    """(last − first delivery) ÷ (output tokens − 1), of a request that is completed and of which all deliveries are kept (METRICS §1)."""
    if known.finished is None or known.finished.reason not in COMPLETED or not arrived.from_the_first:
        return None
    tokens = arrived.next_token if known.finished.output_tokens is None else known.finished.output_tokens
    if tokens < 2 or arrived.whole or arrived.next_token < tokens - 1:
        return None
    return int(arrived.time_ns[-1] - arrived.time_ns[0]) / 1e9 / (tokens - 1)


def steps(known: Known, arrived: Arrivals | None, slots: Slots, provenance: Provenance, now_ns: int) -> Iterator[Step]:
    """Phases in the order in which they began. What never began is not there; `now_ns` (the teller's clock) is how far what goes on has come."""
    received_ns = known.received.time_ns
    found = [_told(span, slots, received_ns) for span in known.spans]
    told = {step.phase for step in found}
    admitted = next((row for row in known.admitted if not row.again), None)
    end_ns = now_ns if known.finished is None else known.finished.time_ns
    began = arrived is not None and len(arrived) > 0
    if Phase.QUEUE not in told and admitted is None and not began and known.decision is not None:
        found.append(
            Step(Phase.QUEUE, 0.0, (end_ns - received_ns) / 1e9, Provenance.DERIVED, open=known.finished is None)
        )
    elif Phase.PREFILL not in told and admitted is not None and not began:
        start_ns = admitted.time_ns - received_ns
        worker = slots.workers.get(admitted.worker, "")
        length = (end_ns - admitted.time_ns) / 1e9
        found.append(
            Step(Phase.PREFILL, start_ns / 1e9, length, Provenance.DERIVED, worker, open=known.finished is None)
        )
    if arrived is not None and began and not arrived.whole:
        if not told and arrived.from_the_first:
            length = (int(arrived.time_ns[0]) - received_ns) / 1e9
            found.append(Step(Phase.FIRST_TOKEN, 0.0, length, provenance))
        found += _moved(found, arrived, received_ns)
        if Phase.DECODE not in told and len(arrived) > 1:
            found.append(_decoding(arrived, received_ns, provenance, live=known.finished is None))
    return iter(sorted(found, key=lambda step: step.start_s))


def _moved(found: Sequence[Step], arrived: Arrivals, received_ns: int) -> list[Step]:
    """The handover of the KV, where nobody timed it: at most from the prefill's end to what the decode worker delivered first."""
    prefill = [step for step in found if step.phase is Phase.PREFILL]
    if not prefill or any(step.phase is Phase.TRANSFER for step in found):
        return []
    end_s = max(step.start_s + step.duration_s for step in prefill)
    others = np.flatnonzero(arrived.worker != arrived.worker[0])
    first = int(others[0]) if len(others) and arrived.workers[int(arrived.worker[0])] == prefill[-1].worker else 0
    worker = arrived.workers[int(arrived.worker[first])]
    length = (int(arrived.time_ns[first]) - received_ns) / 1e9 - end_s
    if worker in ("", prefill[-1].worker) or length < 0:
        return []
    return [Step(Phase.TRANSFER, end_s, length, Provenance.DERIVED, worker, estimate=MOVED_BY)]


def _decoding(arrived: Arrivals, received_ns: int, provenance: Provenance, *, live: bool) -> Step:
    first_ns, last_ns = int(arrived.time_ns[0]), int(arrived.time_ns[-1])
    handed = len(arrived) > 1 and arrived.worker[0] != arrived.worker[1]
    return Step(
        Phase.DECODE,
        (first_ns - received_ns) / 1e9,
        (last_ns - first_ns) / 1e9,
        Provenance.DERIVED if handed else provenance,
        arrived.workers[int(arrived.worker[-1])],
        estimate=HANDED_OVER if handed else "",
        open=live,
    )


def _told(span: Span, slots: Slots, received_ns: int) -> Step:
    return Step(
        span.phase,
        (span.start_ns - received_ns) / 1e9,
        span.duration_ns / 1e9,
        Provenance.REPORTED,
        "" if span.worker is None else slots.workers.get(span.worker, ""),
        span.tier,
        span.tokens,
        span.bytes,
    )


def hits(known: Known, slots: Slots) -> tuple[Hit, ...]:
    """Prompt tokens found, by pool; not those of an admission after a preemption, which are recomputation."""
    found: dict[int, int] = {}
    for row in known.admitted:
        if not row.again:
            for pool, tokens in row.hits:
                found[pool] = found.get(pool, 0) + tokens
    return tuple(Hit(*slots.pools.get(pool, ("", TIERS[0])), tokens) for pool, tokens in found.items())


def card(known: Known, slots: Slots, backends: Iterable[str], *, reports: bool) -> DecisionCard | NoDecision:
    """`reports`: the router is known to tell of its decisions."""
    if known.decision is None:
        if reports:
            return NoDecision(NOT_OF_THIS, "")
        lower = [one.lower() for one in backends]
        hint = next((text for name, text in _HINTS if any(name in one for one in lower)), ANY_ROUTER)
        return NoDecision(NOT_REPORTED, hint)
    row = known.decision.open()
    if row is None:
        return NoDecision(NOT_KEPT, "")

    def name(slot: int | None) -> str:
        return "" if slot is None or slot == UNKNOWN_WORKER else slots.workers.get(slot, "")

    chosen = max((one for one in row.candidates if one.worker == row.chosen), key=lambda one: one.score, default=None)
    ordered = sorted(row.candidates, key=lambda one: (-one.score, one is not chosen))
    return DecisionCard(
        request=row.request,
        at_s=(row.time_ns - known.received.time_ns) / 1e9,
        rule=row.rule,
        labels=row.labels or known.received.labels,
        chosen=name(row.chosen),
        candidates=tuple(
            Named(
                name(one.worker),
                name(one.prefill),
                one.score,
                tuple(one.terms.items()),
                one.cached_tokens,
                one is chosen,
            )
            for one in ordered
        ),
        margin=row.margin,
        tie=row.tie,
        headroom_s=row.headroom_s,
    )


def _place(worker: str, kind: int) -> Place:
    tier, stage = kind & ((1 << STAGE_SHIFT) - 1), kind >> STAGE_SHIFT
    return Place(
        worker, STAGES[stage] if stage < len(STAGES) else STAGES[0], TIERS[tier] if tier < len(TIERS) else TIERS[0]
    )


def _seconds(values_ns: Ints | Floats | Lengths) -> tuple[float, ...]:
    return tuple((values_ns / 1e9).tolist())
