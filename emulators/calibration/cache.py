"""The share of a trace's KV blocks that a cache of a given size would have held: the emulator's eviction orders on recorded prompts.

Block-weighted, as the papers on Mooncake's traces count: every prompt looks for its blocks from the first until one is missing; then all of them are
used once, those that were missing stored, and what passes the capacity evicted. No time, no bytes, no fetching: a trace's block is of
512 tokens, but only blocks are counted.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypedDict

import msgspec

from emulators.blocks import Chain
from emulators.extents import Extent
from emulators.policy import Order, order

_NAMES: Final = Chain(0)
"""Whatever chains a trace's blocks are in: each is an extent of its own."""
UNLIMITED: Final = 0
"""The capacity that stands for a cache that never evicts."""
CACHE_POLICIES: Final = ("lru", "lfu")
MAX_LINE_BYTES: Final = 4 << 20
MAX_BLOCKS: Final = 50_000_000
"""Most blocks in all prompts of a trace: what is read is held in memory."""


class TraceError(ValueError):
    """A trace that cannot be read: which file and line, and what is wrong there."""


class CacheRow(TypedDict):
    capacity_blocks: int
    policy: str
    hit_rate: float


class CacheReport(TypedDict):
    trace: str
    unit: str
    rows: list[CacheRow]


class _Line(msgspec.Struct):
    hash_ids: list[int]


def report(path: str | Path, capacities: Sequence[int], policy: str) -> CacheReport:
    """Hit rates of a Mooncake trace (JSON lines with `hash_ids`), one row a capacity, in the order given; ready for JSON.

    `capacities` in blocks, 0 for unlimited; `policy`: lru, or lfu with ties by least recent use. TraceError for a file that cannot be read, ValueError for
    a capacity or policy that cannot be.
    """
    if policy not in CACHE_POLICIES:
        raise ValueError(f"unknown policy {policy!r}; known: {', '.join(CACHE_POLICIES)}")
    for capacity in capacities:
        if capacity < 0:
            raise ValueError(f"a capacity is a number of blocks, or 0 for unlimited, not {capacity}")
    prompts = read(Path(path))
    rows: list[CacheRow] = [
        {"capacity_blocks": capacity, "policy": policy, "hit_rate": hit_rate(prompts, capacity, order(policy))}
        for capacity in capacities
    ]
    return {"trace": str(path), "unit": "blocks", "rows": rows}


def read(path: Path) -> list[list[int]]:
    """Block names of every prompt, in the order of the file, which is that of arrival. TraceError."""
    try:
        with path.open("rb") as lines:
            prompts = list(_prompts(path, iter(lambda: lines.readline(MAX_LINE_BYTES + 1), b"")))
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}") from None
    if not any(prompts):
        raise TraceError(f"{path}: no blocks in it; expected JSON lines with hash_ids, as in Mooncake's traces")
    return prompts


def hit_rate(prompts: Sequence[Sequence[int]], capacity: int, eviction: Order) -> float:
    """Blocks found over all blocks, through a cache that is empty at first. `capacity` in blocks, 0 for unlimited; `eviction`: an empty order."""
    hits = 0
    held: dict[int, Extent] = {}
    for names in prompts:
        hits += next((at for at, name in enumerate(names) if name not in held), len(names))
        for name in names:
            block = held.get(name)
            if block is None:
                block = held[name] = Extent(_NAMES, name, name + 1)
            else:
                eviction.take(block)
            eviction.put(0, block)
        while capacity != UNLIMITED and len(held) > capacity and (gone := eviction.oldest()):
            eviction.take(gone)
            del held[gone.lo]
    return hits / sum(map(len, prompts))


def _prompts(path: Path, lines: Iterable[bytes]) -> Iterator[list[int]]:
    decode = msgspec.json.Decoder(_Line).decode
    # Names as small integers that are shared between prompts: a hash of 64 bits would be an object for each place where it stands.
    numbers: dict[int, int] = {}
    blocks = 0
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_BYTES:
            raise TraceError(f"{path}:{number}: longer than {MAX_LINE_BYTES} bytes")
        if line.isspace():
            continue
        try:
            names = decode(line).hash_ids
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TraceError(
                f"{path}:{number}: {error}; expected a JSON object with hash_ids, a list of integers"
            ) from None
        blocks += len(names)
        if blocks > MAX_BLOCKS:
            raise TraceError(f"{path}:{number}: more than {MAX_BLOCKS} blocks")
        yield [numbers.setdefault(name, len(numbers)) for name in names]
