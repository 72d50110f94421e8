"""Prompts that come as text: how many tokens they are, and which KV blocks, so that what two of them begin with alike is the same blocks.

A token is 4 bytes of UTF-8. A part (a message of a chat, or a whole prompt) begins with a token of its own, so its last token may be of fewer bytes: the same history
is the same tokens, whatever follows. What a block is called follows from the bytes up to its end, and from whose they are. No text is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final
from weakref import WeakValueDictionary

import numpy as np

from emulators.blocks import BLOCK_TOKENS, Chain, Context, Hashes, Run, chained, mix

TOKEN_BYTES: Final = 4
_BLOCK_BYTES: Final = BLOCK_TOKENS * TOKEN_BYTES
_WORD_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Part:
    """What one role said, as UTF-8."""

    role: str
    text: bytes

    @property
    def tokens(self) -> int:
        return -(-len(self.text) // TOKEN_BYTES)


def names(parts: Sequence[Part]) -> Hashes:
    """Names of all blocks of these parts in a row, the last block perhaps in part."""
    text = b"".join(part.text + bytes(-len(part.text) % TOKEN_BYTES) for part in parts)
    words = np.frombuffer(text + bytes(-len(text) % _BLOCK_BYTES), "<u8").reshape(-1, _BLOCK_BYTES // _WORD_BYTES)
    contents = np.zeros(len(words), np.uint64)
    for column in words.T:
        contents = mix(contents ^ column)
    at = 0
    for part in parts:
        if part.tokens:
            block, place = divmod(at, BLOCK_TOKENS)
            begin = blake2b(f"{place} {part.role}".encode(), digest_size=_WORD_BYTES).digest()
            contents[block : block + 1] ^= mix(np.frombuffer(begin, "<u8"))
            at += part.tokens
    return chained(contents)[0]


class Prompts:
    """All texts of which blocks may still be held somewhere: a tree of chains, each known by the name of its first block as long as a pool or a request holds it."""

    def __init__(self) -> None:
        self._heads: WeakValueDictionary[int, Chain] = WeakValueDictionary()

    def __len__(self) -> int:
        """Chains that are known."""
        return len(self._heads)

    def context(self, blocks: Hashes) -> Context:
        """The context of these blocks: what is known of them already, then what is new."""
        runs: list[Run] = []
        at = 0
        while at < len(blocks):
            head = int(blocks[at])
            chain = self._heads.get(head)
            if chain is None:
                chain = self._heads[head] = _Told(blocks[at:], at)
            known = chain.names(at, chain.end)[: len(blocks) - at]
            differs = (known != blocks[at : at + len(known)]).nonzero()[0]
            end = at + (int(differs[0]) if len(differs) else len(known))
            runs.append((chain, at, end))
            at = end
        return _Spoken(runs)


class _Told(Chain):
    """A chain of blocks that have names already."""

    __slots__ = ("__weakref__",)

    def __init__(self, blocks: Hashes, first: int) -> None:
        super().__init__(0, first)
        self._names = blocks
        self.end = first + len(blocks)


class _Spoken(Context):
    """A context of any number of chains."""

    __slots__ = ("_runs",)

    def __init__(self, runs: list[Run]) -> None:
        super().__init__(0)
        self._runs = runs

    def runs(self, lo: int, hi: int) -> tuple[Run, ...]:
        return tuple((chain, max(lo, a), min(hi, b)) for chain, a, b in self._runs if a < hi and lo < b)
