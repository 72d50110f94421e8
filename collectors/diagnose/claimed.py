"""The figures that a claim may ask for, of a Frame and of what was found. Pure. Words come in small letters."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from msgspec import UNSET

from collectors.diagnose.hops import costs
from collectors.diagnose.ranges import Range, UnknownError, divided, multiplied
from collectors.diagnose.tier_groups import edges
from collectors.model.figure import Distribution, Figure, Quantile
from collectors.model.frame import Frame, WorkerRow
from collectors.model.slo import Share
from collectors.model.verdict import Kind
from collectors.model.vocabulary import Device, Phase, Role, State, Tier

T = TypeVar("T", Range, bool)
_KNOWN: Final = (State.OK, State.ZERO)


@dataclass(frozen=True)
class Told:
    """What a claim is held against. `findings`: (kind, worker) of all that was found in that time; `leading`: of what was the verdict, first of them, at some moment of it."""

    frame: Frame
    findings: frozenset[tuple[str, str]] = frozenset()
    leading: frozenset[tuple[str, str]] = frozenset()


class Word(NamedTuple):
    """What an argument may be: one of `known`, or, if `named`, of the names of workers, owners and targets that there are."""

    text: str
    known: frozenset[str]
    named: bool = False


class Function(NamedTuple, Generic[T]):
    """`of` gives a number, or a truth. `takes`: its arguments, of which the first `least` must be there."""

    of: Callable[..., T]
    takes: tuple[Word, ...]
    least: int = 1

    @property
    def text(self) -> str:
        return ", and ".join(one.text for one in self.takes)


def short(name: str) -> str:
    """As a worker may be called: in small letters, without rank 0."""
    return name.lower().removesuffix("/0")


def _words(*of: Iterable[str]) -> frozenset[str]:
    return frozenset(str(word).lower() for words in of for word in words)


_WHAT: Final = Word("gap, ttft, tpot or queue", _words(("gap", "ttft", "tpot", "queue")))
_WHOSE: Final = Word("a kind of device, a role, a worker; all", _words(Device, Role, ("all",)), named=True)
_MAKER: Final = Word("a kind of device, a worker or a tier", _words(Device, Tier), named=True)
_POOL: Final = Word("a tier or an owner", _words(Tier), named=True)
_TIER: Final = Word("a tier", _words(Tier))
_WAY: Final = Word("computed, a tier, or 'to' and a tier", _words(("computed",), Tier, (f"to {one}" for one in Tier)))
_JUDGED: Final = Word("a kind of device or a worker; all", _words(Device, ("all",)), named=True)
_FINDING: Final = Word("a kind of finding", _words(Kind))
_NAME: Final = Word("a worker, an owner or a target", frozenset(), named=True)


def workers(frame: Frame, whose: str) -> list[WorkerRow]:
    """Of a kind of device, a role, a worker (with or without its rank), or all. Raises UnknownError."""
    found = [
        row
        for row in frame.workers
        if whose in ("all", row.device.lower(), row.role.lower()) or short(whose) == short(row.id)
    ]
    if not found:
        raise UnknownError(f"no worker is {whose!r}")
    return found


def known(it: Figure) -> Range:
    """Raises UnknownError, also where it is only about right (≈): nobody says how far off it may be."""
    if it.estimate is True:
        raise UnknownError(f"only about {it.value}: {it.formula or 'an estimate'}")
    if isinstance(it, Quantile) and it.low is not None and (it.state in _KNOWN or it.state is State.OVER_RANGE):
        return Range(it.low, math.inf if it.high is None else it.high)
    if it.value is None or it.state not in _KNOWN:
        raise UnknownError(str(it.state))
    return Range(float(it.value), math.inf if it.at_least is True else float(it.value))


def _quantile(which: str) -> Callable[..., Range]:
    def of(told: Told, what: str, whose: str = "all") -> Range:
        """A quantile of several together lies between theirs."""
        found = _each(told, which, what, whose)
        return Range(min(one.low for one in found), max(one.high for one in found))

    return of


def _longest(told: Told, what: str, whose: str = "all") -> Range:
    found = _each(told, "max", what, whose)
    return Range(max(one.low for one in found), max(one.high for one in found))


def _each(told: Told, which: str, what: str, whose: str) -> list[Range]:
    found = [known(getattr(one, which)) for one in _distributions(told.frame, what, whose) if one.n]
    if not found:
        raise UnknownError(f"no {what}")
    return found


def _distributions(frame: Frame, what: str, whose: str) -> Sequence[Distribution]:
    if what == "ttft" and whose == "all":
        return [frame.ttft]
    together = [row.gap for row in frame.gaps if row.device.lower() == whose] if what == "gap" else []
    return together or [getattr(row, what) for row in workers(frame, whose)]


def _n(told: Told, what: str, whose: str = "all") -> Range:
    count = float(sum(one.n for one in _distributions(told.frame, what, whose)))
    return Range(count, count)


def _total(parts: Iterable[Figure]) -> Range:
    found = [known(one) for one in parts]
    return Range(sum(one.low for one in found), sum(one.high for one in found))


def _tokens(told: Told, whose: str = "all") -> Range:
    return _total(row.tokens_per_s for row in workers(told.frame, whose))


def _share(told: Told, whose: str) -> Range:
    """Of output tokens: those that a kind, worker or tier made."""
    rows = [row for row in told.frame.placements if row.primary]
    names = {row.id for row in told.frame.workers if short(whose) == short(row.id)}
    if not names and whose not in _MAKER.known:
        raise UnknownError(f"no worker is {whose!r}")
    mine = [row.tokens for row in rows if whose in (row.device.lower(), row.tier.lower()) or row.worker in names]
    return divided(_total(mine), _total(row.tokens for row in rows))


def _hit_rate(told: Told, whose: str = "all") -> Range:
    ids = {row.id for row in workers(told.frame, whose)}
    rows = [row for row in told.frame.prompts if row.worker in ids]
    return divided(_total(row.hit_tokens for row in rows), _total(row.prompt_tokens for row in rows))


def _missing(told: Told) -> Range:
    """Prompt tokens that a router believed to be where it sent them, and that were not found there."""
    found = [row.missing_tokens for row in told.frame.reuse if isinstance(row.missing_tokens, Figure)]
    if not found:
        raise UnknownError("no router tells")
    return _total(found)


def _tier(name: str, unit: str) -> Callable[..., Range]:
    """A figure of the pools of a tier, or of an owner, together, of those that tell it in `unit`."""

    def of(told: Told, whose: str) -> Range:
        found = [
            one
            for row in told.frame.tiers
            if (whose == row.tier.lower() or short(whose) == short(row.owner))
            and isinstance(one := getattr(row, name), Figure)
            and one.unit in (UNSET, unit)
        ]
        if not found:
            raise UnknownError(f"no pool is {whose!r}, or none tells")
        return _total(found)

    return of


def _flow(told: Told, source: str, to: str) -> Range:
    """Bytes a second from one tier to another; `peer` and the tier for what workers hand on."""
    found = [
        edge.moved_per_s
        for edge in edges(told.frame)
        if (edge.source or "").lower() == source and (edge.to or "").lower() == to and edge.moved_per_s.unit == "bytes"
    ]
    if not found:
        raise UnknownError(f"nobody tells of bytes from {source} to {to}")
    return _total(found)


def _waits(told: Told, way: str) -> Range:
    """Seconds for the KV of a token: computed, fetched from a tier, or handed over into one (`to SRAM`)."""
    names = {
        "computed"
        if one.tier is None
        else str(one.tier).lower()
        if one.phase is Phase.FETCH
        else f"to {one.tier}".lower(): one
        for one in costs(told.frame)
    }
    if way not in names:
        raise UnknownError(f"nobody tells of tokens {way}")
    return known(names[way].seconds)


def _attained(told: Told, whose: str = "all") -> Range:
    rows = [row for row in (told.frame.slo.rows if told.frame.slo is not None else ()) if _is(row.of, row.name, whose)]
    shares: list[Share] = [row.attained for row in rows if row.attained is not None]
    n = sum(one.n for one in shares)
    if not n:
        raise UnknownError("no request that ended can be judged")
    return Range(sum(one.least for one in shares) / n, sum(one.most for one in shares) / n)


def _is(of: str, name: str, whose: str) -> bool:
    return of == "all" if whose == "all" else short(whose) == short(name)


def _cost(name: str) -> Callable[..., Range]:
    """Of the workers together: what they took by the tokens that they made."""

    def of(told: Told, whose: str) -> Range:
        ids = {row.id: row.tokens_per_s for row in workers(told.frame, whose)}
        rows = [
            row
            for row in (told.frame.slo.rows if told.frame.slo is not None else ())
            if row.of == "worker" and row.name in ids
        ]
        made = _total(ids[row.name] for row in rows)
        spent = [multiplied(known(getattr(row, name)), known(ids[row.name])) for row in rows]
        if not spent:
            raise UnknownError(f"nobody tells what a token takes at {whose}")
        return divided(Range(sum(one.low for one in spent), sum(one.high for one in spent)), made)

    return of


def _is_in(findings: Iterable[tuple[str, str]], kind: str, whose: str) -> bool:
    return any(kind == found and short(whose) in ("", short(name)) for found, name in findings)


def _found(told: Told, kind: str, whose: str = "") -> bool:
    return _is_in(told.findings, kind, whose)


def _leads(told: Told, kind: str, whose: str = "") -> bool:
    return _is_in(told.leading, kind, whose)


FUNCTIONS: Final[dict[str, Function[Range]]] = {
    "p50": Function(_quantile("p50"), (_WHAT, _WHOSE)),
    "p99": Function(_quantile("p99"), (_WHAT, _WHOSE)),
    "max": Function(_longest, (_WHAT, _WHOSE)),
    "n": Function(_n, (_WHAT, _WHOSE)),
    "tokens": Function(_tokens, (_WHOSE,), 0),
    "share": Function(_share, (_MAKER,)),
    "hit_rate": Function(_hit_rate, (_WHOSE,), 0),
    "missing": Function(_missing, (), 0),
    "hits": Function(_tier("hit_tokens", "tokens"), (_POOL,)),
    "used": Function(_tier("used_bytes", "bytes"), (_POOL,)),
    "stored": Function(_tier("stored_bytes_per_s", "bytes"), (_POOL,)),
    "evicted": Function(_tier("evicted_bytes_per_s", "bytes"), (_POOL,)),
    "flow": Function(_flow, (_TIER, _TIER), 2),
    "waits": Function(_waits, (_WAY,)),
    "attained": Function(_attained, (_JUDGED,), 0),
    "joules": Function(_cost("joules_per_token"), (_WHOSE,)),
    "dollars": Function(_cost("dollars_per_mtok"), (_WHOSE,)),
}
TRUTHS: Final[dict[str, Function[bool]]] = {
    "verdict": Function(_found, (_FINDING, _NAME)),
    "leads": Function(_leads, (_FINDING, _NAME)),
}
