"""Which worker gets a request, and why: labels, named rules, scored candidates, and a decision card for each choice.

The router knows what a real one may know: what it has sent where and what has come back, how full the pools are, and which blocks they hold (an exact
index without delay: real ones lag). It moves nothing itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from emulators.blocks import BLOCK_TOKENS, blocks_for
from emulators.events import Row
from emulators.fetching import anywhere
from emulators.kv import Pool
from emulators.request import Request

LONG_CONTEXT_TOKENS: Final = 8_192
PREFILL_HEAVY: Final = 8
"""Prompt tokens per output token that a request may generate, from which on it counts as prefill-heavy."""
TIE: Final = 1e-9


def labels(kind: str, prompt: int, limit: int) -> tuple[str, ...]:
    """`kind` (interactive or batch), which phase is heavier, and the length of the context."""
    heavy = "prefill-heavy" if prompt >= PREFILL_HEAVY * limit else "decode-heavy"
    return kind, heavy, "long-context" if prompt >= LONG_CONTEXT_TOKENS else "short-context"


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests with all of `labels` go to workers of one of `roles`. The first rule that applies decides."""

    name: str
    labels: frozenset[str]
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Weights:
    """What each term of a score is worth; each term is its weight times a share between 0 and 1."""

    overlap: float = 1.0
    """Share of the prompt that the ingesting worker or its host holds already."""
    load: float = 1.0
    """Free share of the generating worker's places."""
    memory: float = 0.5
    """Free share of its KV pool, evictable blocks counted as free."""
    resident: float = 0.5
    """Share of the prompt that the generating worker holds already, if another ingests."""
    queue: float = 0.5
    """1 / (1 + seconds of prompts that wait at the ingesting worker)."""


class Estimate(Protocol):
    """Time that a worker needs for so many prompt tokens."""

    def __call__(self, tokens: int) -> float: ...


@dataclass(slots=True)
class Place:
    """A worker as the router sees it. `places` is how many requests it serves at once without queueing; `pools` are where a prompt's prefix may lie."""

    slot: int
    role: str
    pool: Pool
    places: int
    pools: tuple[Pool, ...] = ()
    prefill_seconds: Estimate | None = None
    front_end_s: float = 0.0
    assigned: int = 0
    pending_tokens: int = 0
    """Prompt tokens sent there whose first output token has not come."""


@dataclass(slots=True)
class _Option:
    generate: Place
    ingest: Place
    terms: dict[str, float]
    score: float
    uncached: int


@dataclass(slots=True)
class Router:
    """Decides once per request."""

    places: Sequence[Place]
    rules: Sequence[Rule]
    weights: Weights
    total: int = 0
    ties: int = 0
    by_rule: dict[str, int] = field(default_factory=dict)
    _uncached: dict[str, int] = field(default_factory=dict)

    def decide(self, now_ns: int, request: Request) -> Row | None:
        """Sets who ingests and who generates, and gives the decision card; None if no worker could ever hold the request."""
        rule, options = self._options(request)
        if not options:
            return None
        ranked = sorted(options, key=lambda option: -option.score)
        best = ranked[0]
        request.ingest, request.generate = best.ingest.slot, best.generate.slot
        card: Row = {
            "time_ns": now_ns,
            "request": request.id,
            "rule": rule.name,
            "labels": list(request.labels),
            "chosen": request.generate,
            "tie": False,
            "candidates": [_candidate(option) for option in options],
        }
        if len(ranked) > 1:
            card["margin"] = best.score - ranked[1].score
            card["tie"] = card["margin"] < TIE
        if request.target_ttft_s is not None:
            card["headroom_s"] = request.target_ttft_s - self._predicted_ttft(best)
        self.total += 1
        self.ties += card["tie"]
        self.by_rule[rule.name] = self.by_rule.get(rule.name, 0) + 1
        best.generate.assigned += 1
        best.ingest.pending_tokens += best.uncached
        self._uncached[request.id] = best.uncached
        return card

    def first_token(self, request: Request) -> None:
        """The prompt has been computed."""
        self.places[request.ingest].pending_tokens -= self._uncached.pop(request.id)

    def finished(self, request: Request) -> None:
        self.places[request.generate].assigned -= 1

    def _options(self, request: Request) -> tuple[Rule, list[_Option]]:
        """Candidates of the first rule that applies and has any, in order of slots."""
        cached: dict[int, int] = {}
        for rule in self.rules:
            if rule.labels <= set(request.labels):
                options = [
                    option
                    for place in self.places
                    if place.role in rule.roles and (option := self._option(request, place, cached)) is not None
                ]
                if options:
                    return rule, options
        return self.rules[-1], []

    def _option(self, request: Request, place: Place, cached: dict[int, int]) -> _Option | None:
        """The worker with the best partner to ingest for it; None if it could never hold the request.

        `cached`: prompt tokens that each ingesting worker would find, by slot, filled as they are looked up.
        """
        ingests = [place] if place.role == "aggregated" else [other for other in self.places if other.role == "prefill"]
        ingests = [other for other in ingests if request.most_blocks <= other.pool.capacity]
        if request.most_blocks > place.pool.capacity or not ingests:
            return None
        resident = 0.0
        if place.role != "aggregated":
            blocks = blocks_for(request.prompt)
            resident = place.pool.prefix(request.context.runs(0, blocks)) / blocks
        options = (self._scored(request, place, ingest, cached, resident) for ingest in ingests)
        return max(options, key=lambda option: option.score)

    def _scored(
        self, request: Request, generate: Place, ingest: Place, cached_by: dict[int, int], resident: float
    ) -> _Option:
        weights = self.weights
        cached = cached_by.get(ingest.slot)
        if cached is None:
            runs = request.context.runs(0, (request.prompt - 1) // BLOCK_TOKENS)
            cached = cached_by[ingest.slot] = anywhere(runs, ingest.pools) * BLOCK_TOKENS
        waiting_s = ingest.prefill_seconds(ingest.pending_tokens) if ingest.prefill_seconds else 0.0
        terms = {
            "overlap": weights.overlap * cached / request.prompt,
            "load": weights.load * max(0.0, 1 - generate.assigned / generate.places),
            "memory": weights.memory * max(0, generate.pool.room) / generate.pool.capacity,
            "queue": weights.queue / (1 + waiting_s),
        }
        if generate is not ingest:
            terms["resident"] = weights.resident * resident
        return _Option(generate, ingest, terms, sum(terms.values()), request.prompt - cached)

    def _predicted_ttft(self, option: _Option) -> float:
        estimate = option.ingest.prefill_seconds
        computing = estimate(option.ingest.pending_tokens + option.uncached) if estimate else 0.0
        return option.ingest.front_end_s + computing


def _candidate(option: _Option) -> Row:
    row: Row = {"worker": option.generate.slot, "score": option.score, "terms": option.terms}
    if option.ingest is not option.generate:
        row["prefill"] = option.ingest.slot
    return row
