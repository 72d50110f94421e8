"""Names of KV blocks: 64-bit hashes of everything up to and including the block, so that equal names mean equal prefixes; and runs of them.

Contents are not simulated; a token is known by whose it is (a shared prompt's or a session's) and where it stands. A name is worked out once, when
its context grows; everyone else speaks of runs: blocks `lo` to `hi` of a chain.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

BLOCK_TOKENS: Final = 16

Hashes = npt.NDArray[np.uint64]

_STRIDE: Final = np.uint64(0x9E3779B97F4A7C15)


def blocks_for(tokens: int) -> int:
    """Blocks that hold so many tokens, the last perhaps in part."""
    return -(-tokens // BLOCK_TOKENS)


def mix(values: Hashes) -> Hashes:
    """A bijection on 64 bits that spreads every bit (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def chained(contents: Hashes, first: int = 0, carry: int = 0) -> tuple[Hashes, int]:
    """Names of consecutive blocks, from what is in each and what stood before the first.

    `contents`: a number for the 16 tokens of each block; `first`: index of the first of these blocks in its context; `carry`: returned by the
    call for the blocks before it, 0 at the start. A name is a mix of the running sum of the mixed (content, index) pairs.
    """
    index = np.arange(first, first + len(contents), dtype=np.uint64)
    links = mix(contents ^ mix((index + np.uint64(1)) * _STRIDE))
    links[:1] += np.uint64(carry)
    sums = np.cumsum(links, dtype=np.uint64)
    return mix(sums), int(sums[-1]) if len(sums) else carry


class Chain:
    """Consecutive blocks of the same origin, numbered by where they stand in their context, from `first` on. Equal blocks are in one chain only."""

    __slots__ = ("_content", "_names", "carry", "end", "first")

    def __init__(self, content: int, first: int = 0, carry: int = 0) -> None:
        """`carry`: that of the chain which the context begins with, of `first` blocks."""
        self.first = self.end = first
        self.carry = carry
        self._content = np.uint64(content)
        self._names: Hashes = np.zeros(0, np.uint64)

    def grow(self, end: int) -> None:
        """Works out the names of all blocks before block `end`."""
        if end > self.end:
            names, self.carry = chained(np.full(end - self.end, self._content), self.end, self.carry)
            self._names = np.concatenate([self._names, names])
            self.end = end

    def names(self, lo: int, hi: int) -> Hashes:
        first = self.first
        return self._names[lo - first : hi - first]

    def backwards(self, lo: int, hi: int) -> Hashes:
        """The same, the last first."""
        first = self.first
        return self._names[hi - first - 1 : lo - first - 1 if lo > first else None : -1]


Run = tuple[Chain, int, int]
"""Blocks `lo` up to and without `hi` of a chain; not empty."""


class Context:
    """What a session has said and heard: a prompt that others have, too, then what is its own."""

    __slots__ = ("_own", "_prompt", "_shared")

    def __init__(self, own: int, prompt: Chain | None = None) -> None:
        self._prompt = prompt
        self._shared = prompt.end if prompt else 0
        self._own = Chain(own, self._shared, prompt.carry if prompt else 0)

    def grow(self, tokens: int) -> None:
        """Has the first `tokens` tokens in named blocks, the last block perhaps in part."""
        self._own.grow(blocks_for(tokens))

    def runs(self, lo: int, hi: int) -> tuple[Run, ...]:
        """Blocks `lo` up to and without `hi` of the context, in order."""
        shared = self._shared
        if lo >= hi:
            return ()
        if lo >= shared or self._prompt is None:
            return ((self._own, lo, hi),)
        if hi <= shared:
            return ((self._prompt, lo, hi),)
        return (self._prompt, lo, shared), (self._own, shared, hi)


class Forked(Context):
    """What another context begins with, its first `tokens` tokens in whole blocks, and goes on with in its own way, one of several by `number`."""

    __slots__ = ("_at", "_before")

    def __init__(self, before: Context, tokens: int, number: int) -> None:
        self._before, self._at = before, tokens // BLOCK_TOKENS
        ((chain, _, _),) = before.runs(self._at, self._at + 1)
        content = mix(chain.names(self._at, self._at + 1) ^ mix(np.array([number + 1], np.uint64)))
        super().__init__(0)
        self._own = Chain(int(content[0]), self._at)

    def runs(self, lo: int, hi: int) -> tuple[Run, ...]:
        at = self._at
        own: tuple[Run, ...] = ((self._own, max(lo, at), hi),) if hi > max(lo, at) else ()
        return self._before.runs(lo, min(hi, at)) + own


def length(runs: Sequence[Run]) -> int:
    """Blocks in all of them."""
    count = 0
    for _, lo, hi in runs:
        count += hi - lo
    return count
