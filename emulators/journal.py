"""What has happened since it was last asked: rows are written here by the workers and taken out as `Events`.

Columns that are the same for a whole step are written once for all its rows; nothing is made per token.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Final

import numpy as np

from emulators.blocks import Hashes, Run
from emulators.events import BLOCK, DELIVERY, OCCUPANCY, REMOVED, STAGES, STORED, TIERS, Events, Row, Rows
from emulators.stats import Ints

DECODE: Final = STAGES.index("decode")
_WORDS: Final = DELIVERY.itemsize // 8
_TIME, _START, _DURATION, _TOKEN, _PLACE = range(_WORDS)
"""Words of 8 bytes of a delivery: what is written field by field costs more than the whole simulation of a step. `_TOKEN` is stream and first token, `_PLACE` the rest."""
_STREAM: Final = 0xFFFF
_WORKER: Final = 0xFFFF << 16
"""Masks of `_TOKEN` and `_PLACE`; streams are numbered below 65,536, so that the two make one number to sort by."""


class Journal:
    """Rows of `docs/placement-stream.md`, in the order in which they happen."""

    def __init__(self) -> None:
        self.requests: list[Row] = []
        self.decisions: list[Row] = []
        self.phases: list[Row] = []
        self._block_heads: list[tuple[int, int, int, int, int]] = []
        self._block_counts: list[int] = []
        self._block_names: list[Hashes] = []
        """Blocks in order; each head is that of so many of them."""
        self._occupancy: list[tuple[int, int, int, int]] = []
        self.touched: list[int] = []
        """Pools, by slot, whose occupancy may have changed since they last reported."""
        self._rows: Ints = np.zeros((4096, _WORDS), "<i8")
        self._length = 0

    def deliver_steps(
        self, worker: int, tier: int, times_ns: Ints, starts_ns: Ints, streams: Ints, first_token: Ints
    ) -> None:
        """One token of each of several requests in each of several steps; `first_token` are their indices in the first step."""
        steps, width = len(times_ns), len(streams)
        rows = self._more(steps * width).reshape(steps, width, _WORDS)
        rows[..., _TIME] = times_ns[:, None]
        rows[..., _START] = starts_ns[:, None]
        rows[..., _DURATION] = (times_ns - starts_ns)[:, None]
        tokens = first_token if steps == 1 else first_token + np.arange(steps)[:, None]
        rows[..., _TOKEN] = (tokens << 32) + streams
        rows[..., _PLACE] = _place(worker, tier)

    def deliver_run(
        self, worker: int, tier: int, times_ns: Ints, starts_ns: Ints, stream: int, first_token: int
    ) -> None:
        """Consecutive tokens of one request, one at a time, from `first_token` on."""
        count = len(times_ns)
        rows = self._more(count)
        rows[:, _TIME] = times_ns
        rows[:, _START] = starts_ns
        rows[:, _DURATION] = times_ns - starts_ns
        begin = (first_token << 32) + stream
        rows[:, _TOKEN] = np.arange(begin, begin + (count << 32), 1 << 32)
        rows[:, _PLACE] = _place(worker, tier)

    def deliver_one(self, worker: int, tier: int, time_ns: int, start_ns: int, stream: int, first_token: int) -> None:
        token = (first_token << 32) + stream
        self._more(1)[0] = time_ns, start_ns, time_ns - start_ns, token, _place(worker, tier)

    def stored(
        self, time_ns: int, pool: int, block_bytes: int, runs: Sequence[Run], *, backwards: bool = False
    ) -> None:
        """`backwards`: of each run the last block came first."""
        head = time_ns, 0, pool, STORED, block_bytes
        for blocks, lo, hi in runs:
            names = blocks.names(lo, hi)
            self._block_heads.append(head)
            self._block_counts.append(hi - lo)
            self._block_names.append(names[::-1] if backwards else names)

    def removed(self, time_ns: int, pool: int, block_bytes: int, runs: Sequence[Run]) -> None:
        """Of each run the last block went first."""
        head = time_ns, 0, pool, REMOVED, block_bytes
        for blocks, lo, hi in runs:
            self._block_heads.append(head)
            self._block_counts.append(hi - lo)
            self._block_names.append(blocks.names(lo, hi)[::-1])

    def stored_singly(self, now_ns: int, times_ns: Sequence[int], pool: int, block_bytes: int, run: Run) -> None:
        """One block at each of these times, some of them before now."""
        blocks, lo, hi = run
        self._add_singly(now_ns, times_ns, pool, STORED, block_bytes)
        self._block_names.append(blocks.names(lo, hi))

    def removed_singly(
        self, now_ns: int, times_ns: Sequence[int], pool: int, block_bytes: int, runs: Sequence[Run]
    ) -> None:
        """One block at each of these times, some of them before now; of each run the last went first."""
        self._add_singly(now_ns, times_ns, pool, REMOVED, block_bytes)
        self._block_names += [blocks.names(lo, hi)[::-1] for blocks, lo, hi in runs]

    def _add_singly(self, now_ns: int, times_ns: Sequence[int], pool: int, op: int, block_bytes: int) -> None:
        # What comes late goes behind what came in time, by pool: so it does not matter when it comes.
        late = pool + 1
        self._block_heads += [(time, late if time < now_ns else 0, pool, op, block_bytes) for time in times_ns]
        self._block_counts += [1] * len(times_ns)

    def occupied(self, time_ns: int, pool: int, used_bytes: int, active_bytes: int) -> None:
        self._occupancy.append((time_ns, pool, used_bytes, active_bytes))

    def phase(self, request: str, phase: str, worker: int, tier: str, start_ns: int, end_ns: int, **more: int) -> None:
        """A phase that has ended now. `more`: `tokens` or `bytes`."""
        row: Row = {
            "request": request,
            "phase": phase,
            "worker": worker,
            "tier": tier,
            "start_ns": start_ns,
            "duration_ns": end_ns - start_ns,
        }
        if more:
            row |= more
        self.phases.append(row)

    def take(self) -> Events:
        """Everything since the last call; deliveries in order of time, then worker, then stream."""
        rows = self._rows[: self._length]
        rows = rows[np.lexsort((rows[:, _PLACE] & _WORKER | rows[:, _TOKEN] & _STREAM, rows[:, _TIME]))]
        events = Events(
            deliveries=rows.view(DELIVERY)[:, 0],
            blocks=self._block_rows(),
            occupancy=self._occupancy_rows(),
            requests=self.requests,
            decisions=self.decisions,
            phases=self.phases,
        )
        self.requests, self.decisions, self.phases = [], [], []
        self._block_heads, self._block_counts, self._block_names = [], [], []
        self._occupancy, self._length = [], 0
        return events

    def _block_rows(self) -> Rows:
        if not self._block_heads:
            return np.empty(0, BLOCK)
        times, late, *columns = _table(self._block_heads).T.repeat(self._block_counts, axis=1)
        order = np.lexsort((late, times))
        rows = np.zeros(len(order), BLOCK)
        for column, values in zip(("time_ns", "pool", "op", "bytes"), (times, *columns), strict=True):
            rows[column] = values[order]
        rows["hash"] = np.concatenate(self._block_names)[order]
        return rows

    def _occupancy_rows(self) -> Rows:
        if not self._occupancy:
            return np.empty(0, OCCUPANCY)
        rows = _table(self._occupancy)
        return rows[np.lexsort((rows[:, 1], rows[:, 0]))].view(OCCUPANCY)[:, 0]

    def _more(self, count: int) -> Ints:
        """The next so many rows, to be written."""
        at, end = self._length, self._length + count
        if end > len(self._rows):
            rows = np.zeros((max(end, 2 * at), _WORDS), "<i8")
            rows[:at] = self._rows[:at]
            self._rows = rows
        self._length = end
        return self._rows[at:end]


def _place(worker: int, tier: int) -> int:
    """The last word of a delivery: one token, decoded by this worker in this tier."""
    return 1 + (worker << 16) + (tier << 32) + (DECODE << 40)


def tier_code(name: str) -> int:
    return TIERS.index(name)


def _table(rows: Sequence[tuple[int, ...]]) -> Ints:
    """A row each, all of the same length; at least one."""
    width = len(rows[0])
    return np.fromiter(chain.from_iterable(rows), "<i8", width * len(rows)).reshape(-1, width)
