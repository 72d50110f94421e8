"""When each call of a trace is due: ties of a coarse clock spread, sessions laid over one another, times scaled. Reads no further ahead than it must."""

import heapq
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Final

import numpy as np

from emulators.traces import Trace
from emulators.traces.formats import NS, Call

TICK_NS: Final = 3 * NS
"""Mooncake's times are whole steps of 3 s, give or take 1 ms; calls of the same time are spread up to the next time in the trace, at most so far."""
MAX_HELD: Final = 100_000
"""Most calls of one time or one session that are held at once; more are taken for those of another."""

Due = tuple[int, Call]


def timeline(calls: Iterator[Call], trace: Trace, rng: np.random.Generator) -> Iterator[Due]:
    """Nanoseconds since the start and call, in order of time; calls of the same time in the order of the file.

    Where calls have the same time, theirs are drawn uniformly between it and the next (at most `TICK_NS`).
    """
    first = next(calls, None)
    if first is None:
        return
    everything = chain((first,), calls)
    due = _laid_over(everything, round(trace.session_every_s * NS)) if first.session else _spread(everything, rng)
    for at_ns, call in islice(due, trace.limit):
        yield round(at_ns * trace.scale), call


def _spread(calls: Iterable[Call], rng: np.random.Generator) -> Iterator[Due]:
    tied: list[Call] = []
    for call in calls:
        if tied and (call.at_ns > tied[0].at_ns or len(tied) == MAX_HELD):
            yield from _within(tied, call.at_ns, rng)
            tied = []
        tied.append(call)
    if tied:
        yield from _within(tied, tied[0].at_ns + TICK_NS, rng)


def _within(tied: list[Call], next_ns: int, rng: np.random.Generator) -> Iterator[Due]:
    begin_ns = tied[0].at_ns
    if len(tied) == 1:
        return iter([(begin_ns, tied[0])])
    times = np.sort(rng.integers(begin_ns, min(next_ns, begin_ns + TICK_NS), len(tied), endpoint=True))
    return zip(times.tolist(), tied, strict=True)


def _laid_over(calls: Iterable[Call], every_ns: int) -> Iterator[Due]:
    """A session is read when it begins."""
    waiting: list[tuple[int, int, Call]] = []
    for number, session in enumerate(_sessions(calls)):
        begin_ns = number * every_ns
        while waiting and waiting[0][0] < begin_ns:
            yield _first(waiting)
        for call in session:
            heapq.heappush(waiting, (begin_ns + call.at_ns, call.line, call))
    while waiting:
        yield _first(waiting)


def _sessions(calls: Iterable[Call]) -> Iterator[list[Call]]:
    for _, session in groupby(calls, key=attrgetter("session")):
        while held := list(islice(session, MAX_HELD)):
            yield held


def _first(waiting: list[tuple[int, int, Call]]) -> Due:
    at_ns, _, call = heapq.heappop(waiting)
    return at_ns, call
