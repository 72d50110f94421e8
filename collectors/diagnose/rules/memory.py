"""Memory that does not hold what it should: pools that are emptied or too small, and requests that are thrown out for want of room."""

from collections.abc import Iterator
from typing import Final

from collectors.diagnose.beats import RECENT_S
from collectors.diagnose.scene import Scene, Suspicion, evidence, percent, rate
from collectors.diagnose.work import now_and_before
from collectors.model.figure import Figure
from collectors.model.verdict import Hop, Kind
from collectors.model.vocabulary import State
from collectors.stats.fleet import PoolKey

EMPTIED: Final = 0.2
"""Share of a pool's capacity that went within the recent seconds, though nothing needed the room."""
PREEMPTIONS: Final = 3
FULL: Final = 0.85
"""Share of the pool that running requests refer to, from which on preemptions are for want of room."""


def thrash(scene: Scene) -> Iterator[Suspicion]:
    """A pool that makes room for new blocks stays as full as it is. One that shrinks again and again loses what nobody asked it to give up; prompts pay for that."""
    for row in scene.tiers:
        drops = scene.dropped.get(PoolKey(row.owner, row.tier))
        if drops is None:
            continue
        recent = list(drops)[-RECENT_S:]
        lost, falls = sum(recent), sum(one > EMPTIED / RECENT_S for one in recent)
        if lost < EMPTIED or falls < 3 or not isinstance(row.capacity_bytes.value, int | float):
            continue
        emulated = row.used_bytes.emulated
        per_s = lost * row.capacity_bytes.value / RECENT_S
        told = [evidence("evicted though there was room", per_s, "bytes/s", n=falls, emulated=emulated)]
        cost = ""
        computed = _computed_per_s(scene, row.worker)
        if computed is not None:
            now, before, n = computed
            if now > before:
                cost = f"; {rate(now, 'tokens/s')} of prompts computed against {rate(before, 'tokens/s')} before"
                told.append(evidence("prompt tokens computed", now, "tokens/s", n=n, emulated=emulated))
        yield Suspicion(
            Kind.THRASH,
            Hop.TIER,
            row.owner,
            f"its {row.tier} is emptied again and again while there is room",
            f"{rate(per_s, 'bytes/s')} evicted in {falls} of {RECENT_S} s{cost}",
            f"find who else takes {row.tier} there; pin the cache's share of it",
            tuple(told),
        )


def _computed_per_s(scene: Scene, worker: str | None) -> tuple[float, float, int] | None:
    """Prompt tokens a second that a worker computed now and before, and in how many pieces now."""
    for path, jobs in scene.work.paths.items():
        if path.hop is Hop.PREFILL and path.to == worker:
            now, before = now_and_before(jobs, scene.now)
            if not before:
                return None
            seconds = max(scene.now - RECENT_S - before[0].second, 1)
            return sum(job.size for job in now) / RECENT_S, sum(job.size for job in before) / seconds, len(now)
    return None


def memory_full(scene: Scene) -> Iterator[Suspicion]:
    """Requests are preempted while what runs fills the pool: they are computed again."""
    pools = {row.worker: row for row in scene.tiers if row.worker is not None}
    for row in scene.prompts:
        again, pool = row.preemptions.value, pools.get(row.worker)
        if row.preemptions.state is not State.OK or again is None or again < PREEMPTIONS or pool is None:
            continue
        share = _share(pool.active_bytes, pool.capacity_bytes)
        if share is None or share < FULL:
            continue
        window_s, emulated = row.window_s or scene.window_s, row.preemptions.emulated
        told = [
            evidence("requests preempted", again, "count", n=int(again), window_s=window_s, emulated=emulated),
            evidence("of its memory refers to running requests", share, "ratio", n=1, window_s=0, emulated=emulated),
        ]
        tax = row.recomputed_tokens
        cost = ""
        if tax.state is State.OK and tax.value is not None:
            per_s = tax.value / window_s
            cost = f", {rate(per_s, 'tokens/s')} computed again"
            told.append(
                evidence("computed again", per_s, "tokens/s", n=int(again), window_s=window_s, emulated=emulated)
            )
        yield Suspicion(
            Kind.POOL_FULL,
            Hop.DECODE,
            row.worker,
            f"its {pool.tier} is full of what runs, so requests are thrown out and computed again",
            f"{again:.0f} preemptions in {window_s:.0f} s, {percent(share)} in use{cost}",
            "run fewer at once (max_num_seqs), give the cache more memory, or spread the load",
            tuple(told),
        )


def _share(part: Figure, whole: Figure) -> float | None:
    if part.unit == "ratio" and part.value is not None:
        return float(part.value)
    return part.value / whole.value if part.value is not None and whole.value else None
