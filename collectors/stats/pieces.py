"""Pieces of a chunk: consecutive deliveries of one request that one worker made in the same tier, stage and tick, with the same flags. They are summed first and placed once."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from collectors.stats.sketch import Index, Ints
from collectors.stats.streams import Chunk, ends

TICKS_A_SECOND: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """An entry for each piece. `first_gap` is the piece's first gap in the chunk, `gaps` how many it has; `last` is the last piece of each run."""

    begin: Index
    row: Index
    tier: Ints
    stage: Ints
    tick: Ints
    second: Ints
    """Of what has left the window the last second that has."""
    deliveries: Ints
    tokens: Ints
    first_gap: Index
    gaps: Ints
    last: Index
    flags: Ints | None
    """Of all deliveries of each; None where none has any."""

    def of(self, gaps: Index) -> Index:
        """The piece of each of some gaps."""
        return self.first_gap.searchsorted(gaps, side="right") - 1


def cut(chunk: Chunk, tick: Ints | int, first_second: int, row_of_worker: Index) -> Pieces:
    """`tick` is that of each row, or of all of them; the window begins with `first_second`."""
    edge = np.empty(len(chunk.place), np.bool_)
    np.not_equal(chunk.place[1:], chunk.place[:-1], out=edge[1:])
    edge[chunk.begin] = True
    if not isinstance(tick, int):
        edge[1:] |= tick[1:] != tick[:-1]
    if chunk.flags is not None:
        edge[1:] |= chunk.flags[1:] != chunk.flags[:-1]
    begin = edge.nonzero()[0]
    place = chunk.place[begin]
    ticks = np.full(len(begin), tick) if isinstance(tick, int) else tick[begin]
    first_gap = chunk.gaps_before(begin)
    return Pieces(
        begin=begin,
        row=row_of_worker.take(place & 0xFFFF),
        tier=(place >> 16 & 0xFF).astype(np.int64),
        stage=(place >> 24).astype(np.int64),
        tick=ticks,
        second=np.maximum(ticks // TICKS_A_SECOND, first_second - 1),
        deliveries=ends(begin, len(edge)) - begin,
        tokens=np.add.reduceat(chunk.tokens, begin),
        first_gap=first_gap,
        gaps=ends(first_gap, len(chunk.gap_ns)) - first_gap,
        last=begin.searchsorted(chunk.end) - 1,
        flags=None if chunk.flags is None else chunk.flags[begin],
    )
