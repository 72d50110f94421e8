"""Which worker gets a request, and why: labels, named rules, scored candidates, and a decision card for each choice.

The router knows what a real one may know: what it has sent where and what has come back, how full the pools are, and which blocks they hold (an exact
index without delay, unless it is told to go by an old one: real ones lag). It moves nothing itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from emulators.blocks import BLOCK_TOKENS, Run, blocks_for
from emulators.events import Row
from emulators.fetching import Index, anywhere
from emulators.kv import Pool
from emulators.policies import POLICIES, SCORE, Policy, Terms
from emulators.request import Request

LONG_CONTEXT_TOKENS: Final = 8_192
PREFILL_HEAVY: Final = 8
"""Prompt tokens per output token that a request may generate, from which on it counts as prefill-heavy."""
TIE: Final = 1e-9
GENERATING: Final = ("aggregated", "decode", "ffn", "verify")
"""Roles of workers that sample output tokens."""
MOST_CANDIDATES: Final = 256
"""In a decision on the wire."""


def labels(kind: str, prompt: int, limit: int) -> tuple[str, ...]:
    """`kind` (interactive or batch), which phase is heavier, and the length of the context."""
    heavy = "prefill-heavy" if prompt >= PREFILL_HEAVY * limit else "decode-heavy"
    return kind, heavy, "long-context" if prompt >= LONG_CONTEXT_TOKENS else "short-context"


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests with all of `labels` go to workers of one of `roles` that have all of `tags`. The first rule that applies decides; among its workers `policy` does."""

    name: str
    labels: frozenset[str]
    roles: frozenset[str]
    tags: frozenset[str] = frozenset()
    policy: str = SCORE

    def __post_init__(self) -> None:
        if self.policy != SCORE and self.policy not in POLICIES:
            known = ", ".join((SCORE, *POLICIES))
            raise ValueError(f"rule {self.name!r}: unknown policy {self.policy!r}; known: {known}")
        for role in sorted(self.roles.difference(GENERATING)):
            raise ValueError(
                f"rule {self.name!r}: role {role!r} does not generate; those that do: {', '.join(GENERATING)}"
            )


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
    pools: tuple[Index, ...] = ()
    prefill_seconds: Estimate | None = None
    front_end_s: float = 0.0
    tags: frozenset[str] = frozenset()
    assigned: int = 0
    pending_tokens: int = 0
    """Prompt tokens sent there whose first output token has not come."""
    index: Index = field(init=False)
    """What is known of the blocks in `pool`."""
    shut: int = 0
    """How many reasons there are to send nothing there."""

    def __post_init__(self) -> None:
        self.index = self.pool

    @property
    def active(self) -> int:
        """Blocks of its pool that requests refer to."""
        return self.pool.active

    def held(self, request: Request) -> int:
        """With how many blocks that are in its pool the prompt begins."""
        return self.index.prefix(request.context.runs(0, blocks_for(request.prompt)))

    def waiting_s(self, more: int) -> float:
        """How long its pending prompts and `more` tokens take; 0 where nobody knows."""
        return self.prefill_seconds(self.pending_tokens + more) if self.prefill_seconds else 0.0


@dataclass(slots=True)
class _Ingest:
    """What it would mean that a worker ingests, whoever generates: terms, and prompt tokens that it would have to compute."""

    place: Place
    overlap: float
    queue: float
    uncached: int


_Candidate = tuple[Place, _Ingest, Row]
"""A worker that may generate, who would ingest for it, and the row of the decision card, with their score."""


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
    _policies: dict[str, Policy] = field(default_factory=dict)
    """Of the rules that have one, by rule."""
    _generating: list[list[Place]] = field(default_factory=list)
    """Who may generate by each of the rules."""
    _prefills: list[Place] = field(default_factory=list)

    def __post_init__(self) -> None:
        """ValueError without a rule: no request could go anywhere."""
        if not self.rules:
            raise ValueError(
                "a router needs at least one rule; Rule(name, frozenset(), roles) applies to every request"
            )
        self._policies = {rule.name: POLICIES[rule.policy]() for rule in self.rules if rule.policy != SCORE}
        self._list()

    def _list(self) -> None:
        open_to_any = [place for place in self.places if not place.shut]
        self._generating = [
            [place for place in open_to_any if place.role in rule.roles and rule.tags <= place.tags]
            for rule in self.rules
        ]
        self._prefills = [place for place in open_to_any if place.role == "prefill"]

    def shut(self, slot: int) -> Callable[[], None]:
        """Sends nothing to that worker any more, until what is given back is called."""
        place = self.places[slot]

        def change(by: int) -> None:
            place.shut += by
            self._list()

        change(1)
        return lambda: change(-1)

    def decide(self, now_ns: int, request: Request) -> Row | None:
        """Sets who ingests and who generates, and gives the decision card; None if no worker could ever hold the request."""
        rule, candidates = self._candidates(request)
        if not candidates:
            return None
        rows = [row for _, _, row in candidates]
        scores = [row["score"] for row in rows]
        score = max(scores)
        best = scores.index(score)
        generate, ingest, _ = candidates[best]
        request.ingest, request.generate = ingest.place.slot, generate.slot
        card: Row = {
            "time_ns": now_ns,
            "request": request.id,
            "rule": rule.name,
            "labels": list(request.labels),
            "chosen": request.generate,
            "tie": False,
            "candidates": rows,
        }
        if len(scores) > 1:
            del scores[best]
            card["margin"] = score - max(scores)
            card["tie"] = card["margin"] < TIE
        if request.target_ttft_s is not None:
            card["headroom_s"] = request.target_ttft_s - _predicted_ttft(ingest)
        self.total += 1
        self.ties += card["tie"]
        self.by_rule[rule.name] = self.by_rule.get(rule.name, 0) + 1
        if rule.name in self._policies:
            self._policies[rule.name].chosen(ingest.place, generate)
        generate.assigned += 1
        ingest.place.pending_tokens += ingest.uncached
        self._uncached[request.id] = ingest.uncached
        return card

    def first_token(self, request: Request) -> None:
        """The prompt has been computed, or nobody waits for that any more; said again, it is no news."""
        self.places[request.ingest].pending_tokens -= self._uncached.pop(request.id, 0)

    def finished(self, request: Request) -> None:
        self.first_token(request)
        self.places[request.generate].assigned -= 1

    def _candidates(self, request: Request) -> tuple[Rule, list[_Candidate]]:
        """Those of the first rule that applies and has any, in order of slots."""
        most = request.most_blocks
        prefills: list[_Ingest] | None = None
        blocks = blocks_for(request.prompt)
        whole = request.context.runs(0, blocks)
        prompt = request.context.runs(0, (request.prompt - 1) // BLOCK_TOKENS)
        candidates: list[_Candidate] = []
        for rule, generating in zip(self.rules, self._generating, strict=True):
            if not rule.labels.issubset(request.labels):
                continue
            places = [place for place in generating if most <= place.pool.capacity]
            prefilling = [place for place in self._prefills if most <= place.pool.capacity]
            if rule.name in self._policies:
                policy = self._policies[rule.name]
                candidates = self._by_policy(policy, request, places, prefilling, prompt)
                if candidates:
                    return rule, candidates
                continue
            for place in places:
                if place.role == "aggregated":
                    alone = [self._ingest(request, place, prompt)]
                    candidates.append(self._candidate(request, place, alone, 0.0))
                    continue
                if prefills is None:
                    prefills = self._best([self._ingest(request, other, prompt) for other in prefilling])
                if prefills:
                    resident = self.weights.resident * (place.index.prefix(whole) / blocks)
                    candidates.append(self._candidate(request, place, prefills, resident))
            if candidates:
                return rule, candidates
        return self.rules[-1], candidates

    def _by_policy(
        self,
        policy: Policy,
        request: Request,
        generating: Sequence[Place],
        prefilling: Sequence[Place],
        prompt: Sequence[Run],
    ) -> list[_Candidate]:
        """All pairs of workers that may ingest and generate, or, were these too many, for each that may generate the best who may ingest."""

        def ingesting(place: Place) -> tuple[_Ingest, Terms]:
            ingest = self._ingest(request, place, prompt)
            return ingest, policy.ingest(request, place, ingest.uncached)

        prefills = [ingesting(place) for place in prefilling]
        if len(prefills) * len(generating) > MOST_CANDIDATES:
            prefills = [max(prefills, key=lambda one: sum(one[1].values()))]
        candidates: list[_Candidate] = []
        for place in generating:
            own = policy.generate(request, place)
            for ingest, its in [ingesting(place)] if place.role == "aggregated" else prefills:
                terms = own | its
                row: Row = {
                    "worker": place.slot,
                    "score": sum(terms.values()),
                    "terms": terms,
                    "cached_tokens": request.prompt - ingest.uncached,
                }
                if place is not ingest.place:
                    row["prefill"] = ingest.place.slot
                candidates.append((place, ingest, row))
        return candidates

    def _ingest(self, request: Request, place: Place, prompt: Sequence[Run]) -> _Ingest:
        cached = anywhere(prompt, place.pools) * BLOCK_TOKENS
        waiting_s = place.prefill_seconds(place.pending_tokens) if place.prefill_seconds else 0.0
        return _Ingest(
            place,
            self.weights.overlap * cached / request.prompt,
            self.weights.queue / (1 + waiting_s),
            request.prompt - cached,
        )

    def _best(self, ingests: Sequence[_Ingest]) -> list[_Ingest]:
        """Those of them who may be the best for someone: scores are sums, of which the other terms are the same for all."""
        most = max([ingest.overlap + ingest.queue for ingest in ingests], default=0.0) - TIE
        return [ingest for ingest in ingests if ingest.overlap + ingest.queue >= most]

    def _candidate(self, request: Request, place: Place, ingests: Sequence[_Ingest], resident: float) -> _Candidate:
        """A worker, with the best of those who may ingest for it, of equals the first."""
        weights, pool, room = self.weights, place.pool, place.pool.room
        load = weights.load * (1 - place.assigned / place.places) if place.assigned < place.places else 0.0
        memory = weights.memory * room / pool.capacity if room > 0 else 0.0
        ingest = ingests[0]
        score = ingest.overlap + load + memory + ingest.queue + resident
        for other in ingests[1:]:
            one = other.overlap + load + memory + other.queue + resident
            if one > score:
                ingest, score = other, one
        terms = {"overlap": ingest.overlap, "load": load, "memory": memory, "queue": ingest.queue}
        row: Row = {
            "worker": place.slot,
            "score": score,
            "terms": terms,
            "cached_tokens": request.prompt - ingest.uncached,
        }
        if place is not ingest.place:
            terms["resident"] = resident
            row["prefill"] = ingest.place.slot
        return place, ingest, row


def _predicted_ttft(ingest: _Ingest) -> float:
    estimate = ingest.place.prefill_seconds
    computing = estimate(ingest.place.pending_tokens + ingest.uncached) if estimate else 0.0
    return ingest.place.front_end_s + computing
