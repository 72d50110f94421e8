"""Requests that were taken over by another worker while their deliveries go on naming the first one (as Dynamo's do): who made their tokens from then on, by who says so. Pure."""

from collections.abc import Iterable, Mapping

from collectors.model.traces import Account
from collectors.session.request_rows import teller_of
from collectors.session.source_state import SourceState
from collectors.stats.joined import Joined, Taken
from collectors.stats.workers_said import Move, moves, segments


def correct(changed: Iterable[Joined], sources: Mapping[str, SourceState], tick_ns: int) -> None:
    """Puts the deliveries of requests of which anything was heard where they were made, as far as that is news; before the sources' own tick."""
    for known in changed:
        teller, told = _taken(known)
        for name, view in known.views.items() if told else ():
            source = sources.get(name)
            done = 0 if view.taken is None else view.taken.moves
            if source is None or not source.inventory.measured or len(told) <= done:
                continue
            if all(
                source.taken_over(view.request, told[0].worker, move, view.life, teller, tick_ns)
                for move in told[done:]
            ):
                view.taken = Taken(told[0].worker, told[0].after_tokens, len(told))


def _taken(known: Joined) -> tuple[str, list[Move]]:
    """As the first of the records' tellers has it that knows of any."""
    by_teller: dict[str, list[Account]] = {}
    for source, account in known.accounts:
        by_teller.setdefault(teller_of(source, account), []).append(account)
    for teller, accounts in by_teller.items():
        if told := [move for move in moves(*segments(accounts)) if move.to is not None]:
            return teller, told
    return "", []
