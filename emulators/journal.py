"""What has happened since it was last asked: rows are written here by the workers and taken out as `Events`.

Columns that are the same for a whole step are written once for all its rows; nothing is made per token.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from emulators.blocks import Hashes, Run
from emulators.events import BLOCK, DELIVERY, EXTRA, OCCUPANCY, REMOVED, STAGES, STORED, TIERS, Events, Row, Rows
from emulators.stats import Ints

_DECODE: Final = STAGES.index("decode")
_WORDS: Final = DELIVERY.itemsize // 8
_STREAM: Final = 0xFFFF
_WORKER: Final = 0xFFFF << 16
"""Masks of the words of a delivery that hold them: the fourth, stream and first token, and the fifth. Streams are numbered below 65,536, so that the two make one number to sort by."""
_SORTABLE_NS: Final = 1 << 31
"""Times that are no further apart than this make one number with that."""


class Journal:
    """Rows of `docs/placement-stream.md`, in the order in which they happen.

    What is written often is kept as numbers, one after the other, and made rows when it is taken: a row or a field at a time would cost more
    than the whole simulation of a step. Deliveries and blocks are words of 8 bytes, as `DELIVERY` and `BLOCK` lay them out.
    """

    def __init__(self) -> None:
        self.requests: list[Row] = []
        self.decisions: list[Row] = []
        self.phases: list[Row] = []
        self.touched: list[int] = []
        """Pools, by slot, whose occupancy may have changed since they last reported."""
        self._clear()

    def _clear(self) -> None:
        self._delivered: tuple[list[Ints], list[Ints], list[Ints]] = [], [], []
        """Times, starts and fourth words of the deliveries, in pieces; `_places` is each piece's length and fifth word."""
        self._places: list[int] = []
        self._staged: list[tuple[int, Ints, tuple[int, int, int] | None]] = []
        """Of the pieces that are rounds: which piece, the tokens of each delivery, the words of the other stage that all of them have, if there is one."""
        self._delivered_singly: list[int] = []
        """Time, start, fourth and fifth word of each delivery that is a piece of its own."""
        self._block_heads: list[int] = []
        """Of blocks that have them in common: time, lateness, last word, how many they are. Those of different times have a lateness above 0, and the time at which they were told."""
        self._block_times: list[int] = []
        """The times of those that have different ones."""
        self._block_names: list[Hashes] = []
        self._occupancy: list[int] = []
        self._fillings: list[int] = []
        """Of the blocks that fill a pool one by one: how many, and what `occupied_singly` is told; `_filling_times` is when each does."""
        self._filling_times: list[int] = []

    def deliver_steps(self, worker: int, tier: int, times_ns: Ints, starts_ns: Ints, tokens: Ints) -> None:
        """One token of each of several requests in each of several steps; `tokens` are those of the first, as indices from bit 32 on and streams."""
        steps, width = len(times_ns), len(tokens)
        if width > 1:
            times_ns, starts_ns = times_ns.repeat(width), starts_ns.repeat(width)
        if steps > 1:
            tokens = (tokens + np.arange(0, steps << 32, 1 << 32)[:, None]).ravel()
        self._deliver(worker, tier, times_ns, starts_ns, tokens)

    def deliver_run(
        self, worker: int, tier: int, times_ns: Ints, starts_ns: Ints, stream: int, first_token: int
    ) -> None:
        """Consecutive tokens of one request, one at a time, from `first_token` on."""
        begin = (first_token << 32) + stream
        self._deliver(worker, tier, times_ns, starts_ns, np.arange(begin, begin + (len(times_ns) << 32), 1 << 32))

    def _deliver(self, worker: int, tier: int, times_ns: Ints, starts_ns: Ints, tokens: Ints) -> None:
        times, starts, words = self._delivered
        times.append(times_ns)
        starts.append(starts_ns)
        words.append(tokens)
        self._places += (len(tokens), _place(worker, tier))

    def deliver_round(
        self, place: int, time_ns: int, start_ns: int, tokens: Ints, counts: Ints, beside: tuple[int, int, int] | None
    ) -> None:
        """`counts` tokens of each of several requests at once, from `tokens` on (as in `deliver_steps`), and perhaps another stage that all of them passed: its start, its
        duration and `place` without the lowest 16 bits."""
        width, (times, starts, words) = len(tokens), self._delivered
        self._staged.append((len(times), counts, beside))
        times.append(np.full(width, time_ns))
        starts.append(np.full(width, start_ns))
        words.append(tokens)
        self._places += (width, place)

    def deliver_one(self, worker: int, tier: int, time_ns: int, start_ns: int, stream: int, first_token: int) -> None:
        self._delivered_singly += (time_ns, start_ns, (first_token << 32) + stream, _place(worker, tier))

    def blocks(self, time_ns: int, word: int, runs: Sequence[Run]) -> None:
        """Blocks that a pool has or has lost from now on; `word` says which pool, and which of both (`block_words`), here and below."""
        heads, names = self._block_heads, self._block_names
        for chain, lo, hi in runs:
            heads += (time_ns, 0, word, hi - lo)
            names.append(chain.names(lo, hi))

    def blocks_backwards(self, time_ns: int, word: int, runs: Sequence[Run]) -> None:
        """The same; of each run the last block came, or went, first."""
        heads, names = self._block_heads, self._block_names
        for chain, lo, hi in runs:
            heads += (time_ns, 0, word, hi - lo)
            names.append(chain.backwards(lo, hi))

    def stored_singly(self, now_ns: int, times_ns: Sequence[int], word: int, runs: Sequence[Run]) -> None:
        """One block at each of these times, some of them before now."""
        self._add_singly(now_ns, times_ns, word)
        self._block_names += [chain.names(lo, hi) for chain, lo, hi in runs]

    def removed_singly(self, now_ns: int, times_ns: Sequence[int], word: int, runs: Sequence[Run]) -> None:
        """One block at each of these times, some of them before now; of each run the last went first."""
        self._add_singly(now_ns, times_ns, word)
        self._block_names += [chain.backwards(lo, hi) for chain, lo, hi in runs]

    def _add_singly(self, now_ns: int, times_ns: Sequence[int], word: int) -> None:
        # What comes late goes behind what came in time, by pool: so it does not matter when it comes.
        self._block_heads += (now_ns, 1 + (word >> 32 & 0xFFFF), word, len(times_ns))
        self._block_times += times_ns

    def occupied(self, time_ns: int, pool: int, used_bytes: int, active_bytes: int) -> None:
        self._occupancy += (time_ns, pool, used_bytes, active_bytes)

    def occupied_singly(
        self, times_ns: Sequence[int], pool: int, block_bytes: int, used: int, active: int, capacity: int
    ) -> None:
        """One active block more at each of these times, in order; `used` and `active` are the blocks before the first."""
        self._fillings += (len(times_ns), pool, block_bytes, used, active, capacity)
        self._filling_times += times_ns

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
        deliveries, extras = self._delivery_rows()
        events = Events(
            deliveries=deliveries,
            extras=extras,
            blocks=self._block_rows(),
            occupancy=self._occupancy_rows(),
            requests=self.requests,
            decisions=self.decisions,
            phases=self.phases,
        )
        self.requests, self.decisions, self.phases = [], [], []
        self._clear()
        return events

    def _delivery_rows(self) -> tuple[Rows, Rows]:
        single, pieces = _table(self._delivered_singly, 4), _table(self._places, 2)
        times, starts, tokens = (np.concatenate([single[:, at], *parts]) for at, parts in enumerate(self._delivered))
        places = np.concatenate([single[:, 3], pieces[:, 1].repeat(pieces[:, 0])])
        staged = self._count_staged(places, len(single), pieces[:, 0]) if self._staged else None
        order = _ordered(times, places & _WORKER | tokens & _STREAM)
        rows = np.empty((len(order), _WORDS), "<i8")
        for at, column in enumerate((times, starts, times - starts, tokens, places)):
            rows[:, at] = column[order]
        extras = np.empty(0, EXTRA)
        if staged is not None:
            of = staged[order]
            beside = np.array([words or (0, 0, 0) for _, _, words in self._staged], "<i8")
            extras = beside[of[of >= 0]].view(EXTRA)[:, 0]
        return rows.view(DELIVERY)[:, 0], extras

    def _count_staged(self, places: Ints, singles: int, lengths: Ints) -> Ints:
        """Adds to the places of deliveries of rounds how many tokens they are; for each delivery where in `_staged` its other stage is, −1 for none."""
        staged: Ints = np.full(len(places), -1)
        ends = singles + lengths.cumsum()
        for number, (piece, tokens, beside) in enumerate(self._staged):
            end = int(ends[piece])
            places[end - len(tokens) : end] += tokens
            if beside is not None:
                staged[end - len(tokens) : end] = number
        return staged

    def _block_rows(self) -> Rows:
        if not self._block_heads:
            return np.empty(0, BLOCK)
        heads = _table(self._block_heads, 4)
        singly = heads[:, 1] > 0
        parts = np.where(singly, heads[:, 3], 1)
        times, late, words, counts = heads.repeat(parts, axis=0).T
        singly = singly.repeat(parts)
        told = times[singly]
        times[singly] = self._block_times
        late[singly] *= times[singly] < told
        counts[singly] = 1
        order = np.lexsort((late, times))
        ends = counts.cumsum()
        counts = counts[order]
        rows = np.empty((int(ends[-1]), 3), "<i8")
        rows[:, 0] = times[order].repeat(counts)
        begins = (ends[order] - counts.cumsum()).repeat(counts)
        rows[:, 1] = np.concatenate(self._block_names).view("<i8")[begins + np.arange(len(rows))]
        rows[:, 2] = words[order].repeat(counts)
        return rows.view(BLOCK)[:, 0]

    def _occupancy_rows(self) -> Rows:
        rows = np.concatenate([_table(self._occupancy, 4), self._filling_rows()])
        return rows[np.lexsort((rows[:, 1], rows[:, 0]))].view(OCCUPANCY)[:, 0]

    def _filling_rows(self) -> Ints:
        fillings, times = _table(self._fillings, 6), _table(self._filling_times, 1)[:, 0]
        counts = fillings[:, 0]
        first = (counts.cumsum() - counts).repeat(counts)
        _, pool, block_bytes, used, active, capacity = fillings.repeat(counts, axis=0).T
        more = np.arange(1, len(times) + 1) - first
        rows = np.stack(
            (times, pool, np.minimum(used + more, capacity) * block_bytes, (active + more) * block_bytes), axis=1
        )
        # Of those at the same time the last says it.
        last: Ints = rows[np.append((times[1:] != times[:-1]) | (first[1:] != first[:-1]), True)[: len(rows)]]
        return last


def place(worker: int, tier: int, stage: str, extra: int = 0) -> int:
    """The last word of a delivery, without its tokens: by this worker, in this tier and stage, with so many stages beside it."""
    return (worker << 16) + (tier << 32) + (STAGES.index(stage) << 40) + (extra << 48)


def _place(worker: int, tier: int) -> int:
    """The last word of a delivery: one token, decoded by this worker in this tier."""
    return 1 + (worker << 16) + (tier << 32) + (_DECODE << 40)


def block_words(pool: int, block_bytes: int) -> tuple[int, int]:
    """The last words of a block that is stored in this pool, and of one that is removed from it."""
    word = block_bytes + (pool << 32)
    return word + (STORED << 48), word + (REMOVED << 48)


def tier_code(name: str) -> int:
    return TIERS.index(name)


def _table(numbers: Sequence[int], width: int) -> Ints:
    """Rows of so many of them."""
    return np.fromiter(numbers, "<i8", len(numbers)).reshape(-1, width)


def _ordered(times: Ints, then: Ints) -> Ints:
    """In which order they are ascending; `then`, below 2 ** 32, where they are equal."""
    if len(times) and times.max() - times.min() < _SORTABLE_NS:
        return np.argsort((times - times.min() << 32) | then, kind="stable")
    return np.lexsort((then, times))
