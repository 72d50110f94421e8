"""The hot path: deliveries in, per worker their tokens, gaps, first-token times and stalls out. Columns only; a Python object for a stall, none for a token."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from collectors.model.batch import EXTRA, WHOLE, Rows
from collectors.stats.histograms import Histograms
from collectors.stats.kept_rows import KeptRows, kept_rows, lateness
from collectors.stats.lives import Lives
from collectors.stats.medians import GapMedians, coarse_bins
from collectors.stats.moved import remember_moves
from collectors.stats.pieces import Pieces, cut
from collectors.stats.placements import Placements
from collectors.stats.rfc3550 import smooth
from collectors.stats.river import TICK_NS, River
from collectors.stats.sketch import Floats, Index, Ints, bins
from collectors.stats.slots import NEVER, SECOND_NS, Extremes, Slots, each_second
from collectors.stats.stalls import LEDGER, Ledger, Rule, Stall, judge
from collectors.stats.steps import Steps
from collectors.stats.streams import UNSEEN, Chunk, StreamTable, arrange, remember

CHUNK: Final = 32_768
"""Deliveries that are dealt with at once: enough to pay for the fixed cost, few enough to stay in the cache."""
_WORK: Final = 16
"""Earlier gaps that judging may look at, per delivery; past that the chunk is cut in half, which halves them."""
_SMALL: Final = 64
"""Deliveries that are judged whatever it takes."""
_NONE: Final[Rows] = np.zeros(0, EXTRA)
_NOTHING: Final = np.zeros(0, np.intp), np.zeros(0, np.int64)
Keep = Callable[[KeptRows], None]
"""Takes single deliveries, chunk by chunk."""


class Dealt(NamedTuple):
    """Deliveries that were dealt with together: `at_ns` is the session time and `row` the worker's row of each of the chunk's, `ids` names the rows, `name` the request of a stream.

    `first` are the positions of requests' first tokens whose TTFT counts, which is `ttft_ns`."""

    chunk: Chunk
    at_ns: Ints
    row: Index
    ids: Sequence[str]
    name: Callable[[int], str]
    first: Index
    ttft_ns: Ints


Hear = Callable[[Dealt], None]
"""Is told of all deliveries as they are counted."""


class GapStats:
    """Deliveries of one source by row. Shares the stream table with the requests' bookkeeping."""

    def __init__(self, rows: int, rule: Rule, placements: Placements) -> None:
        self.table = StreamTable()
        self.medians = GapMedians()
        self.lives = Lives(self.table, self.medians)
        self.gap = Histograms(rows, busy=True)
        self.ttft = Histograms(rows)
        self.stalled = Slots(rows)
        self.longest_stall = Extremes(rows)
        self.ledger = Ledger()
        self.river = River(rows)
        self.holes = 0
        self.disorder = 0
        self._rows = rows
        self._first = NEVER
        self._rule = rule
        self._placements = placements
        self.keep: Keep | None = None
        self.hear: Hear | None = None
        self.ids: Sequence[str] = ()
        """Names of the rows."""

    def resize(self, rows: int) -> None:
        self._rows = rows
        for part in (self.gap, self.ttft, self.stalled, self.longest_stall, self.river):
            part.resize(rows)

    def expire(self, first: int) -> None:
        """The window begins with the second `first`."""
        self._first = first
        for part in (self.gap, self.ttft, self.stalled, self.longest_stall):
            part.expire(first)
        self.ledger.expire(first * SECOND_NS)

    def adding(
        self,
        rows: Rows,
        streams: int,
        offset_ns: int,
        limit_ns: Ints | int,
        row_of_worker: Index,
        extras: Rows = _NONE,
    ) -> Steps[None]:
        """In steps, between which nothing may be asked. At least one delivery, in the order of the stream, all of streams below `streams`. Session time is the emitter's plus `offset_ns`, and at most `limit_ns` (of each row, or of all)."""
        self.table.reserve(streams)
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            extras = yield from self._part(rows, part, offset_ns, limit_ns, row_of_worker, extras)

    def _part(
        self, rows: Rows, part: slice, offset_ns: int, limit_ns: Ints | int, row_of_worker: Index, extras: Rows
    ) -> Steps[Rows]:
        """Deals with some of the rows, which have the first of the extras; the other extras."""
        some = rows[part]
        mine = int(some["extra"].sum()) if len(extras) else 0
        limit_ns = limit_ns if isinstance(limit_ns, int) else limit_ns[part]
        yield from self._digest(some, offset_ns, limit_ns, row_of_worker, extras[:mine])
        return extras[mine:]

    def _digest(
        self, rows: Rows, offset_ns: int, limit_ns: Ints | int, row_of_worker: Index, extras: Rows
    ) -> Steps[None]:
        chunk = arrange(rows, self.table)
        at_ns = chunk.time_ns + offset_ns
        np.minimum(at_ns, limit_ns if isinstance(limit_ns, int) else limit_ns[chunk.order], out=at_ns)
        ticks = int(at_ns.min()) // TICK_NS, int(at_ns.max()) // TICK_NS
        yield
        pieces = cut(chunk, ticks[0] if ticks[0] == ticks[1] else at_ns // TICK_NS, self._first, row_of_worker)
        cell = self.river.cells(pieces.tick, pieces.row)
        bin_ = bins(chunk.gap_ns)
        coarse = coarse_bins(bin_)
        most_work = _WORK * len(rows) if len(rows) > _SMALL else 1 << 62
        stalls = judge(chunk, coarse, pieces, cell, self.river.late, self.medians, self._rule, most_work)
        if stalls is None:
            half = len(rows) // 2
            for part in (slice(half), slice(half, None)):
                extras = yield from self._part(rows, part, offset_ns, limit_ns, row_of_worker, extras)
            return
        yield
        self.river.add(cell, pieces.tokens)
        self._placements.add(pieces)
        self.gap.add_groups(pieces.second, pieces.row, pieces.gaps, chunk.gap_ns, bin_)
        first_told = self._add_first(chunk, pieces)
        self._add_stalls(chunk, pieces, at_ns, *stalls)
        yield
        if self.keep is not None:
            late = lateness(chunk, self.medians, chunk.position_of(stalls[0]))
            limit = int(np.max(limit_ns))
            self.keep(kept_rows(chunk, pieces, self.table, late, self.ids, offset_ns, limit, extras, row_of_worker))
        if self.hear is not None:
            row = pieces.row.repeat(pieces.deliveries)
            self.hear(Dealt(chunk, at_ns, row, self.ids, self.lives.name, *first_told))
        yield
        self.medians.remember(chunk, coarse)
        moved = remember_moves(chunk, pieces, self.table)
        smooth(chunk, self.table)
        first = pieces.row[pieces.begin.searchsorted(chunk.begin[chunk.fresh])]
        remember(chunk, first, pieces.row[pieces.last], self.table)
        self.lives.went_on(moved)
        self.holes += chunk.holes
        self.disorder += chunk.disorder

    def _add_first(self, chunk: Chunk, pieces: Pieces) -> tuple[Index, Ints]:
        """TTFT of the requests whose first token is in the chunk, for the worker that delivered it: the positions, and how long each took."""
        fresh = chunk.fresh
        if not len(fresh):
            return _NOTHING
        stream, begin = chunk.stream[fresh], chunk.begin[fresh]
        ttft = chunk.time_ns[begin] - self.table.received_ns[stream]
        first = (self.table.received_ns[stream] != UNSEEN) & (self.table.first_ns[stream] == UNSEEN)
        if chunk.flags is not None:
            first &= chunk.flags[begin] & WHOLE == 0
        first[1:] &= stream[1:] != stream[:-1]
        self.disorder += int(np.count_nonzero(first & (ttft < 0)))
        good = first & (ttft >= 0)
        piece = pieces.begin.searchsorted(begin[good])
        self.ttft.add(pieces.second[piece], pieces.row[piece], ttft[good])
        return begin[good], ttft[good]

    def _add_stalls(self, chunk: Chunk, pieces: Pieces, at_ns: Ints, gaps: Index, median_ns: Floats) -> None:
        if not len(gaps):
            return
        piece, gap_ns, at = pieces.of(gaps), chunk.gap_ns[gaps], chunk.position_of(gaps)
        row = pieces.row[piece]
        for second, mine in each_second(pieces.second[piece]):
            self.stalled.add(second, row[mine])
            self.longest_stall.add(second, row[mine], gap_ns[mine], gap_ns[mine])
        stream, first, tokens = chunk.stream[chunk.run_of(gaps)], chunk.after[at] - chunk.tokens[at], chunk.tokens[at]
        unknown = np.maximum(self.table.flags[stream], 0 if chunk.flags is None else chunk.flags[at]) > 0
        first, tokens = np.where(unknown, UNSEEN, first), np.where(unknown, UNSEEN, tokens)
        columns = at_ns[at], chunk.time_ns[at], stream, gap_ns, median_ns, row, first, tokens
        if len(gaps) > LEDGER:
            kept = np.logical_or(*(of >= np.partition(of, -LEDGER)[-LEDGER] for of in (at_ns[at], gap_ns)))
            columns = tuple(column[kept] for column in columns)
        stalls = zip(*(column.tolist() for column in columns), strict=True)
        self.ledger.add(Stall._make((*stall, self.lives.name(stall[2]))) for stall in stalls)
