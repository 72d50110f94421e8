"""Where prompt tokens came from, by worker: computed, found, or recomputed after a preemption; and what a router knew when it chose. Per second, in integers.

Not here: how many of the hits each pool had in all (`placements`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from collectors.model.batch import Decision
from collectors.stats.fleet import NO_POOL, PoolKey
from collectors.stats.sketch import Ints
from collectors.stats.slots import Slots, Tally

_PROMPT, _COMPUTED, _FOUND, _RECOMPUTED, _PREEMPTIONS = range(5)
_COLUMNS: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Prompted:
    """Over the window; shapes (rows,). The first three are of prompts when they were admitted for the first time."""

    prompt: Ints
    computed: Ints
    found: Ints
    recomputed: Ints
    """Tokens computed after a preemption."""
    preemptions: Ints
    """Requests that were admitted again."""
    pools: dict[tuple[int, PoolKey], int]
    """Tokens found, by row and pool."""


@dataclass(frozen=True, slots=True)
class Reused:
    """Prompt tokens of the requests that were sent to a worker in the window with its candidates' cached tokens; `delivered` is of those of them that were admitted since."""

    prompt: int
    available: int
    captured: int
    delivered: int
    decisions: int
    missing: int
    """Of the admitted ones: tokens that the chosen worker was believed to hold, and that were not found."""
    unforeseen: int
    """Tokens that were found, and that it was not believed to hold."""
    admitted: int
    """Requests of which all of this is known."""


class Prompts:
    def __init__(self, rows: int) -> None:
        self._cells = Slots(rows * _COLUMNS)
        self._pools: Tally[tuple[int, PoolKey]] = Tally((0, NO_POOL), 16_384)
        self._reuse: Tally[str] = Tally("")

    def admit(
        self, second: int, row: int, prompt: int | None, computed: int, hits: Sequence[tuple[PoolKey, int]], again: bool
    ) -> None:
        """`prompt` is None where it was never said: it is then what was computed and found, which is what the format promises."""
        found = sum(tokens for _, tokens in hits)
        if again:
            amounts = {_RECOMPUTED: computed, _PREEMPTIONS: 1}
        else:
            amounts = {_PROMPT: computed + found if prompt is None else prompt, _COMPUTED: computed, _FOUND: found}
            for pool, tokens in hits:
                self._pools.add(second, (row, pool), tokens)
        for column, amount in amounts.items():
            self._cells.count(second, row * _COLUMNS + column, amount)

    def decide(self, second: int, prompt: int | None, decision: Decision) -> int | None:
        """Counts if it is known what every candidate was believed to hold of how long a prompt: how much the chosen one was, else None."""
        cached = [one.cached_tokens for one in decision.candidates]
        known = [tokens for tokens in cached if tokens is not None]
        best = max(
            (one for one in decision.candidates if one.worker == decision.chosen),
            key=lambda one: one.score,
            default=None,
        )
        if prompt is None or len(known) < len(cached) or best is None or best.cached_tokens is None:
            return None
        amounts = {"prompt": prompt, "available": max(known), "captured": best.cached_tokens, "decisions": 1}
        for name, amount in amounts.items():
            self._reuse.add(second, name, amount)
        return best.cached_tokens

    def deliver(self, weighed: tuple[int, int, int] | None) -> None:
        """In which second a prompt counted, how much of it was believed to be held, and how many of its tokens the engine found."""
        if weighed is not None:
            second, believed, found = weighed
            missed = {"missing": max(believed - found, 0), "unforeseen": max(found - believed, 0)}
            for name, amount in {"delivered": found, "admitted": 1, **missed}.items():
                self._reuse.add(second, name, amount)

    def expire(self, first: int) -> None:
        for part in (self._cells, self._pools, self._reuse):
            part.expire(first)

    def resize(self, rows: int) -> None:
        self._cells.resize(rows * _COLUMNS)

    def prompted(self) -> Prompted:
        sums = self._cells.sums().reshape(-1, _COLUMNS).T
        prompt, computed, found, recomputed, preemptions = sums
        return Prompted(prompt, computed, found, recomputed, preemptions, self._pools.sums())

    def reused(self) -> Reused:
        found = self._reuse.sums()
        return Reused(**{field.name: found.get(field.name, 0) for field in fields(Reused)})
