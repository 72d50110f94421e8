"""The share of a trace's KV blocks that a cache of a given size would have held: the emulator's eviction orders on recorded prompts.

Block-weighted, as the papers on Mooncake's traces count: every prompt looks for its blocks from the first until one is missing; then all of them are
used once, those that were missing stored, and what passes the capacity evicted. No bytes, no fetching: a trace's block is of 512 tokens
(Mooncake) or 64 (agentic), but only blocks are counted.
"""

from collections.abc import Hashable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, TypedDict

import msgspec

from emulators.blocks import Chain
from emulators.extents import Extent
from emulators.policy import Order, order
from emulators.randomness import generator
from emulators.traces import Trace
from emulators.traces.formats import calls
from emulators.traces.lines import TraceError, lines
from emulators.traces.timeline import timeline

_NAMES: Final = Chain(0)
"""Whatever chains a trace's blocks are in: each is an extent of its own."""
UNLIMITED: Final = 0
"""The capacity that stands for a cache that never evicts."""
CACHE_POLICIES: Final = ("lru", "lfu")
MAX_BLOCKS: Final = 50_000_000
"""Most blocks in all prompts of a trace: what is read is held in memory."""


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
    """Hit rates of a trace of Mooncake's or of the agentic format (`emulators.traces.formats`), one row a capacity, in the order given; ready for JSON.

    `capacities` in blocks, 0 for unlimited; `policy`: lru, or lfu with ties by least recent use. TraceError for a file that cannot be read, ValueError for
    a capacity or policy that cannot be.
    """
    if policy not in CACHE_POLICIES:
        raise ValueError(f"unknown policy {policy!r}; known: {', '.join(CACHE_POLICIES)}")
    for capacity in capacities:
        if capacity < 0:
            raise ValueError(f"a capacity is a number of blocks, or 0 for unlimited, not {capacity}")
    prompts, last_first = read(Path(path)), _in_sessions(Path(path))
    rows: list[CacheRow] = []
    for capacity in capacities:
        found = hit_rate(prompts, capacity, order(policy), last_first=last_first)
        rows.append({"capacity_blocks": capacity, "policy": policy, "hit_rate": found})
    return {"trace": str(path), "unit": "blocks", "rows": rows}


def read(path: Path, limit: int | None = None) -> list[list[int]]:
    """Block names of the first `limit` prompts, in order of arrival, with small numbers for names. TraceError.

    Mooncake's come in the order of the file; sessions of the agentic format begin as a replay has them, one every 120 s.
    """
    # A hash of 64 bits, or a pair, would be an object for each place where it stands: equal names are one small integer.
    numbers: dict[Hashable, int] = {}
    prompts: list[list[int]] = []
    blocks = 0
    asked = _sessions(path, limit) if _in_sessions(path) else _hashes(path)
    for number, names in islice(asked, limit):
        blocks += len(names)
        if blocks > MAX_BLOCKS:
            raise TraceError(f"{path}:{number}: more than {MAX_BLOCKS} blocks")
        prompts.append([numbers.setdefault(name, len(numbers)) for name in names])
    if not blocks:
        raise TraceError(f"{path}: no blocks in it; expected JSON lines with hash_ids, as in Mooncake's traces")
    return prompts


def hit_rate(prompts: Sequence[Sequence[int]], capacity: int, eviction: Order, *, last_first: bool = False) -> float:
    """Blocks found over all blocks, through a cache that is empty at first. `capacity` in blocks, 0 for unlimited; `eviction`: an empty order.

    `last_first`: a prompt's last block goes before its first, as in the emulator's pools. What was published of Mooncake's traces is the other way round; it makes
    a difference where single prompts are a good part of the cache, as agents' are.
    """
    hits = 0
    held: dict[int, Extent] = {}
    for names in prompts:
        hits += next((at for at, name in enumerate(names) if name not in held), len(names))
        for name in reversed(names) if last_first else names:
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


Prompts = Iterator[tuple[int, Sequence[Hashable]]]


def _hashes(path: Path) -> Prompts:
    decode = msgspec.json.Decoder(_Line).decode
    for number, line in lines(path):
        try:
            yield number, decode(line).hash_ids
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TraceError(
                f"{path}:{number}: {error}; expected a JSON object with hash_ids, a list of integers"
            ) from None


def _in_sessions(path: Path) -> bool:
    return any(b'"session"' in line for _, line in islice(lines(path), 1))


def _sessions(path: Path, limit: int | None) -> Prompts:
    for _, call in timeline(calls(path), Trace(str(path), limit=limit), generator(0)):
        yield call.line, [(call.session, one) for ids in call.blocks for one in ids]
