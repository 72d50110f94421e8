"""Router policies beside the weighted score: what each prefers, as terms that sum to a candidate's score; the higher score wins.

A policy speaks of the worker that ingests a prompt and of the one that generates, apart from each other; who is both has the terms of both. What it may know is what a
router may know (`emulators.router.Place`). Nothing is chosen here.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from emulators.blocks import BLOCK_TOKENS, blocks_for
from emulators.request import Request

SCORE: Final = "score"
"""The weighted sum of `emulators.router.Weights`."""
MISSED: Final = 10.0
"""What missing an objective by as much again weighs against a worker that is wholly free."""

Terms = dict[str, float]


class Seen(Protocol):
    """A worker as a policy sees it. `held` and `active`: blocks of its pool that the prompt begins with, and that requests refer to."""

    @property
    def slot(self) -> int: ...
    @property
    def places(self) -> int: ...
    @property
    def assigned(self) -> int: ...
    @property
    def active(self) -> int: ...
    def held(self, request: Request) -> int: ...
    def waiting_s(self, more: int) -> float: ...
    @property
    def front_end_s(self) -> float: ...


class Policy(Protocol):
    """One rule's way to choose; it may remember what was chosen."""

    def ingest(self, request: Request, place: Seen, uncached: int) -> Terms:
        """Of a worker that would compute the `uncached` tokens of the prompt."""

    def generate(self, request: Request, place: Seen) -> Terms:
        """Of a worker that would generate."""

    def chosen(self, ingest: Seen, generate: Seen) -> None:
        """These were."""


class _Policy:
    """One that does not remember."""

    def chosen(self, ingest: Seen, generate: Seen) -> None:
        return


class RoundRobin:
    """Whoever was chosen longest ago: by turns, as long as the candidates stay the same. `turn`: decisions since then, those before the first in order of slots."""

    def __init__(self) -> None:
        self._decisions = 0
        self._ingested: dict[int, int] = {}
        self._generated: dict[int, int] = {}

    def ingest(self, request: Request, place: Seen, uncached: int) -> Terms:
        return {"prefill_turn": self._since(self._ingested, place)}

    def generate(self, request: Request, place: Seen) -> Terms:
        return {"turn": self._since(self._generated, place)}

    def chosen(self, ingest: Seen, generate: Seen) -> None:
        self._decisions += 1
        self._ingested[ingest.slot] = self._generated[generate.slot] = self._decisions

    def _since(self, last: Mapping[int, int], place: Seen) -> float:
        return float(self._decisions - last.get(place.slot, place.slot - 65_536))


class LeastLoaded(_Policy):
    """The least busy: the share of its places that is taken, and seconds of prompts that wait where the prompt is computed. Blind to what is cached."""

    def ingest(self, request: Request, place: Seen, uncached: int) -> Terms:
        return {"queue": -place.waiting_s(0)}

    def generate(self, request: Request, place: Seen) -> Terms:
        return {"load": -place.assigned / place.places}


class KvAware(_Policy):
    """The fewest blocks to compute and to hold: those of the prompt that the ingesting worker lacks, and those that the generating worker's requests would refer to with this one.

    As Dynamo's KV router weighs them, with its overlap weight of 1 (ai-dynamo/dynamo, lib/llm/src/kv_router/scheduler.rs: overlap weight × prefill blocks + decode blocks, the lowest wins).
    """

    def ingest(self, request: Request, place: Seen, uncached: int) -> Terms:
        return {"prefill_blocks": -uncached / BLOCK_TOKENS}

    def generate(self, request: Request, place: Seen) -> Terms:
        return {"decode_blocks": -float(place.active + blocks_for(request.prompt) - place.held(request))}


class SloAware(_Policy):
    """Of those whose predicted TTFT meets the request's objective the least busy, else the one that misses it least. Without an objective the least busy."""

    def ingest(self, request: Request, place: Seen, uncached: int) -> Terms:
        target = request.target_ttft_s
        if target is None:
            return {"objective": 0.0}
        return {"objective": MISSED * min(0.0, 1 - (place.front_end_s + place.waiting_s(uncached)) / target)}

    def generate(self, request: Request, place: Seen) -> Terms:
        return {"load": -place.assigned / place.places}


POLICIES: Final[Mapping[str, Callable[[], Policy]]] = {
    "round-robin": RoundRobin,
    "least-loaded": LeastLoaded,
    "kv-aware": KvAware,
    "slo-aware": SloAware,
}
