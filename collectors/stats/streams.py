"""Live streams: what is remembered of each between two deliveries, and the gaps that a chunk of deliveries makes. Columns, no object per token.

A stream is the number that a producer gives a request while it lives. A gap is the time between two *consecutive* deliveries: the later one must begin with
the token after the earlier one's last. Where it does not, deliveries were missed (or the request is a new one), and there is no gap.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from collectors.model.batch import Rows
from collectors.stats.sketch import Bools, Index, Ints

MAX_STREAMS: Final = 65_536
UNSEEN: Final = -1


class StreamTable:
    """A row for each stream number in use, sized by growth up to `MAX_STREAMS`. Times are the emitter's; UNSEEN where nothing is known."""

    _COLUMNS: Final = ("last_ns", "first_ns", "next_token", "last_row", "received_ns", "home", "queued")

    def __init__(self) -> None:
        self.size = 0
        self.last_ns = np.empty(0, np.int64)
        self.first_ns = np.empty(0, np.int64)
        """When the first token was delivered, where that was seen."""
        self.next_token = np.empty(0, np.int64)
        """Index of the token that the next delivery should begin with."""
        self.last_row = np.empty(0, np.int64)
        """Row of the worker that made the last delivery."""
        self.received_ns = np.empty(0, np.int64)
        """Of the request that lives on the stream."""
        self.home = np.empty(0, np.int64)
        """Row of the worker that admitted it."""
        self.queued = np.empty(0, np.int64)
        """Row of the worker that it was sent to and waits for."""
        self.reserve(256)

    def reserve(self, size: int) -> None:
        """Room for at least the streams 0 … size − 1."""
        if size <= self.size:
            return
        size = min(max(size, 2 * self.size), MAX_STREAMS)
        for name in self._COLUMNS:
            column = np.full(size, UNSEEN, np.int64)
            column[: self.size] = getattr(self, name)
            setattr(self, name, column)
        self.size = size

    def forget(self, streams: Index | slice) -> None:
        for name in self._COLUMNS:
            getattr(self, name)[streams] = UNSEEN


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Deliveries sorted by stream, in their own order within a stream, and cut into runs: consecutive rows of one request.

    `order` sorts the rows; `begin` and `end` (exclusive) are positions in that order; a run is `fresh` when it begins with the request's first token, and `last` when
    it is the last of its stream. Gap `i` belongs to the row at position `at[i]` and to the run `run[i]`; run `r` has `gaps[r]` of them from `first_gap[r]` on.
    """

    order: Index
    time_ns: Ints
    tokens: Ints
    row: Index
    begin: Index
    end: Index
    stream: Index
    fresh: Bools
    last: Bools
    next_token: Ints
    at: Index
    gap_ns: Ints
    run: Index
    gaps: Ints
    first_gap: Ints
    holes: int
    disorder: int


def arrange(rows: Rows, row_of_worker: Index, table: StreamTable) -> Chunk:
    """Cuts at least one delivery into runs and gaps. Changes nothing in `table`, which must have room for the streams."""
    # A stable sort of 16-bit keys is a radix sort.
    order = rows["stream"].astype(np.uint16).argsort(kind="stable")
    stream = rows["stream"].take(order)
    time_ns = rows["time_ns"].take(order)
    first = rows["first_token"].take(order).astype(np.int64)
    tokens = rows["tokens"].take(order).astype(np.int64)
    row = row_of_worker.take(rows["worker"].take(order))

    starts = first == 0
    begins = np.empty(len(order), np.bool_)
    begins[0] = True
    np.not_equal(stream[1:], stream[:-1], out=begins[1:])
    begins |= starts
    begin = np.flatnonzero(begins)
    end = np.append(begin[1:], len(order))
    run_stream = stream[begin].astype(np.intp)
    fresh = starts[begin]
    last = np.append(run_stream[1:] != run_stream[:-1], True)

    after = first + tokens
    expected = np.empty_like(after)
    expected[1:] = after[:-1]
    expected[begin] = np.where(fresh, UNSEEN, table.next_token[run_stream])
    gap = np.empty_like(time_ns)
    np.subtract(time_ns[1:], time_ns[:-1], out=gap[1:])
    gap[begin] = time_ns[begin] - table.last_ns[run_stream]
    follows = first == expected
    forward = gap >= 0
    holes = int(np.count_nonzero(~follows & (expected != UNSEEN)))
    disorder = int(np.count_nonzero(follows & ~forward))
    at = np.flatnonzero(follows & forward)
    run = (np.cumsum(begins) - 1)[at]
    gaps = np.bincount(run, minlength=len(begin))
    return Chunk(
        order=order,
        time_ns=time_ns,
        tokens=tokens,
        row=row,
        begin=begin,
        end=end,
        stream=run_stream,
        fresh=fresh,
        last=last,
        next_token=after[end - 1],
        at=at,
        gap_ns=gap[at],
        run=run,
        gaps=gaps,
        first_gap=np.cumsum(gaps) - gaps,
        holes=holes,
        disorder=disorder,
    )


def remember(chunk: Chunk, table: StreamTable) -> None:
    """Brings the table up to the end of the chunk."""
    last = chunk.last
    stream, end, fresh = chunk.stream[last], chunk.end[last] - 1, chunk.fresh[last]
    table.last_ns[stream] = chunk.time_ns[end]
    table.next_token[stream] = chunk.next_token[last]
    table.last_row[stream] = chunk.row[end]
    begun = stream[fresh]
    table.first_ns[begun] = chunk.time_ns[chunk.begin[last][fresh]]


def ragged(starts: Ints, lengths: Ints) -> tuple[Index, Index]:
    """For ranges of indices [start, start + length): which range each index is of, and the index."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    before = np.cumsum(lengths) - lengths
    return owner, np.arange(len(owner)) + (starts - before)[owner]
