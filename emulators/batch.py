"""The sequences that a GPU worker decodes, as columns: a step moves them all at once."""

import numpy as np

from emulators.blocks import BLOCK_TOKENS, blocks_for
from emulators.request import Request
from emulators.stats import Ints

_WORD, _LEFT, _KV, _ROOM, _LAST = range(5)
"""Index of the next token above the stream's 32 bits; output tokens to come, tokens of context, tokens for which there are blocks; when the last token was delivered."""


class Batch:
    """One column a sequence, in the order in which they joined. Requests are brought up to date when they leave.

    A step moves all by one token, so it is counted once for all: columns, but for `_LAST`, are as they were before the first of `_steps`, which a sequence that joins later is set back to.
    """

    __slots__ = ("_columns", "_covered", "_joined", "_last_ns", "_requests", "_shortest", "_steps", "size")

    def __init__(self) -> None:
        self.size = 0
        self._steps = 0
        self._shortest: int | None = None
        """After how many of `_steps` the first has all its tokens; None if that is to be worked out."""
        self._covered = 0
        """Up to which of `_steps` each has blocks, at least."""
        self._last_ns = 0
        self._joined = False
        """Whether any has joined since the last step, and so has got its last token at another time than `_last_ns`."""
        self._requests: list[Request] = []
        self._columns: Ints = np.zeros((5, 64), np.int64)

    @property
    def tokens(self) -> Ints:
        """The next token of each: its index, from bit 32 on, and the stream."""
        return self._columns[_WORD, : self.size] + (self._steps << 32)

    @property
    def last_ns(self) -> int | Ints:
        """When the last token of each was delivered; one time if it is the same for all."""
        return self._columns[_LAST, : self.size] if self._joined else self._last_ns

    @property
    def kv(self) -> Ints:
        """Tokens of context of each."""
        return self._columns[_KV, : self.size] + self._steps

    @property
    def left(self) -> Ints:
        """Output tokens that each has yet to yield."""
        return self._columns[_LEFT, : self.size] - self._steps

    def least_left(self) -> int:
        """Steps until the first of them has all its tokens."""
        if self._shortest is None:
            self._shortest = int(self._columns[_LEFT, : self.size].min())
        return self._shortest - self._steps

    def join(self, request: Request) -> None:
        if self.size == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
        steps = self._steps
        if not self._joined:
            self._columns[_LAST, : self.size] = self._last_ns
            self._joined = True
        self._columns[:, self.size] = (
            (request.produced - steps << 32) + request.stream,
            request.output - request.produced + steps,
            request.computed - steps,
            request.held * BLOCK_TOKENS - request.computed + steps,
            request.last_ns,
        )
        self._requests.append(request)
        covered = request.held * BLOCK_TOKENS - request.computed + steps
        self._covered = min(self._covered, covered) if self.size else covered
        self._shortest = None
        self.size += 1

    def leave(self, request: Request) -> None:
        self._remove([self._requests.index(request)])

    def short(self, steps: int) -> list[tuple[Request, int, int]]:
        """Sequences that lack blocks for so many more tokens, how many each then holds, and where each stands."""
        until = self._steps + steps
        if until <= self._covered or not self.size:
            return []
        lacking = (self._columns[_ROOM, : self.size] < until).nonzero()[0].tolist()
        if not lacking:
            self._covered = until
        return [(self._requests[at], blocks_for(int(self._columns[_KV, at]) + until), at) for at in lacking]

    def covered(self, steps: int) -> None:
        """Notes that all have blocks for so many more tokens."""
        self._covered = max(self._covered, self._steps + steps)

    def hold(self, request: Request, held: int, at: int) -> None:
        """Notes that a sequence now holds its first `held` blocks; `at` is where it stood, before others may have left."""
        request.held = held
        if at >= self.size or self._requests[at] is not request:
            at = self._requests.index(request)
        self._columns[_ROOM, at] = held * BLOCK_TOKENS - self._columns[_KV, at]

    def advance(self, steps: int, now_ns: int) -> None:
        """So many tokens more for each, the last of them now."""
        self._steps += steps
        self._last_ns = now_ns
        self._joined = False

    def grow(self, tokens: Ints, now_ns: int) -> None:
        """So many tokens more for each of them, all now."""
        columns = self._columns[:, : self.size]
        columns[_WORD] += tokens << 32
        columns[_LEFT] -= tokens
        columns[_KV] += tokens
        columns[_ROOM] -= tokens
        self._covered -= int(tokens.max())
        self._shortest = None
        self._last_ns = now_ns
        self._joined = False

    def take_finished(self) -> list[Request]:
        """Removes and gives those that have all their tokens."""
        if self.least_left():
            return []
        return self._remove((self._columns[_LEFT, : self.size] == self._steps).nonzero()[0].tolist())

    def _remove(self, places: list[int]) -> list[Request]:
        gone = [self._requests[at] for at in places]
        for at, request in zip(places, gone, strict=True):
            _, left, kv, _, last_ns = self._columns[:, at].tolist()
            request.produced = request.output - left + self._steps
            request.computed = kv + self._steps
            request.last_ns = last_ns if self._joined else self._last_ns
        keep = np.ones(self.size, bool)
        keep[places] = False
        self._requests = [request for request, kept in zip(self._requests, keep.tolist(), strict=True) if kept]
        self._columns[:, : len(self._requests)] = self._columns[:, : self.size][:, keep]
        self.size = len(self._requests)
        self._shortest = None
        return gone
