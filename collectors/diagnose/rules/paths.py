"""Where KV comes from or goes to that has become slow: links between workers, and tiers."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from collectors.diagnose.beats import RECENT_S
from collectors.diagnose.scene import Scene, Suspicion, evidence, rate, times
from collectors.diagnose.work import NS, Job, Speed, now_and_before, speed, usual_speed
from collectors.model.verdict import Evidence, Hop, Kind
from collectors.model.vocabulary import Tier

SLOWER: Final = 4.0
ENOUGH: Final = (5, 10)
"""Pieces of now, and of before."""
STUCK: Final = 2
STUCK_SHARE: Final = 0.2
STILL_S: Final = 0.05
"""Less is the latency of small pieces."""
LOOKED_AT: Final = 256
LONG_S: Final = 0.5
"""Where it was busy for longer, two pieces of now are enough."""
STRETCH: Final = 3
"""Pieces in a stretch of before that counts."""
ALIKE: Final = 3.0
"""Times the mean size of now that a piece of before may have: of smaller ones more of the time is latency, so that they move up to so many times less a second over a link that is as it was. Below SLOWER."""


def slow_links(scene: Scene) -> Iterator[Suspicion]:
    """From a worker KV is handed on slower than before."""
    by_source: dict[str, list[Job]] = {}
    to: dict[str, set[str]] = {}
    for path, jobs in scene.work.paths.items():
        if path.hop is Hop.TRANSFER:
            end = path.source or path.to
            by_source.setdefault(end, []).extend(jobs)
            to.setdefault(end, set()).add(path.to)
    for end, moved in by_source.items():
        found = _slower(scene, moved)
        if found is not None:
            where = f" to {', '.join(sorted(to[end])[:3])}" if to[end] != {end} else ""
            yield Suspicion(
                Kind.SLOW_LINK,
                Hop.TRANSFER,
                end,
                f"KV moves{where} {found.how}",
                _figures(found),
                "look at the link (NIC, switch, NVLink errors); prefill and decode in one place meanwhile",
                _evidence(scene, found),
            )


def slow_tiers(scene: Scene) -> Iterator[Suspicion]:
    """From a tier KV is fetched slower than before."""
    by_tier: dict[tuple[str, Tier], list[Job]] = {}
    for path, jobs in scene.work.paths.items():
        if path.hop is Hop.TIER:
            by_tier.setdefault((path.source or path.to, path.tier), []).extend(jobs)
    for (owner, tier), moved in by_tier.items():
        found = _slower(scene, moved)
        if found is not None:
            yield Suspicion(
                Kind.SLOW_TIER,
                Hop.TIER,
                owner,
                f"KV comes from {tier} {found.how}",
                _figures(found),
                f"look at {owner}'s {tier}; let prompts be computed rather than fetched from there",
                _evidence(scene, found),
            )


class _Slower(NamedTuple):
    """`stuck` pieces stood still: see `stood_still`. `slower`: than pieces of before that are alike, which `before` is of then."""

    now: Speed
    before: Speed
    stuck: int
    slower: bool

    @property
    def how(self) -> str:
        return (
            f"{times(self.before.per_s / self.now.per_s)} slower than before" if self.slower else "by fits and starts"
        )


def _slower(scene: Scene, jobs: list[Job]) -> _Slower | None:
    """Less moves while it is busy, or many pieces stand still on the way though others do not."""
    recent, older = now_and_before(jobs, scene.now)
    now, before = speed(recent), usual_speed(older, STRETCH)
    if now is None or before is None or before.n < ENOUGH[1] or now.n < (2 if now.busy_s > LONG_S else ENOUGH[0]):
        return None
    most = ALIKE * sum(job.size for job in recent) / now.n
    alike = usual_speed((job for job in older if job.size <= most), STRETCH)
    stuck = stood_still(recent, before.per_s)
    if alike is not None and alike.n >= ENOUGH[1] and alike.per_s > SLOWER * now.per_s:
        return _Slower(now, alike, stuck, slower=True)
    return _Slower(now, before, stuck, slower=False) if stuck >= max(STUCK_SHARE * now.n, 3) else None


def stood_still(jobs: list[Job], per_s: float) -> int:
    """How many took STUCK times as long as all that was under way with them takes at that speed: more than sharing explains. Of the newest, if there are very many."""
    jobs = jobs[-LOOKED_AT:]
    stuck = 0
    for job in jobs:
        beside = sum(other.size for other in jobs if other.start_ns < job.end_ns and other.end_ns > job.start_ns)
        stuck += (job.end_ns - job.start_ns) / NS > max(STUCK * max(beside, job.size) / per_s, STILL_S)
    return stuck


def _figures(it: _Slower) -> str:
    stood = f", {it.stuck} of them stood still on the way" if it.stuck else ""
    return (
        f"{rate(it.now.per_s, 'bytes/s')} while busy, n {it.now.n}{stood}, {RECENT_S} s, "
        f"against {rate(it.before.per_s, 'bytes/s')}, n {it.before.n}"
    )


def _evidence(scene: Scene, it: _Slower) -> tuple[Evidence, ...]:
    emulated = any(row.tokens_per_s.emulated for row in scene.workers)
    return (
        evidence("moved while busy", it.now.per_s, "bytes/s", n=it.now.n, emulated=emulated),
        evidence(
            "moved while busy, before",
            it.before.per_s,
            "bytes/s",
            n=it.before.n,
            window_s=scene.window_s,
            emulated=emulated,
        ),
        evidence("pieces that stood still on the way", it.stuck, "count", n=it.now.n, emulated=emulated),
    )
