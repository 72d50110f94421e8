"""Pieces of work that have ended, by what they went over: how fast it was while it was busy, now and before. Pure.

A link or a drive that several share gives each of them less; so what tells its speed is what it moved while anything was under way on it, and not how long one piece took.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from collectors.diagnose.beats import HISTORY_S, RECENT_S
from collectors.model.verdict import Hop
from collectors.model.vocabulary import Tier

MOST: Final = {Hop.PREFILL: 1_024}
MOST_OF_OTHERS: Final = 256
"""Pieces of one path that are kept."""
MOST_PATHS: Final = 512
NS: Final = 1e9


class Path(NamedTuple):
    """`source` is the worker that a transfer came from, where it is known, the owner of the tier of a fetch; `to` the worker that it was for."""

    hop: Hop
    source: str
    to: str
    tier: Tier = Tier.UNKNOWN


class Job(NamedTuple):
    """Ended in session second `second`; times are the emitter's, `size` in bytes, or tokens of a prompt."""

    second: int
    start_ns: int
    end_ns: int
    size: int


class Speed(NamedTuple):
    """Size a second of busy time, over so many pieces."""

    per_s: float
    n: int
    busy_s: float


class Work:
    def __init__(self) -> None:
        self.paths: dict[Path, deque[Job]] = {}

    def add(self, path: Path, job: Job) -> None:
        jobs = self.paths.get(path)
        if jobs is None:
            if len(self.paths) >= MOST_PATHS:
                return
            jobs = self.paths[path] = deque(maxlen=MOST.get(path.hop, MOST_OF_OTHERS))
        jobs.append(job)

    def expire(self, now: int) -> None:
        """`now` is the session second that begins."""
        for path, jobs in list(self.paths.items()):
            while jobs and jobs[0].second < now - HISTORY_S:
                jobs.popleft()
            if not jobs:
                del self.paths[path]


def now_and_before(jobs: Iterable[Job], now: int, recent_s: int = RECENT_S) -> tuple[list[Job], list[Job]]:
    """Those that began in the recent seconds or later, those that had ended before; one that lies in both is recent."""
    recent: list[Job] = []
    before: list[Job] = []
    for job in jobs:
        (recent if job.second >= now - recent_s else before).append(job)
    return recent, before


def usual_speed(jobs: Iterable[Job], enough: int) -> Speed | None:
    """The upper quartile of the speeds of stretches of RECENT_S in which so many pieces ended: what is usual though some of them were already slow."""
    stretches: dict[int, list[Job]] = {}
    for job in jobs:
        stretches.setdefault(job.second // RECENT_S, []).append(job)
    speeds = [found for some in stretches.values() if len(some) >= enough and (found := speed(some)) is not None]
    if not speeds:
        return None
    speeds.sort(key=lambda one: one.per_s)
    n, busy_s = sum(one.n for one in speeds), sum(one.busy_s for one in speeds)
    return Speed(speeds[len(speeds) * 3 // 4].per_s, n, busy_s)


def speed(jobs: Iterable[Job]) -> Speed | None:
    """None where nothing took any time."""
    jobs = sorted(jobs, key=lambda job: job.start_ns)
    busy, until, size = 0, None, 0
    for job in jobs:
        size += job.size
        begin = job.start_ns if until is None else max(job.start_ns, until)
        busy += max(job.end_ns - begin, 0)
        until = job.end_ns if until is None else max(until, job.end_ns)
    return Speed(size * NS / busy, len(jobs), busy / NS) if busy and size else None
