"""Names of KV blocks: 64-bit hashes of everything up to and including the block, so that equal names mean equal prefixes.

Contents are not simulated; a token is known by whose it is (a shared prompt's or a session's) and where it stands.
"""

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


def chained(contents: Hashes, first: int = 0, carry: int = 0) -> tuple[list[int], int]:
    """Names of consecutive blocks, from what is in each and what stood before the first.

    `contents`: a number for the 16 tokens of each block; `first`: index of the first of these blocks in its context; `carry`: returned by the
    call for the blocks before it, 0 at the start. A name is a mix of the running sum of the mixed (content, index) pairs.
    """
    index = np.arange(first, first + len(contents), dtype=np.uint64)
    links = mix(contents ^ mix((index + np.uint64(1)) * _STRIDE))
    links[:1] += np.uint64(carry)
    sums = np.cumsum(links, dtype=np.uint64)
    return mix(sums).tolist(), int(sums[-1]) if len(sums) else carry


class Context:
    """The growing context of one session: `shared_tokens` that other sessions have, too, then its own."""

    __slots__ = ("_carry", "_own", "_shared", "_shared_blocks", "names")

    def __init__(self, shared: int, shared_tokens: int, own: int) -> None:
        self._shared = np.uint64(shared)
        self._shared_blocks = shared_tokens // BLOCK_TOKENS
        self._own = np.uint64(own)
        self._carry = 0
        self.names: list[int] = []

    def grow(self, tokens: int) -> list[int]:
        """Names of all blocks of the first `tokens` tokens, the last block perhaps in part."""
        have, want = len(self.names), blocks_for(tokens)
        if want > have:
            contents = np.full(want - have, self._own)
            contents[: max(0, self._shared_blocks - have)] = self._shared
            names, self._carry = chained(contents, have, self._carry)
            self.names += names
        return self.names[:want]
