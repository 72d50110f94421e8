"""What has happened since it was last asked: rows are written here by the workers and taken out as `Events`.

Columns that are the same for a whole step are written once for all its rows; nothing is made per token.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from emulators.blocks import Hashes, Run
from emulators.events import BLOCK, DELIVERY, OCCUPANCY, REMOVED, STAGES, STORED, TIERS, Events, Row, Rows
from emulators.stats import Ints

DECODE: Final = STAGES.index("decode")


class Journal:
    """Rows of `docs/placement-stream.md`, in the order in which they happen."""

    def __init__(self) -> None:
        self.requests: list[Row] = []
        self.decisions: list[Row] = []
        self.phases: list[Row] = []
        self._block_heads: list[tuple[int, int, int, int]] = []
        self._block_names: list[Hashes] = []
        self._occupancy: list[tuple[int, int, int, int]] = []
        self._length = 0
        self._grow(4096)

    def deliver_steps(
        self, worker: int, tier: int, times_ns: Ints, starts_ns: Ints, streams: Ints, first_token: Ints
    ) -> None:
        """One token of each of several requests in each of several steps; `first_token` are their indices in the first step."""
        steps, width = len(times_ns), len(streams)
        at, end = self._length, self._length + steps * width
        if end > self._capacity:
            self._grow(end)
        self._worker[at:end] = worker
        self._tier[at:end] = tier
        if steps == 1:
            self._time[at:end] = times_ns[0]
            self._start[at:end] = starts_ns[0]
            self._duration[at:end] = times_ns[0] - starts_ns[0]
            self._stream[at:end] = streams
            self._first[at:end] = first_token
        else:
            self._time[at:end] = np.repeat(times_ns, width)
            self._start[at:end] = np.repeat(starts_ns, width)
            self._duration[at:end] = np.repeat(times_ns - starts_ns, width)
            self._stream[at:end] = np.tile(streams, steps)
            self._first[at:end] = (first_token + np.arange(steps)[:, None]).ravel()
        self._length = end

    def deliver_run(
        self, worker: int, tier: int, times_ns: Ints, starts_ns: Ints, stream: int, first_token: int
    ) -> None:
        """Consecutive tokens of one request, one at a time, from `first_token` on."""
        at, end = self._length, self._length + len(times_ns)
        if end > self._capacity:
            self._grow(end)
        self._time[at:end] = times_ns
        self._start[at:end] = starts_ns
        self._duration[at:end] = times_ns - starts_ns
        self._stream[at:end] = stream
        self._first[at:end] = np.arange(first_token, first_token + len(times_ns))
        self._worker[at:end] = worker
        self._tier[at:end] = tier
        self._length = end

    def deliver_one(self, worker: int, tier: int, time_ns: int, start_ns: int, stream: int, first_token: int) -> None:
        at = self._length
        if at == self._capacity:
            self._grow(at + 1)
        self._rows[at] = (time_ns, start_ns, time_ns - start_ns, stream, first_token, 1, worker, tier, DECODE, 0, 0)
        self._length = at + 1

    def stored(
        self, time_ns: int, pool: int, block_bytes: int, runs: Sequence[Run], *, backwards: bool = False
    ) -> None:
        """`backwards`: of each run the last block came first."""
        for chain, lo, hi in runs:
            names = chain.names(lo, hi)
            self._block_heads.append((time_ns, pool, STORED, block_bytes))
            self._block_names.append(names[::-1] if backwards else names)

    def removed(self, time_ns: int, pool: int, block_bytes: int, runs: Sequence[Run]) -> None:
        """Of each run the last block went first."""
        for chain, lo, hi in runs:
            self._block_heads.append((time_ns, pool, REMOVED, block_bytes))
            self._block_names.append(chain.names(lo, hi)[::-1])

    def occupied(self, time_ns: int, pool: int, used_bytes: int, active_bytes: int) -> None:
        self._occupancy.append((time_ns, pool, used_bytes, active_bytes))

    def phase(self, request: str, phase: str, worker: int, tier: str, start_ns: int, end_ns: int, **more: int) -> None:
        """A phase that has ended now. `more`: `tokens` or `bytes`."""
        row = {"request": request, "phase": phase, "worker": worker, "tier": tier, "start_ns": start_ns}
        self.phases.append({**row, "duration_ns": end_ns - start_ns, **more})

    def take(self) -> Events:
        """Everything since the last call; deliveries in order of time, then worker, then stream."""
        rows = self._rows[: self._length]
        rows = rows[np.lexsort((rows["stream"], rows["worker"], rows["time_ns"]))]
        events = Events(
            deliveries=rows,
            blocks=_block_rows(self._block_heads, self._block_names),
            occupancy=np.array(self._occupancy, OCCUPANCY),
            requests=self.requests,
            decisions=self.decisions,
            phases=self.phases,
        )
        self.requests, self.decisions, self.phases = [], [], []
        self._block_heads, self._block_names = [], []
        self._occupancy, self._length = [], 0
        return events

    def _grow(self, length: int) -> None:
        rows = np.zeros(max(length, 2 * self._length), DELIVERY)
        rows["tokens"] = 1
        rows["stage"] = DECODE
        rows[: self._length] = self._rows[: self._length] if self._length else 0
        self._rows: Rows = rows
        self._capacity = len(rows)
        # Taking a field of a structured array costs more than writing a short column, so the views are kept.
        self._time, self._start, self._duration = rows["time_ns"], rows["start_ns"], rows["duration_ns"]
        self._stream, self._first = rows["stream"], rows["first_token"]
        self._worker, self._tier = rows["worker"], rows["tier"]


def tier_code(name: str) -> int:
    return TIERS.index(name)


def _block_rows(heads: list[tuple[int, int, int, int]], names: list[Hashes]) -> Rows:
    lengths = [len(run) for run in names]
    rows = np.zeros(sum(lengths), BLOCK)
    if heads:
        columns = np.array(heads, np.int64).T
        for column, values in zip(("time_ns", "pool", "op", "bytes"), columns, strict=True):
            rows[column] = np.repeat(values, lengths)
        rows["hash"] = np.concatenate(names)
    return rows
