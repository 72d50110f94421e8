"""Where the blocks of a prompt lie that its worker does not hold, and how they get there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from emulators.blocks import Chain, Run
from emulators.channel import Channel
from emulators.kv import Pool
from emulators.loop import Loop


class Index(Protocol):
    """Who knows which blocks a pool holds: the pool itself, or what was heard of it."""

    def reach(self, chain: Chain, lo: int, hi: int) -> int: ...
    def prefix(self, runs: Sequence[Run]) -> int: ...


@dataclass(frozen=True, slots=True)
class Source:
    """A pool from which a prompt's blocks can be fetched, and the path to the one who fetches."""

    pool: Pool
    channels: tuple[Channel, ...]

    def send(self, loop: Loop, blocks: int, arrived: Callable[[], None]) -> None:
        """Sends so many blocks along all parts of the path at once; `arrived` is called when the slowest part is through."""
        parts = len(self.channels)

        def part() -> None:
            nonlocal parts
            parts -= 1
            if not parts:
                arrived()

        size = blocks * self.pool.block_bytes
        self.pool.fetched_bytes += size
        for channel in self.channels:
            channel.send(loop, size, part)


def locate(runs: Sequence[Run], own: Pool, sources: Sequence[Source]) -> tuple[int, list[list[Run]]]:
    """Where the longest prefix that is anywhere lies: how many blocks from the start, and which of them are in each source.

    A block that is in several places counts for the first: `own`, then the sources in their order.
    """
    found: list[list[Run]] = [[] for _ in sources]
    pairs = list(zip(sources, found, strict=True))
    count = 0
    for chain, lo, hi in runs:
        while lo < hi:
            here = own.stretch((chain, lo, hi))
            # A source counts as far as nobody before it has the block.
            end = lo + abs(here)
            for source, blocks in pairs:
                if here > 0:
                    break
                here = source.pool.stretch((chain, lo, end))
                end = lo + abs(here)
                if here > 0:
                    blocks.append((chain, lo, end))
            if here <= 0:
                return count, found
            count += end - lo
            lo = end
    return count, found


def anywhere(runs: Sequence[Run], pools: Sequence[Index]) -> int:
    """Length of the longest prefix of which every block is in some of these pools."""
    count, several = 0, len(pools)
    for chain, lo, hi in runs:
        at, turn, asked = lo, 0, 0
        while at < hi and asked < several:
            end = pools[turn].reach(chain, at, hi)
            asked = 1 if end > at else asked + 1
            at = end
            turn = (turn + 1) % several
        count += at - lo
        if at < hi:
            break
    return count
