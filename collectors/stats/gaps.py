"""The hot path: deliveries in, per worker their tokens, gaps, first-token times and stalls out. Columns only; a Python object for a stall, none for a token."""

from typing import Final

import numpy as np

from collectors.model.batch import Rows
from collectors.stats.histograms import Histograms
from collectors.stats.lives import Lives
from collectors.stats.medians import GapMedians, coarse_bins
from collectors.stats.placements import Placements
from collectors.stats.river import TICK_NS, River
from collectors.stats.sketch import Index, Ints, bins
from collectors.stats.slots import SECOND_NS, Extremes, Slots, each_second
from collectors.stats.stalls import LEDGER, Ledger, Rule, Stall, Verdict, judge
from collectors.stats.streams import UNSEEN, Chunk, StreamTable, arrange, remember

CHUNK: Final = 16_384
"""Deliveries that are dealt with at once: enough to pay for the fixed cost, few enough to stay in the cache."""
_WORK: Final = 32
"""Earlier gaps that judging may look at, per delivery; past that the chunk is cut in half, which halves them."""
_SMALL: Final = 64
"""Deliveries that are judged whatever it takes."""


class GapStats:
    """Deliveries of one source by row. Shares the stream table with the requests' bookkeeping."""

    def __init__(self, rows: int, rule: Rule, placements: Placements) -> None:
        self.table = StreamTable()
        self.medians = GapMedians(self.table.size)
        self.lives = Lives(self.table, self.medians)
        self.gap = Histograms(rows)
        self.ttft = Histograms(rows)
        self.stalled = Slots(rows)
        self.longest_stall = Extremes(rows)
        self.ledger = Ledger()
        self.river = River(rows)
        self.holes = 0
        self.disorder = 0
        self._rows = rows
        self._rule = rule
        self._placements = placements

    def resize(self, rows: int) -> None:
        self._rows = rows
        for part in (self.gap, self.ttft, self.stalled, self.longest_stall, self.river):
            part.resize(rows)

    def expire(self, first: int) -> None:
        for part in (self.gap, self.ttft, self.stalled, self.longest_stall):
            part.expire(first)
        self.ledger.expire(first * SECOND_NS)

    def add(self, rows: Rows, at_ns: Ints, row_of_worker: Index) -> None:
        """Deliveries in the order of the stream; `at_ns` is their session time."""
        size = int(rows["stream"].max()) + 1
        self.table.reserve(size)
        self.medians.reserve(self.table.size)
        for start in range(0, len(rows), CHUNK):
            self._digest(rows[start : start + CHUNK], at_ns[start : start + CHUNK], row_of_worker)

    def _digest(self, rows: Rows, at_ns: Ints, row_of_worker: Index) -> None:
        chunk = arrange(rows, row_of_worker, self.table)
        at_ns = at_ns.take(chunk.order)
        row, gap_at_ns = chunk.row[chunk.at], at_ns[chunk.at]
        bin_ = bins(chunk.gap_ns)
        coarse = coarse_bins(bin_)

        tick = at_ns // TICK_NS
        self.river.reach(int(tick.max()))
        # Ticks that have left the river all count in one that is thrown away.
        first = max(int(tick.min()), self.river.oldest) - 1
        tick = np.maximum(tick - first, 0)
        late = self.river.late(first, int(tick.max()) + 1).reshape(-1)
        cell = tick[chunk.at] * self._rows + row
        most_work = _WORK * len(rows) if len(rows) > _SMALL else 1 << 62
        verdict = judge(chunk, coarse, cell, late, self.medians, self._rule, most_work)
        if verdict is None:
            half = len(rows) // 2
            unsorted_ns = np.empty_like(at_ns)
            unsorted_ns[chunk.order] = at_ns
            self._digest(rows[:half], unsorted_ns[:half], row_of_worker)
            self._digest(rows[half:], unsorted_ns[half:], row_of_worker)
            return

        self.river.set_late(first + 1, verdict.late.reshape(-1, self._rows)[1:])
        seen = tick > 0
        self.river.add_tokens(tick[seen] + first, chunk.row[seen], chunk.tokens[seen])
        tier, stage = rows["tier"].take(chunk.order), rows["stage"].take(chunk.order)
        for second, mine in each_second(at_ns // SECOND_NS):
            self._placements.add(second, chunk.row[mine], tier[mine], stage[mine], chunk.tokens[mine])
        for second, mine in each_second(gap_at_ns // SECOND_NS):
            self.gap.add(second, row[mine], chunk.gap_ns[mine], bin_[mine])
        self._add_first(chunk, at_ns)
        self._add_stalls(chunk, row, gap_at_ns, verdict)
        self.medians.remember(chunk, coarse, self.medians.before(chunk))
        remember(chunk, self.table)
        self.holes += chunk.holes
        self.disorder += chunk.disorder

    def _add_first(self, chunk: Chunk, at_ns: Ints) -> None:
        """TTFT of the requests whose first token is in the chunk, for the worker that delivered it."""
        fresh = np.flatnonzero(chunk.fresh)
        if not len(fresh):
            return
        stream, begin = chunk.stream[fresh], chunk.begin[fresh]
        ttft = chunk.time_ns[begin] - self.table.received_ns[stream]
        first = (self.table.received_ns[stream] != UNSEEN) & (self.table.first_ns[stream] == UNSEEN)
        first[1:] &= stream[1:] != stream[:-1]
        self.disorder += int(np.count_nonzero(first & (ttft < 0)))
        good = first & (ttft >= 0)
        begin = begin[good]
        self.ttft.add_each(at_ns[begin] // SECOND_NS, chunk.row[begin], ttft[good])

    def _add_stalls(self, chunk: Chunk, row: Index, at_ns: Ints, verdict: Verdict) -> None:
        gaps = verdict.gaps
        if not len(gaps):
            return
        for second, mine in each_second(at_ns[gaps] // SECOND_NS):
            self.stalled.add(second, row[gaps[mine]])
            self.longest_stall.add(second, row[gaps[mine]], chunk.gap_ns[gaps[mine]])
        kept = np.arange(len(gaps))
        if len(gaps) > LEDGER:
            oldest_kept = np.partition(at_ns[gaps], -LEDGER)[-LEDGER]
            kept = np.flatnonzero(at_ns[gaps] >= oldest_kept)
        self.ledger.add(
            Stall(
                int(at_ns[gap]),
                int(chunk.time_ns[chunk.at[gap]]),
                int(stream := chunk.stream[chunk.run[gap]]),
                int(chunk.gap_ns[gap]),
                float(median),
                int(row[gap]),
                self.lives.name(int(stream)),
            )
            for gap, median in zip(gaps[kept].tolist(), verdict.median_ns[kept].tolist(), strict=True)
        )
