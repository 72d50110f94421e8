"""The sequences that a GPU worker decodes, as columns: a step moves them all at once."""

import numpy as np

from emulators.blocks import BLOCK_TOKENS
from emulators.request import Request
from emulators.stats import Ints

_STREAM, _PRODUCED, _OUTPUT, _KV, _LAST, _HELD = range(6)


class Batch:
    """One column a sequence, in the order in which they joined. Requests are brought up to date when they leave."""

    __slots__ = ("_columns", "_covered", "_left", "_requests", "size")

    def __init__(self) -> None:
        self.size = 0
        self._left: int | None = None
        """Steps until the first has all its tokens; None if that is to be worked out."""
        self._covered = 0
        """Steps for which each has blocks, at least."""
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
        if self._left is None:
            self._left = int((self._columns[_OUTPUT, : self.size] - self._columns[_PRODUCED, : self.size]).min())
        return self._left

    def join(self, request: Request) -> None:
        if self.size == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
        row = (request.stream, request.produced, request.output, request.computed, request.last_ns, request.held)
        self._columns[:, self.size] = row
        self._requests.append(request)
        covered = request.held * BLOCK_TOKENS - request.computed
        self._covered = min(self._covered, covered) if self.size else covered
        self._left = None
        self.size += 1

    def leave(self, request: Request) -> None:
        self._remove(np.array([self._requests.index(request)]))

    def short(self, steps: int) -> list[tuple[Request, int, int]]:
        """Sequences that lack blocks for so many more tokens, how many each then holds, and where each stands."""
        if steps <= self._covered or not self.size:
            return []
        columns = self._columns[:, : self.size]
        need = -(-(columns[_KV] + steps) // BLOCK_TOKENS)
        lacking = (need > columns[_HELD]).nonzero()[0]
        if not len(lacking):
            self._covered = steps
        held = need[lacking].tolist()
        return [(self._requests[at], holds, at) for at, holds in zip(lacking.tolist(), held, strict=True)]

    def covered(self, steps: int) -> None:
        """Notes that all have blocks for so many more tokens."""
        self._covered = max(self._covered, steps)

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
        self._covered -= steps
        if self._left is not None:
            self._left -= steps

    def take_finished(self) -> list[Request]:
        """Removes and gives those that have all their tokens."""
        if self.least_left():
            return []
        done = (self.produced == self._columns[_OUTPUT, : self.size]).nonzero()[0]
        return self._remove(done)

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
        self._left = None
        return gone
