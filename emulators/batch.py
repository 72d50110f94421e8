"""The sequences that a GPU worker decodes, as columns: a step moves them all at once."""

import numpy as np

from emulators.blocks import BLOCK_TOKENS
from emulators.request import Request
from emulators.stats import Ints

_STREAM, _PRODUCED, _OUTPUT, _KV, _LAST = range(5)


class Batch:
    """One column a sequence, in the order in which they joined. Requests are brought up to date when they leave."""

    __slots__ = ("_columns", "_requests", "size")

    def __init__(self) -> None:
        self.size = 0
        self._requests: list[Request] = []
        self._columns: Ints = np.zeros((5, 64), np.int64)

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
    def attended(self) -> int:
        """Tokens of context in all sequences."""
        return int(self._columns[_KV, : self.size].sum())

    def join(self, request: Request) -> None:
        if self.size == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
        row = (request.stream, request.produced, request.output, request.computed, request.last_ns)
        self._columns[:, self.size] = row
        self._requests.append(request)
        self.size += 1

    def leave(self, request: Request) -> None:
        self._remove(np.array([self._requests.index(request)]))

    def at_block_start(self) -> list[tuple[Request, int]]:
        """Sequences whose next token's KV begins a block, and its position."""
        kv = self._columns[_KV, : self.size]
        return [(self._requests[at], int(kv[at])) for at in np.flatnonzero(kv % BLOCK_TOKENS == 0)]

    def advance(self, now_ns: int) -> list[Request]:
        """One token more for each; removes and gives those that now have all."""
        columns = self._columns[:, : self.size]
        columns[_PRODUCED] += 1
        columns[_KV] += 1
        columns[_LAST] = now_ns
        done = np.flatnonzero(columns[_PRODUCED] == columns[_OUTPUT])
        return self._remove(done) if len(done) else []

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
