"""Which workers the tellers of one request name, token by token; where they contradict each other, and where the request was taken from one and given to another.

Pure. A teller's word is compared with another's only if both name workers in the same way: Dynamo's numbers, addresses and names of pods are different languages.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from collectors.model.traces import Account
from collectors.model.vocabulary import About

Segments = dict[int, str]
"""From which output token on which worker."""
_LANGUAGES: Final = (re.compile(r"\d+(/\d+)?"), re.compile(r"(\[[0-9a-fA-F:.]+\]|[^/:\s]+):\d+"))


class Move(NamedTuple):
    worker: str
    to: str | None
    after_tokens: int


def language(worker: str) -> int:
    """How it is named: equal for two that can be compared."""
    return next((number for number, form in enumerate(_LANGUAGES) if form.fullmatch(worker)), len(_LANGUAGES))


def apart(workers: Collection[str]) -> bool:
    """Whether names in one language are of more than one worker: who says no rank contradicts nobody who does."""
    ranked = [one for one in workers if "/" in one or language(one)]
    return len(set(ranked)) > 1 or len({one.partition("/")[0] for one in workers}) > 1


def segments(accounts: Iterable[Account]) -> tuple[Segments, list[tuple[str, int]]]:
    """Of one teller's accounts in their order: where it says the output was made, and from whom (perhaps without a rank) and after how many tokens it was taken."""
    found: Segments = {}
    taken: list[tuple[str, int]] = []
    left_off = 0
    for account in accounts:
        for move in account.moves:
            left_off = move.after_tokens
            # With its rank, where it was named with one: the next one may take its place at the same token.
            named = (one for one in reversed(found.values()) if one.partition("/")[0] == move.from_worker)
            taken.append((next(named, move.from_worker), move.after_tokens))
            if found.get(left_off, "").partition("/")[0] == move.from_worker:
                del found[left_off]  # it made nothing from there on
        for one in account.statements:
            if one.about is About.DECODE_WORKER and isinstance(one.value, str):
                found[left_off if one.from_token is None else one.from_token] = one.value
    return dict(sorted(found.items())), taken


def at(said: Segments, token: int) -> str | None:
    """Who made an output token."""
    before = [start for start in said if start <= token]
    return said[max(before)] if before else None


def moves(said: Segments, taken: Iterable[tuple[str, int]]) -> list[Move]:
    """From one worker to the next; to nobody known where nothing was said after it was taken from one."""
    starts = list(said)
    found = [Move(said[one], said[two], two) for one, two in itertools.pairwise(starts) if said[one] != said[two]]
    known = {move.after_tokens for move in found}
    for worker, after in dict.fromkeys(taken):
        to = said.get(after)
        if after not in known and (to is None or to.partition("/")[0] != worker.partition("/")[0]):
            found.append(Move(worker, to, after))
    return sorted(found, key=lambda move: move.after_tokens)


def contradictions(said: Mapping[str, Segments]) -> list[tuple[int, dict[str, list[str]]]]:
    """By teller in, out: from which token on, who says which worker. Each time it is another contradiction than before."""
    found: list[tuple[int, dict[str, list[str]]]] = []
    before: dict[str, list[str]] = {}
    for token in sorted({start for one in said.values() for start in one}):
        by_language: dict[int, dict[str, list[str]]] = {}
        for teller, one in said.items():
            if (worker := at(one, token)) is not None:
                by_language.setdefault(language(worker), {}).setdefault(worker, []).append(teller)
        differing: dict[str, list[str]] = {}
        for workers in by_language.values():
            if apart(workers):
                differing |= workers
        if differing and differing != before:
            found.append((token, differing))
        before = differing
    return found
