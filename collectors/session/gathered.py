"""What is made of the kept deliveries of single requests, remembered from one look to the next: as long as nothing of it was let go it is gone on from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from collectors.session.arrivals import Wanted
from collectors.session.briefs import Brief
from collectors.session.kept_deliveries import KeptDeliveries, Piece

Made = TypeVar("Made")
Make = Callable[[Sequence[Piece], Mapping[int, Wanted[Made]]], dict[int, Made]]
"""Of one source's pieces, oldest first: for each key what is wanted."""


class _Known(NamedTuple, Generic[Made]):
    until_ns: int
    looks: tuple[int, int]
    made: Made


class Gathered(Generic[Made]):
    def __init__(self, kept: KeptDeliveries, make: Make[Made], size: Callable[[Made], int], most: int) -> None:
        """`most` of the sum of their sizes are remembered."""
        self._kept, self._make, self._size, self._most = kept, make, size, most
        self._known: dict[int, _Known[Made]] = {}
        self._held = 0

    def of(self, briefs: Sequence[Brief], until_ns: int) -> dict[int, Made]:
        """Of the deliveries of each that came before a tick, as its teller in front tells them."""
        wanted: dict[str, dict[int, Wanted[Made]]] = {}
        found: dict[int, Made] = {}
        kept_ns = self._kept.since_ns or 0
        for brief in briefs:
            if brief.front is not None and brief.told is not None and brief.told.serials:
                known = self._known.get(brief.key)
                if known is not None and known.looks != _looks(brief, kept_ns):
                    known = None
                if known is not None and known.until_ns == until_ns:
                    found[brief.key] = known.made
                    continue
                if known is not None and known.until_ns < until_ns:
                    one = Wanted(brief.told.serials, known.until_ns, known.made)
                else:
                    one = Wanted(brief.told.serials, min(brief.begin_ns, until_ns), None)
                wanted.setdefault(brief.front, {})[brief.key] = one
        made: dict[int, Made] = {}
        if wanted:
            begin_ns = min(one.since_ns for mine in wanted.values() for one in mine.values())
            pieces = [piece for piece in self._kept.until(until_ns) if piece.tick_ns > begin_ns]
            for source, mine in wanted.items():
                made |= self._make([piece for piece in pieces if piece.source == source], mine)
        for brief in briefs:
            if brief.key in made:
                self._let_go(brief.key)
                self._known[brief.key] = _Known(until_ns, _looks(brief, kept_ns), made[brief.key])
                self._held += self._size(made[brief.key])
        while self._held > self._most:
            self._let_go(next(iter(self._known)))
        return found | made

    def _let_go(self, key: int) -> None:
        if (one := self._known.pop(key, None)) is not None:
            self._held -= self._size(one.made)


def _looks(brief: Brief, kept_ns: int) -> tuple[int, int]:
    """What its deliveries so far depend on beside the tick: how many numbers they have, and from when on they are kept."""
    return len(brief.serials), kept_ns if brief.begin_ns < kept_ns else 0
