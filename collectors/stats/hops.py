"""How long requests waited for the KV of their context, by worker and way: computed there, fetched from a slower tier, or handed on by another worker.

From spans that have ended and say how many tokens they are of; per second, in integers.
"""

from typing import Final, NamedTuple

from collectors.model.batch import Span
from collectors.model.vocabulary import Phase, Tier
from collectors.stats.slots import Tally

HOPS: Final = frozenset({Phase.PREFILL, Phase.FETCH, Phase.TRANSFER})


class Hop(NamedTuple):
    """`tier`: where from (fetch), or where to (transfer); that of the worker itself (prefill)."""

    row: int
    phase: Phase
    tier: Tier


class Waited(NamedTuple):
    """Sums over the spans of a hop in the window; `bytes` only where all of them say any."""

    spans: int
    tokens: int
    duration_ns: int
    bytes: int | None


_NOWHERE: Final = (Hop(0, Phase.UNKNOWN, Tier.UNKNOWN), "")


class Hops:
    def __init__(self) -> None:
        self._sums: Tally[tuple[Hop, str]] = Tally(_NOWHERE, 16_384)

    def add(self, second: int, row: int, span: Span) -> None:
        """A span of HOPS; one that says no tokens is none of it."""
        if not span.tokens:
            return
        hop = Hop(row, span.phase, span.tier)
        self._sums.add(second, (hop, "spans"))
        self._sums.add(second, (hop, "tokens"), span.tokens)
        self._sums.add(second, (hop, "ns"), span.duration_ns)
        self._sums.add(second, (hop, "bytes"), span.bytes or 0)
        if span.bytes is None:
            self._sums.add(second, (hop, "unsized"))

    def expire(self, first: int) -> None:
        self._sums.expire(first)

    def waited(self) -> dict[int, list[tuple[Hop, Waited]]]:
        """By row; of each in the order of phases and tiers."""
        sums, found = self._sums.sums(), dict[int, list[tuple[Hop, Waited]]]()
        for hop, _ in sorted(key for key in sums if key[1] == "spans"):
            spans, tokens, ns, size = (sums.get((hop, what), 0) for what in ("spans", "tokens", "ns", "bytes"))
            found.setdefault(hop.row, []).append(
                (hop, Waited(spans, tokens, ns, None if (hop, "unsized") in sums else size))
            )
        return found
