"""The sequences that a GPU worker decodes, as columns: a step moves them all at once."""

import numpy as np

from emulators.blocks import BLOCK_TOKENS
from emulators.request import Request
from emulators.stats import Ints

_STREAM, _PRODUCED, _OUTPUT, _KV, _LAST, _HELD = range(6)


class Batch:
    """One column a sequence, in the order in which they joined. Requests are brought up to date when they leave."""

    __slots__ = ("_columns", "_requests", "size")

    def __init__(self) -> None:
        self.size = 0
        self._requests: list[Request] = []
        self._columns: Ints = np.zeros((6, 64), np.int64)

    @property
    def streams(self) -> Ints:
        return self._columns[_STREAM, : self.size]

    @property
    def produced(self) -> Ints:
        """Output tokens so far: the index of the next."""
        return self._columns[_PRODUCED, : self.size]

    @property
    def last_ns(self) -> Ints:
        """When the last token of each was delivered."""
        return self._columns[_LAST, : self.size]

    @property
    def kv(self) -> Ints:
        """Tokens of context of each."""
        return self._columns[_KV, : self.size]

    def least_left(self) -> int:
        """Steps until the first of them has all its tokens."""
        return int((self._columns[_OUTPUT, : self.size] - self._columns[_PRODUCED, : self.size]).min())

    def join(self, request: Request) -> None:
        if self.size == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
        row = (request.stream, request.produced, request.output, request.computed, request.last_ns, request.held)
        self._columns[:, self.size] = row
        self._requests.append(request)
        self.size += 1

    def leave(self, request: Request) -> None:
        self._remove(np.array([self._requests.index(request)]))

    def blocks_short(self, steps: int) -> int:
        """Blocks that all sequences together lack for so many more tokens each."""
        return int(self._short(steps).sum())

    def short(self, steps: int) -> list[tuple[Request, int, int]]:
        """Sequences that lack blocks for so many more tokens, how many each then holds, and where each stands."""
        short = self._short(steps)
        lacking = np.flatnonzero(short)
        held = self._columns[_HELD, lacking] + short[lacking]
        return [(self._requests[at], holds, at) for at, holds in zip(lacking.tolist(), held.tolist(), strict=True)]

    def hold(self, request: Request, held: int, at: int) -> None:
        """Notes that a sequence now holds its first `held` blocks; `at` is where it stood, before others may have left."""
        request.held = held
        if at >= self.size or self._requests[at] is not request:
            at = self._requests.index(request)
        self._columns[_HELD, at] = held

    def advance(self, steps: int, now_ns: int) -> None:
        """So many tokens more for each, the last of them now."""
        columns = self._columns[:, : self.size]
        columns[_PRODUCED] += steps
        columns[_KV] += steps
        columns[_LAST] = now_ns

    def take_finished(self) -> list[Request]:
        """Removes and gives those that have all their tokens."""
        done = np.flatnonzero(self.produced == self._columns[_OUTPUT, : self.size])
        return self._remove(done) if len(done) else []

    def _short(self, steps: int) -> Ints:
        need: Ints = -(-(self._columns[_KV, : self.size] + steps) // BLOCK_TOKENS)
        lacking: Ints = np.maximum(need - self._columns[_HELD, : self.size], 0)
        return lacking

    def _remove(self, at: Ints) -> list[Request]:
        gone = [self._requests[i] for i in at]
        for i, request in zip(at, gone, strict=True):
            request.produced, request.computed, request.last_ns = (
                int(self._columns[row, i]) for row in (_PRODUCED, _KV, _LAST)
            )
        keep = np.ones(self.size, bool)
        keep[at] = False
        self._requests = [request for request, kept in zip(self._requests, keep, strict=True) if kept]
        self._columns[:, : len(self._requests)] = self._columns[:, : self.size][:, keep]
        self.size = len(self._requests)
        return gone
