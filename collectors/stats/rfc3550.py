"""Smoothed interarrival jitter as RTP receivers report it (RFC 3550 §6.4.1): J += (|D| − J) / 16, with D the change from one gap to the next.

Of a request's gaps as they come: what is kept of it between two chunks is J and its newest gap. A column is as good as one gap after the other, but for what an
integer rounds off.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from collectors.stats.sketch import Ints
from collectors.stats.streams import UNSEEN, Chunk, StreamTable

GAIN: Final = 1 / 16
SETTLED: Final = 16
"""Gaps from which on a request's J is told."""
PARTS: Final = 1_024
"""J is kept in such parts of a nanosecond."""
_KERNEL: Final = GAIN * (1 - GAIN) ** np.arange(512)
"""What a change so many gaps ago still counts; the last is nothing."""


def smoothed_jitter(gaps: Sequence[float]) -> float:
    """J after the last of the gaps, in their unit; 0 for fewer than two."""
    jitter = 0.0
    for previous, gap in pairwise(gaps):
        jitter += (abs(gap - previous) - jitter) * GAIN
    return jitter


def smooth(chunk: Chunk, table: StreamTable) -> None:
    """Brings J of the chunk's requests up to its end; before `remember`. A gap after a hole is compared with the last one before it."""
    before, jitter, gaps = (column[chunk.stream] for column in (table.last_gap, table.jitter, table.gaps))
    for column in (before, jitter, gaps):
        column[chunk.fresh] = UNSEEN
    some = np.flatnonzero(chunk.gaps)
    if len(some):
        gap_ns, begin, count, known = chunk.gap_ns, chunk.first_gap[some], chunk.gaps[some], before[some]
        last = begin + count - 1
        change = np.abs(np.diff(gap_ns, prepend=gap_ns[:1]))
        change[begin] = np.where(known == UNSEEN, 0, np.abs(gap_ns[begin] - known))
        ago = np.repeat(last, count) - np.arange(len(gap_ns))
        told = np.add.reduceat(change * _KERNEL.take(ago, mode="clip"), begin)
        left = np.maximum(jitter[some], 0) * (1 - GAIN) ** count
        jitter[some] = np.rint(told * PARTS + left).astype(np.int64)
        before[some] = gap_ns[last]
        gaps[some] = np.maximum(gaps[some], 0) + count
    last_of_stream = chunk.last
    stream = chunk.stream[last_of_stream]
    table.last_gap[stream], table.jitter[stream] = before[last_of_stream], jitter[last_of_stream]
    table.gaps[stream] = gaps[last_of_stream]


def by_row(table: StreamTable, rows: int) -> tuple[Ints, Ints]:
    """Of each row: the sum of J (in parts of a ns) of the requests whose last delivery it made, and how many they are."""
    told = np.flatnonzero((table.gaps >= SETTLED) & (table.last_row >= 0))
    row = table.last_row[told]
    sums = np.zeros(rows, np.int64)
    np.add.at(sums, row, table.jitter[told])
    return sums, np.bincount(row, minlength=rows)
