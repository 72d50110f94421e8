"""From the evidence of one look at a target to what can be seen of placement, tiers and jitter, and what would help. Pure.

Verdicts come from what the page's samples mean and from the bounds of its buckets, never from what the software is called.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from collectors.backends.reach import BY_POLICY, OFF, ON, Aspect, Evidence, Fact, Reach
from collectors.doctor.report import Finding, Help, Verdict
from collectors.model.signals import Kind, Series, Signal, WorkerFacts
from collectors.model.vocabulary import Role, Tier

_WORDS: Final = (
    (
        "resident",
        (Signal.KV_USED_BYTES, Signal.KV_USED_TOKENS, Signal.KV_USED_RATIO, Signal.KV_USED_BLOCKS),
    ),
    (
        "active",
        (Signal.KV_ACTIVE_RATIO, Signal.KV_ACTIVE_BYTES, Signal.KV_ACTIVE_TOKENS, Signal.KV_ACTIVE_BLOCKS),
    ),
    ("capacity", (Signal.KV_CAPACITY_BYTES, Signal.KV_CAPACITY_TOKENS, Signal.KV_CAPACITY_BLOCKS)),
    (
        "hits",
        (Signal.HIT_TOKENS, Signal.KV_HITS, Signal.HIT_BLOCKS, Signal.HIT_LOOKUPS, Signal.HIT_BYTES),
    ),
    ("hit rate", (Signal.KV_HIT_RATE,)),
    ("evictions", (Signal.KV_EVICTED_TOKENS, Signal.KV_EVICTED_BLOCKS, Signal.KV_EVICTED_BYTES)),
)
"""What a page says of a tier, in the order in which it is told."""
_FLOWS: Final = (
    Signal.KV_TRANSFER_BYTES,
    Signal.KV_TRANSFER_TOKENS,
    Signal.KV_TRANSFER_BLOCKS,
    Signal.KV_TRANSFER_TIME,
    Signal.KV_TRANSFER,
)
_ORDER: Final = {tier: place for place, tier in enumerate((*tuple(Tier)[1:], Tier.UNKNOWN))}
_LONGEST_GAP_S: Final = 1.0
"""Up to here the distance between bounds matters: what is longer is a stall, however long."""


def findings(seen: Evidence) -> tuple[Finding, ...]:
    return tuple(
        Finding(aspect, *judge(seen))
        for aspect, judge in ((Aspect.PLACEMENT, _placement), (Aspect.TIERS, _tiers), (Aspect.JITTER, _jitter))
    )


def helps(seen: Evidence, reach: Reach) -> tuple[Help, ...]:
    """What would show more, of the back end's hints and of our own; nothing where a placement stream tells all."""
    if seen.stream:
        return ()
    own = [(one.aspect, one.do, one.gains) for one in reach.hints if one.when(seen)]
    if any(worker.role is Role.UNKNOWN for worker in _makers(seen)):
        do, gains = (
            'role = "decode" (or prefill, aggregated) for it in the configuration',
            "prefill and decode told apart",
        )
        own.append((Aspect.PLACEMENT, do, gains))
    return tuple(Help(*one) for aspect in Aspect for one in own if one[0] is aspect)


def duration(seconds: float) -> str:
    """`1.5 ms`, as few digits as say the same."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{float(f'{seconds / size:.3g}'):g} {unit}"
    return f"{seconds:g} s"


def _makers(seen: Evidence) -> list[WorkerFacts]:
    """Workers whose output tokens the page counts; a router makes none itself."""
    counted = {one.worker for one in seen.of(Signal.GENERATION_TOKENS) if one.worker}
    return [one for one in seen.workers if one.id in counted and one.role is not Role.ROUTER]


def _placement(seen: Evidence) -> tuple[Verdict, str]:
    if seen.stream:
        return Verdict.SEEN, "every token: its worker, stage and tier, and what decided it"
    says = []
    if makers := _makers(seen):
        says.append(f"output tokens by worker{_roles(makers)}")
    elif seen.of(Signal.GENERATION_TOKENS):
        says.append("output tokens of all workers together")
    if chosen := seen.of(Signal.SELECTIONS):
        named = any(not one.label.startswith(BY_POLICY) for one in chosen)
        says.append("how often each endpoint was chosen" if named else "how often each policy chose")
    if seen.of(Signal.REUSE_CAPTURED, Signal.REUSE_AVAILABLE):
        says.append("what the router expected to reuse")
    if says:
        return Verdict.PARTLY, f"{'; '.join(says)}; not by request, nor by token"
    if seen.of(Signal.REQUESTS_RUNNING, Signal.REQUESTS_FINISHED):
        workers = [one for one in seen.workers if one.role is not Role.ROUTER]
        return Verdict.PARTLY, f"requests{f' by worker{_roles(workers)}' if workers else ''}, but no tokens"
    return Verdict.NOT, "no tokens on this page"


def _roles(workers: Sequence[WorkerFacts]) -> str:
    roles = sorted({one.role.value for one in workers if one.role is not Role.UNKNOWN})
    said = f"roles: {', '.join(roles)}" if roles else "role not said"
    return f" ({len(workers)}, {said})"


def _tiers(seen: Evidence) -> tuple[Verdict, str]:
    told: dict[Tier, dict[str, None]] = {}
    for word, signals in _WORDS:
        for one in seen.of(*signals):
            told.setdefault(one.tier or Tier.UNKNOWN, {})[word] = None
    says = [f"{_name(tier)}: {_what(told[tier])}" for tier in sorted(told, key=_ORDER.__getitem__)]
    says += sorted({f"{_name(one.tier)}→{_name(one.to)}" for one in seen.of(*_FLOWS)})
    if seen.of(Signal.KV_PREDICTED_BLOCKS):
        says.append("a router's prediction of blocks in use, which is no occupancy")
    if seen.of(Signal.KV_ACTIVE_RATIO_MEAN):
        says.append("a router's mean over its endpoints")
    published = seen.facts.get(Fact.KV_EVENTS, OFF)
    levels = [words for words in told.values() if "resident" in words or "active" in words]
    whole = bool(levels) and all("resident" in words for words in levels)
    if published not in (OFF, ON):
        says.insert(0, f"what is resident, by KV events at {published}")
        whole = True
    if not says:
        return Verdict.NOT, "no KV cache on this page"
    return Verdict.SEEN if whole else Verdict.PARTLY, "; ".join(says)


def _what(words: Iterable[str]) -> str:
    found = list(words)
    if "active" in found and "resident" not in found:
        found[found.index("active")] = "active only"
    return ", ".join(found)


def _name(tier: Tier | None) -> str:
    return "a tier not named" if tier in (None, Tier.UNKNOWN) else str(tier)


def _jitter(seen: Evidence) -> tuple[Verdict, str]:
    if seen.stream:
        return Verdict.SEEN, "every gap, by the producer's own clock"
    gaps = seen.bounds(Signal.GAP)
    if gaps:
        lowest = gaps[-1][0]
        says = f"gaps in {_buckets(gaps[-1])}: below {duration(lowest)} none is told from another"
        return Verdict.PARTLY, says + ("; bounds differ, so not all can be merged" if len(gaps) > 1 else "")
    if seen.of(Signal.GAP):
        return Verdict.NOT, "a mean gap only"
    means = seen.bounds(Signal.TPOT)
    if means or seen.of(Signal.TPOT):
        return Verdict.NOT, f"no gaps: a request's mean time a token{f', in {_buckets(means[-1])}' if means else ''}"
    if seen.of(Signal.ITERATION, Signal.EXECUTION):
        return Verdict.NOT, "no gaps: durations of steps"
    if seen.of(Signal.GENERATION_TOKENS):
        return Verdict.NOT, "no gaps: tokens are counted, not timed"
    return Verdict.NOT, "no gaps on this page"


def _buckets(bounds: tuple[float, ...]) -> str:
    near = [one for one in bounds if one <= _LONGEST_GAP_S] or bounds[:1]
    steps = [high / low for low, high in pairwise(near)]
    apart = f", up to ×{max(steps):.2g} apart" if steps else ""
    return f"{len(bounds) + 1} buckets from {duration(bounds[0])}{apart}"


def of_devices(series: Iterable[Series]) -> str:
    """What the page says of devices or hosts, for a note."""
    named = (
        (Signal.POWER, "power"),
        (Signal.ENERGY, "energy"),
        (Signal.DEVICE_MEMORY_USED, "memory in use"),
        (Signal.DEVICE_ACTIVITY, "activity"),
        (Signal.HOST_MEMORY_TOTAL, "host memory"),
        (Signal.LINK_BYTES, "link load"),
        (Signal.LINK_BYTES_PER_SECOND, "link load"),
    )
    present = {one.signal for one in series}
    return ", ".join(dict.fromkeys(word for signal, word in named if signal in present))


def idle(workers: Sequence[WorkerFacts], series: Iterable[Series], values: Iterable[float]) -> bool:
    """There are workers, and none has made a token yet; or, where tokens are not counted, nothing at all was counted."""
    totals = [
        (one.signal, value) for one, value in zip(series, values, strict=True) if one.kind in (Kind.COUNTER, Kind.COUNT)
    ]
    tokens = [value for signal, value in totals if signal is Signal.GENERATION_TOKENS]
    return bool(workers) and not any(tokens or [value for _, value in totals])
