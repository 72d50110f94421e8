"""Live streams: what is remembered of each between two deliveries, and the gaps that a chunk of deliveries makes. Columns, no object per token.

A stream is the number that a producer gives a request while it lives. A gap is the time between two *consecutive* deliveries: the later one must begin with
the token after the earlier one's last. Where it does not, deliveries were missed (or the request is a new one), and there is no gap.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from collectors.model.batch import DELIVERY, UNCOUNTED, WHOLE, Rows
from collectors.stats.sketch import Bools, Index, Ints

MAX_STREAMS: Final = 65_536
UNSEEN: Final = -1
_WORDS: Final = np.dtype(
    [
        ("time_ns", "<i8"),
        ("start_ns", "<i8"),
        ("duration_ns", "<i8"),
        ("stream", "<u4"),
        ("first_token", "<u4"),
        ("rest", "<u8"),
    ]
)
"""A DELIVERY whose last eight bytes are one word: tokens in its lowest 16 bits, then worker (16), tier (8), stage (8), extra (8), flags (8)."""
_FLAGS: Final = 56
"""Bits below them."""


class StreamTable:
    """A row for each stream number in use, sized by growth up to `MAX_STREAMS`. Times are the emitter's; UNSEEN where nothing is known."""

    last_ns: Ints
    first_ns: Ints
    """When the first token was delivered, where that was seen."""
    first_row: Ints
    """Row of the worker that delivered it."""
    next_token: Ints
    """Index of the token that the next delivery should begin with."""
    last_row: Ints
    """Row of the worker that made the last delivery."""
    before_row: Ints
    """Row of another worker, that made those before."""
    since: Ints
    """The first token since then."""
    received_ns: Ints
    """Of the request that lives on the stream."""
    home: Ints
    """Row of the worker that admitted it."""
    queued: Ints
    """Row of the worker that it was sent to and waits for."""
    prompt_tokens: Ints
    weighed: Ints
    """Session second in which it was chosen among workers of each of which it was known what it held of the prompt."""
    believed: Ints
    """Tokens of the prompt that the chosen one was believed to hold then."""
    found: Ints
    """Tokens of the prompt that were found when it was admitted for the first time."""
    flags: Ints
    """Of any delivery so far; UNSEEN where none had any."""
    model: Ints
    labels: Ints
    """Number of the request's model, and bits of its labels, as `outcomes.Names` has them."""
    last_gap: Ints
    jitter: Ints
    gaps: Ints
    """The request's newest gap in ns, its smoothed jitter (`rfc3550`) and how many gaps it had."""
    serial: Ints
    """Number of the request, which no other of the source has."""
    taken_from: Ints
    """Slot of the worker that its deliveries go on naming, though it was taken from it."""
    taken_by: Ints
    """Slot of the worker that makes its tokens instead."""
    taken_since: Ints
    """The first of those."""
    elsewhere: Ints
    """1: deliveries of it were put there."""

    def __init__(self) -> None:
        self.size = 0
        self._all = np.empty((len(_COLUMNS), 0), np.int64)
        self.reserve(256)

    def reserve(self, size: int) -> None:
        """Room for at least the streams 0 … size − 1."""
        if size <= self.size:
            return
        size = min(max(size, 2 * self.size), MAX_STREAMS)
        columns = np.full((len(_COLUMNS), size), UNSEEN, np.int64)
        columns[:, : self.size] = self._all
        self._all, self.size = columns, size
        for name, column in zip(_COLUMNS, columns, strict=True):
            setattr(self, name, column)

    def forget(self, streams: Index | slice) -> None:
        self._all[:, streams] = UNSEEN


_COLUMNS: Final = tuple(StreamTable.__annotations__)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Deliveries sorted by stream, in their own order within a stream, and cut into runs: consecutive rows of one request.

    `order` sorts the rows; `begin` and `end` (exclusive) are positions in that order; `fresh` are the runs that begin with the request's first token; a run
    is `last` when it is the last of its stream. Rows at the positions `without` have no gap, all others one each: run `r` has `gaps[r]` of them from `first_gap[r]` on.
    """

    order: Index
    rows: Rows
    """In that order, whose last eight bytes are `tokens`, `worker`, `tier`, `stage`, `extra` and `flags` in one word too."""
    time_ns: Ints
    tokens: Ints
    place: npt.NDArray[np.uint32]
    """What of a row says where it was made: equal where worker, tier and stage are."""
    begin: Index
    end: Index
    stream: Index
    fresh: Index
    last: Bools
    after: Ints
    """Of each row the index of the token after its last."""
    next_token: Ints
    without: Index
    gap_ns: Ints
    gaps: Ints
    first_gap: Ints
    holes: int
    disorder: int
    flags: Ints | None
    """Of each row; None where no row has any."""

    def run_of(self, gaps: Index) -> Index:
        """The run of each of some gaps."""
        return self.first_gap.searchsorted(gaps, side="right") - 1

    def position_of(self, gaps: Index) -> Index:
        """The position of the row of each of some gaps."""
        passed = self.without - np.arange(len(self.without))
        return gaps + passed.searchsorted(gaps, side="right")

    def gaps_before(self, positions: Index) -> Index:
        """How many gaps the rows before each of some positions have."""
        return positions - self.without.searchsorted(positions)


def arrange(rows: Rows, table: StreamTable) -> Chunk:
    """Cuts at least one delivery into runs and gaps. Changes nothing in `table`, which must have room for the streams."""
    # A stable sort of 16-bit keys is a radix sort; rows move fastest as whole words.
    order = rows["stream"].astype(np.uint16).argsort(kind="stable")
    rows = rows.view(np.int64).reshape(len(rows), -1).take(order, axis=0).reshape(-1).view(_WORDS)
    stream = rows["stream"].copy()
    time_ns = rows["time_ns"].copy()
    first = rows["first_token"].astype(np.int64)
    rest = rows["rest"].copy()
    tokens = (rest & 0xFFFF).view(np.int64)
    after = first + tokens

    begins = first == 0
    begins[0] = True
    begins[1:] |= stream[1:] != stream[:-1]
    begin = begins.nonzero()[0]
    end = ends(begin, len(order))
    run_stream = stream[begin].astype(np.intp)
    fresh = (first[begin] == 0).nonzero()[0]

    before = table.next_token[run_stream]
    before[fresh] = UNSEEN
    gap_ns, follows = np.empty_like(time_ns), np.empty(len(order), np.bool_)
    np.subtract(time_ns[1:], time_ns[:-1], out=gap_ns[1:])
    np.equal(first[1:], after[:-1], out=follows[1:])
    gap_ns[begin] = time_ns[begin] - table.last_ns[run_stream]
    follows[begin] = first[begin] == before
    counts = follows & (gap_ns >= 0)
    without = (~counts).nonzero()[0]
    holes = disorder = 0
    missing = np.count_nonzero(before == UNSEEN)
    if len(without) > missing:
        holes = int(np.count_nonzero(~follows)) - int(missing)
        disorder = len(without) - int(missing) - holes
    gap_ns = gap_ns[counts]
    first_gap = begin - without.searchsorted(begin)
    return Chunk(
        order=order,
        rows=rows.view(DELIVERY),
        time_ns=time_ns,
        tokens=tokens,
        place=(rest >> 16).astype(np.uint32),
        begin=begin,
        end=end,
        stream=run_stream,
        fresh=fresh,
        last=run_stream != ends(run_stream, UNSEEN),
        after=after,
        next_token=after[end - 1],
        without=without,
        gap_ns=gap_ns,
        gaps=ends(first_gap, len(gap_ns)) - first_gap,
        first_gap=first_gap,
        holes=holes,
        disorder=disorder,
        flags=_flags(rest),
    )


def _flags(rest: npt.NDArray[np.uint64]) -> Ints | None:
    """Those that mean something."""
    if not int(rest.max()) >> _FLAGS:
        return None
    return (rest >> np.uint64(_FLAGS)).astype(np.int64) & (UNCOUNTED | WHOLE)


def ends(begins: Index, end: int) -> Index:
    """Where each of at least one consecutive parts ends, from where they begin."""
    shifted = np.empty_like(begins)
    shifted[:-1] = begins[1:]
    shifted[-1] = end
    return shifted


def remember(chunk: Chunk, first_row: Index, last_row: Index, table: StreamTable) -> None:
    """Brings the table up to the end of the chunk; `first_row` is the row of the worker that began each fresh run, `last_row` of the one that ended each run."""
    last = chunk.last
    stream = chunk.stream[last]
    table.last_ns[stream] = chunk.time_ns[chunk.end[last] - 1]
    table.next_token[stream] = chunk.next_token[last]
    table.last_row[stream] = last_row[last]
    if chunk.flags is not None:
        seen = np.bitwise_or.reduceat(chunk.flags, chunk.begin)
        for one, bits in zip(chunk.stream.tolist(), seen.tolist(), strict=True):
            if bits:
                table.flags[one] = max(int(table.flags[one]), 0) | bits
    # Of a stream that begins twice the later one stays: assignment goes in order.
    fresh = chunk.stream[chunk.fresh]
    table.first_ns[fresh] = chunk.time_ns[chunk.begin[chunk.fresh]]
    table.first_row[fresh] = first_row


def ragged(starts: Ints, lengths: Ints) -> tuple[Index, Index]:
    """For ranges of indices [start, start + length): which range each index is of, and the index."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    before = np.cumsum(lengths) - lengths
    return owner, np.arange(len(owner)) + (starts - before)[owner]
