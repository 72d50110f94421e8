"""Single deliveries and requests at full load: what keeping them costs beside counting them, and what asking costs."""

import statistics
import time
from collections.abc import Callable

from bench.loaded import batches
from bench.result import Result
from bench.screens import LOAD, STREAMS, TOKENS_PER_S, WORKERS
from collectors.model.detail import By
from collectors.session.clock import TICK_NS
from collectors.session.detail import Detail
from collectors.session.session import Session

TICKS = 48
GOAL_MS = 10.0


def ingest_s(detail: Detail | None, work: list[list[object]]) -> float:
    """CPU seconds of feeding and ticking, without the first ticks."""
    session = Session("virtual", detail=detail)
    taken = []
    for tick, some in enumerate(work):
        begin = time.process_time()
        for batch in some:
            session.feed(batch)  # type: ignore[arg-type]
        session.tick((tick + 1) * TICK_NS)
        taken.append(time.process_time() - begin)
    return sum(taken[8:])


def asked_ms(ask: Callable[[int], object], now: int, times: int = 12) -> float:
    """Median milliseconds at moments that follow each other, as a page asks."""
    found = []
    for step in range(times):
        begin = time.process_time()
        ask(now - (times - step) * TICK_NS)
        found.append(time.process_time() - begin)
    return statistics.median(found) * 1e3


def run() -> list[Result]:
    work: list[list[object]] = [list(some) for some in batches(WORKERS, TOKENS_PER_S, STREAMS, TICKS)]
    pairs = [(ingest_s(None, work), ingest_s(Detail(), work)) for _ in range(3)]
    without, kept = (min(pair[side] for pair in pairs) for side in (0, 1))
    seconds = (TICKS - 8) / 4
    results = [
        Result(
            f"detail, {LOAD}: kept beside counted",
            "a few % of a core",
            f"{(kept - without) / seconds:.1%} (counting {without / seconds:.1%})",
            kept - without <= 0.05 * seconds,
        )
    ]
    detail = Detail()
    ingest_s(detail, work)
    now = detail.tick_ns
    since_s = (now - (detail.kept.since_ns or 0)) / 1e9
    some = detail.requests(now, first=300, limit=1).lines[0].key
    asks: dict[str, Callable[[int], object]] = {
        "river by worker, 250 ms": lambda at: detail.river(at, TICK_NS, 170, By.WORKER, limit=45),
        "river by request, 250 ms": lambda at: detail.river(at, TICK_NS, 170, By.REQUEST, limit=45),
        "river by request, 10 ms": lambda at: detail.river(at, TICK_NS // 25, 170, By.REQUEST, limit=45),
        "list of requests": lambda at: detail.requests(at, limit=45),
        "one request": lambda at: detail.request(some, at),
    }
    for what, ask in asks.items():
        taken = asked_ms(ask, now)
        results.append(
            Result(f"detail of {since_s:.0f} s, {what}", f"<= {GOAL_MS:g} ms", f"{taken:.1f} ms", taken <= GOAL_MS)
        )
    return results
