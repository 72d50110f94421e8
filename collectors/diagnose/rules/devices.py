"""A worker that is slower than others of its kind, or than itself: decode steps, prompts, and an LPU's period."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from collectors.diagnose.beats import HISTORY_S, RECENT_S
from collectors.diagnose.scene import (
    Scene,
    Suspicion,
    evidence,
    kind,
    middle,
    middles,
    quarter,
    quarters,
    rate,
    seconds,
    times,
    total,
)
from collectors.diagnose.work import NS, Job
from collectors.model.frame import WorkerRow
from collectors.model.verdict import Hop, Kind
from collectors.model.vocabulary import Device, Role, State
from collectors.stats.sketch import Bools, Floats
from collectors.stats.steps import ROWS

ENOUGH_S: Final = 8
"""Of the recent seconds, with gaps in them."""
ENOUGH_GAPS: Final = 100
AGAINST_PEERS: Final = 1.3
AGAINST_ITSELF: Final = 1.5
LARGE: Final = 512
"""Tokens of a piece of a prompt from which on arithmetic takes its time, and not the launching."""
SLOW_PROMPTS: Final = 0.66
"""The best piece of now is slower than this share of the usual one of before."""
PIECES: Final = (6, 12)
"""So many are enough of now, and of before."""
OFF_PERIOD: Final = 10
"""Gaps far above the period, in the recent seconds, beside those of requests that came from elsewhere."""
DECODING: Final = (Role.DECODE, Role.AGGREGATED)
PERIODIC: Final = (Device.LPU, Device.WSE)


class _Pace(NamedTuple):
    """Of a worker's fast steps: the 10th percentile of each second's gaps, which prompts that share some of the steps do not move."""

    fast_s: float
    running: float
    active: float
    n: int


def stragglers(scene: Scene) -> Iterator[Suspicion | None]:
    """Decode steps that all are longer than those of peers, or than the worker's own before, by more than a larger batch explains.

    A step's time is at most proportional to what it works on (a fixed part, and one that grows with requests and their KV), so the batch explains no more than the
    ratio of the loads.
    """
    paces, usual = _paces(scene), _usual(scene)
    kinds = scene.kinds()
    for number, row in enumerate(scene.workers, 1):
        if not number % ROWS:
            yield None
        if row.role not in DECODING or row.id not in scene.beats.index:
            continue
        mine, alike = paces.get(row.id), kinds.get(kind(row), [])
        found = _paged(scene, row, alike) if mine is None else _beside_peers(row, mine, alike, paces)
        if found is None and mine is not None and row.id in usual:
            found = _beside_itself(row, mine, usual[row.id])
        if found is not None:
            yield found


def _paces(scene: Scene) -> dict[str, _Pace]:
    """Of the workers with gaps enough in the recent seconds."""
    beats = scene.beats
    fast, n = beats.recent("fast"), np.nansum(beats.recent("n"), axis=1)
    enough = (np.isfinite(fast).sum(axis=1) >= ENOUGH_S) & (n >= ENOUGH_GAPS)
    columns = middles(fast), middles(beats.recent("running")), middles(beats.recent("active")), n
    return _told(beats.ids, columns, enough)


def _usual(scene: Scene) -> dict[str, _Pace]:
    """Of the seconds before, of the workers that had gaps in enough of them."""
    beats = scene.beats
    fast, n = beats.before("fast"), np.nansum(beats.before("n"), axis=1)
    enough = np.isfinite(fast).sum(axis=1) >= ENOUGH_S
    columns = quarters(fast), middles(beats.before("running")), middles(beats.before("active")), n
    return _told(beats.ids, columns, enough)


def _told(ids: Sequence[str], columns: Sequence[Floats], enough: Bools) -> dict[str, _Pace]:
    rows = zip(*(column.tolist() for column in columns), enough.tolist(), ids, strict=True)
    return {name: _Pace(fast_s, running, active, int(gaps)) for fast_s, running, active, gaps, it, name in rows if it}


def _load(mine: _Pace, other: _Pace) -> float:
    """By how much more work a step may be longer; 1 where it is not known to be more."""
    ratios = [
        one / max(two, 1.0)
        for one, two in ((mine.running, other.running), (mine.active, other.active))
        if np.isfinite(one) and np.isfinite(two)
    ]
    return max([1.0, *ratios])


def _beside_peers(row: WorkerRow, mine: _Pace, alike: list[WorkerRow], paces: dict[str, _Pace]) -> Suspicion | None:
    peers = []
    for other in alike:
        peer = paces.get(other.id)
        if peer is not None and other.id != row.id:
            if mine.fast_s <= AGAINST_PEERS * peer.fast_s * _load(mine, peer):
                return None
            peers.append(peer)
    if not peers:
        return None
    slowest = max(peer.fast_s for peer in peers)
    return _straggler(
        row, mine, slowest, sum(peer.n for peer in peers), f"of {len(peers)} like it", "no slower than the slowest peer"
    )


def _beside_itself(row: WorkerRow, mine: _Pace, before: _Pace) -> Suspicion | None:
    if mine.fast_s <= AGAINST_ITSELF * before.fast_s * _load(mine, before):
        return None
    return _straggler(row, mine, before.fast_s, before.n, "of its own before", "its own before")


def _straggler(row: WorkerRow, mine: _Pace, other_s: float, other_n: int, whose: str, what: str) -> Suspicion:
    emulated = row.gap.p50.emulated
    return Suspicion(
        Kind.STRAGGLER,
        Hop.DECODE,
        row.id,
        f"every step takes {times(mine.fast_s / other_s)} as long as those {whose}",
        f"fast gaps {seconds(mine.fast_s)} against {seconds(other_s)}, n {mine.n:,}, {RECENT_S} s",
        "drain it, and look at its host: neighbours, clocks, ECC",
        (
            evidence("10th percentile of its gaps", mine.fast_s, "s", n=mine.n, emulated=emulated),
            evidence(f"10th percentile of the gaps: {what}", other_s, "s", n=other_n, emulated=emulated),
        ),
    )


def _paged(scene: Scene, row: WorkerRow, alike: list[WorkerRow]) -> Suspicion | None:
    """Of pages: medians of the window, as intervals that do not even touch."""
    mine = row.gap.p50
    if mine.state is not State.OK or mine.low is None or row.gap.n < ENOUGH_GAPS:
        return None
    others = [
        peer for peer in alike if peer.id != row.id and peer.gap.p50.state is State.OK and peer.gap.n >= ENOUGH_GAPS
    ]
    if not others:
        return None
    for peer in others:
        ratio = (row.running.value or 0) / max(peer.running.value or 0, 1)
        if peer.gap.p50.high is None or mine.low <= AGAINST_ITSELF * peer.gap.p50.high * max(ratio, 1.0):
            return None
    slowest = max(peer.gap.p50.high or 0.0 for peer in others)
    n = sum(peer.gap.n for peer in others)
    return Suspicion(
        Kind.STRAGGLER,
        Hop.DECODE,
        row.id,
        f"its gaps are more than {times(mine.low / slowest)} those of {len(others)} like it",
        f"p50 above {seconds(mine.low)} against at most {seconds(slowest)}, n {row.gap.n:,}, {scene.window_s:.0f} s",
        "drain it, and look at its host: neighbours, clocks, ECC",
        (
            evidence(
                "p50 of its gaps, at least", mine.low, "s", n=row.gap.n, window_s=scene.window_s, emulated=mine.emulated
            ),
            evidence(
                "p50 of its peers' gaps, at most", slowest, "s", n=n, window_s=scene.window_s, emulated=mine.emulated
            ),
        ),
    )


def slow_prompts(scene: Scene) -> Iterator[Suspicion | None]:
    """The best of the recent large pieces of prompts is slower than what was usual before: what a chip computes is slower, whatever it has to do."""
    workers = {row.id: row for row in scene.workers}
    for number, (path, jobs) in enumerate(scene.work.paths.items(), 1):
        if not number % ROWS:
            yield None
        if path.hop is not Hop.PREFILL:
            continue
        now, before = _speeds(jobs, scene.now) if len(jobs) >= sum(PIECES) else ([], [])
        if len(now) < PIECES[0] or len(before) < PIECES[1]:
            continue
        best, usual = max(now), quarter(np.array(before), 0.75)
        if best >= SLOW_PROMPTS * usual:
            continue
        row = workers.get(path.to)
        emulated = row is not None and row.tokens_per_s.emulated
        steady = "" if row is None else _steady(scene, row)
        yield Suspicion(
            Kind.SLOW_PREFILL,
            Hop.PREFILL,
            path.to,
            f"computes prompts {times(usual / best)} slower than before{steady}",
            f"best of {len(now)} pieces {rate(best, 'tokens/s')} against usual {rate(usual, 'tokens/s')}, n {len(before)}, {RECENT_S} s",
            "look at its clocks and power caps (nvidia-smi -q -d PERFORMANCE), and at who shares its host",
            (
                evidence("best piece of a prompt", best, "tokens/s", n=len(now), emulated=emulated),
                evidence(
                    "usual piece before: upper quartile",
                    usual,
                    "tokens/s",
                    n=len(before),
                    window_s=scene.window_s,
                    emulated=emulated,
                ),
            ),
        )


def _steady(scene: Scene, row: WorkerRow) -> str:
    """That its decode steps are what the fastest quarter was before, if they are: then memory is as fast as ever, and arithmetic is not."""
    if row.id not in scene.beats.index or row.role not in DECODING:
        return ""
    now, before = middle(scene.recent(row.id, "fast")), quarter(scene.before(row.id, "fast"))
    return ", while its decode steps are as fast: arithmetic is slower, memory is not" if now < 1.2 * before else ""


def _a_second(came: list[int], scene: Scene) -> Floats:
    """How many came in each of the seconds of `before`."""
    length = HISTORY_S - RECENT_S
    place = np.array(came, np.int64) - (scene.now - HISTORY_S)
    counted: Floats = np.bincount(place[(place >= 0) & (place < length)], minlength=length).astype(np.float64)
    return counted


def _speeds(jobs: Iterable[Job], now: int) -> tuple[list[float], list[float]]:
    """Tokens a second of the large pieces: of the recent seconds, and before."""
    recent: list[float] = []
    before: list[float] = []
    for second, start_ns, end_ns, size in jobs:
        if size >= LARGE and end_ns > start_ns:
            (recent if second >= now - RECENT_S else before).append(size * NS / (end_ns - start_ns))
    return recent, before


def off_period(scene: Scene) -> Iterator[Suspicion | None]:
    """An LPU's gaps are a period that nothing shared changes. Those far above it, beyond the first one of each request whose prompt was computed elsewhere, are not its program's."""
    arrivals: dict[str, list[int]] = {}
    for path, jobs in scene.work.paths.items():
        if path.hop is Hop.TRANSFER:
            arrivals.setdefault(path.to, []).extend(job.second for job in jobs)
    recent = scene.beats.recent("slow")
    far, seconds_known = np.nansum(recent, axis=1), np.isfinite(recent).sum(axis=1)
    for number, row in enumerate(scene.workers, 1):
        if not number % ROWS:
            yield None
        if row.device not in PERIODIC or row.role not in DECODING or row.id in scene.measured:
            continue
        at = scene.beats.index.get(row.id)
        if at is None or seconds_known[at] < ENOUGH_S or far[at] < OFF_PERIOD:
            continue
        slow, n = scene.recent(row.id, "slow"), total(scene.recent(row.id, "n"))
        came = arrivals.get(row.id, [])
        since = scene.now - RECENT_S
        extra = total(slow) - sum(second >= since - 1 for second in came)
        usual = quarter(scene.before(row.id, "slow") - _a_second(came, scene)) * RECENT_S
        period_s = middle(scene.recent(row.id, "median"))
        if extra < OFF_PERIOD or extra < 3 * np.nan_to_num(usual) or np.count_nonzero(np.nan_to_num(slow)) < ENOUGH_S:
            continue
        emulated = row.gap.p50.emulated
        yield Suspicion(
            Kind.DESYNC,
            Hop.DECODE,
            row.id,
            "falls out of its period again and again: its chips wait for each other",
            f"{extra} gaps beyond {seconds(1.2 * period_s)} of {n:,}, period {seconds(period_s)}, {RECENT_S} s",
            "look at its chip-to-chip links; move its streams to another group while it is aligned",
            (
                evidence("gaps beyond 1.2 periods, but for handovers", extra, "count", n=n, emulated=emulated),
                evidence("its period: median gap", period_s, "s", n=n, emulated=emulated),
            ),
        )
