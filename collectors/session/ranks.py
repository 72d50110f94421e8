"""Workers that one source names without a rank and another with one: the same worker where its own page shows that it has no second rank. Pure."""

from collections.abc import Iterable
from typing import Final

from collectors.model.vocabulary import Role
from collectors.session.source_state import SourceState

ONLY: Final = "0"


class Ranks:
    """The names of a session's workers, found anew when a source tells of others."""

    def __init__(self) -> None:
        self._told: list[object] = []

    def tick(self, sources: Iterable[SourceState]) -> None:
        """Observers' workers are called as pages call them from now on, or by the observers' own names again."""
        sources = list(sources)
        told: list[object] = [one for source in sources for one in (source.told, source.described)]
        if told != self._told:
            self._told = told
            names = single(sources)
            for source in sources:
                source.call(names)


def single(sources: Iterable[SourceState]) -> dict[str, str]:
    """By the name without a rank the one with it, of each worker whose page has its first rank, while nobody names another.

    A router's page, a list of instances and a tap tell of the ranks that they have met: of whether there are others they say nothing.
    """
    ranks: dict[str, set[str]] = {}
    paged: set[str] = set()
    for source in sources:
        routes = any(one.role is Role.ROUTER for one in source.told.workers)
        for one in source.told.workers:
            base, slash, rank = one.id.rpartition("/")
            if slash:
                ranks.setdefault(base, set()).add(rank)
                if source.described[one.id] and not routes:
                    paged.add(base)
    return {base: f"{base}/{ONLY}" for base, found in ranks.items() if found == {ONLY} and base in paged}
