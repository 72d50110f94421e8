"""What a back end can be made to show: its declaration, beside `detect` and `map`, of what to ask and of which flag would help when.

A declaration holds what cannot be read off a page: the names of flags, other paths, what the software calls itself. Whether something is
seen is never declared; it is found in the evidence of one look (`collectors.doctor`), and so is whether a hint applies.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from collectors.backends.json_page import JsonPage, decoded
from collectors.model.signals import Kind, Series, Signal, WorkerFacts
from collectors.model.vocabulary import Tier

BY_POLICY: Final = "policy "
"""How the label of choices begins that are counted by policy, and not by what was chosen."""
FINE_S: Final = 1e-3
"""A bound at or below this tells the gaps of a fast decoder apart: LPUs make a token in 1 to 2 ms."""


class Aspect(StrEnum):
    """What the product is asked about."""

    PLACEMENT = "placement"
    TIERS = "tiers"
    JITTER = "jitter"


class Fact(StrEnum):
    """What an answer beside the page may tell; values are short texts."""

    VERSION = "version"
    MODEL = "model"
    CHIP = "chip"
    CHIPS = "chips"
    """How many of them the whole server has."""
    KV_EVENTS = "kv_events"
    """OFF, ON (published, who knows where), or the endpoints."""
    SOLE_READER = "sole_reader"
    """ON where configuration says that nobody else reads it."""


Facts = Mapping[str, str]
OFF: Final = "off"
ON: Final = "on"


class Evidence(msgspec.Struct, frozen=True):
    """What one look at a target found: what its page means, the families on it, and what other answers told."""

    series: tuple[Series, ...] = ()
    workers: tuple[WorkerFacts, ...] = ()
    families: frozenset[str] = frozenset()
    """Declared or sampled."""
    facts: Facts = {}
    stream: bool = False
    """There is a token placement stream."""
    idle: bool = False
    """It has not served anything yet: many families come with the first request."""

    def of(self, *signals: Signal) -> list[Series]:
        return [one for one in self.series if one.signal in signals]

    def bounds(self, signal: Signal) -> list[tuple[float, ...]]:
        """The different sets of upper bounds, finite and above 0, that the signal's histograms have on the page; finest first."""
        found: dict[tuple[str, str, str], set[float]] = {}
        for one in self.of(signal):
            if one.kind is Kind.BUCKET and one.le is not None:
                found.setdefault((one.worker, one.metric, one.label), set()).add(one.le)
        sets = {tuple(sorted(le for le in one if 0 < le < float("inf"))) for one in found.values()}
        return sorted(one for one in sets if one)


Condition = Callable[[Evidence], bool]


def always(evidence: Evidence) -> bool:
    """Of what the back end never says by itself, so that no page can tell whether it was asked for."""
    return True


def lacks(*signals: Signal, tier: Tier | None = None) -> Condition:
    """None of these signals is on the page (of that tier, where one is given), of a server that has served."""
    return lambda seen: not seen.idle and not any(tier in (None, one.tier) for one in seen.of(*signals))


def lacks_tiers(signal: Signal) -> Condition:
    """The page has the signal, but does not say of which tier."""
    return lambda seen: {one.tier for one in seen.of(signal)} in ({Tier.UNKNOWN}, {None})


def coarse(signal: Signal, finest_s: float = FINE_S) -> Condition:
    """The signal comes in buckets of which the lowest bound is above `finest_s`."""
    return lambda seen: any(one[0] > finest_s for one in seen.bounds(signal))


def without(*families: str) -> Condition:
    """None of these families is on the page, not even declared."""
    return lambda seen: seen.families.isdisjoint(families)


def has(family: str) -> Condition:
    return lambda seen: family in seen.families


def no_events(seen: Evidence) -> bool:
    """No publisher of KV events is known of."""
    return seen.facts.get(Fact.KV_EVENTS, OFF) == OFF


def shared(seen: Evidence) -> bool:
    """Others may read it too."""
    return seen.facts.get(Fact.SOLE_READER) != ON


def both(one: Condition, other: Condition) -> Condition:
    return lambda seen: one(seen) and other(seen)


class Hint(NamedTuple):
    """What would make more of an aspect visible, where `when` holds: `do` as it is typed, and what it `gains`."""

    aspect: Aspect
    when: Condition
    do: str
    gains: str


class Ask(NamedTuple):
    """Another answer of the same server, by GET and without side effects: asked where the fact `tells` is not known yet.

    `read` makes facts of `(body, host)`, and raises ValueError for what is no such answer.
    """

    path: str
    tells: Fact
    read: Callable[[bytes, str], Facts]


class Reach(msgspec.Struct, frozen=True):
    """A back end's declaration."""

    title: str
    """As it is called."""
    owned_by: str = ""
    """How it calls itself in `/v1/models`, where it does."""
    page: str = "/metrics"
    """Where its page is."""
    no_page: str = ""
    """What gives it a page where it has none."""
    asks: tuple[Ask, ...] = ()
    also: tuple[str, Callable[[object, str], JsonPage]] | None = None
    """Another answer with figures, which is followed as well: its path, and what makes them of `(decoded answer, target's name)`."""
    version_label: tuple[str, str] = ("", "")
    """An info family of its page and the label with the version."""
    hints: tuple[Hint, ...] = ()


def json_facts(**fields: str) -> Callable[[bytes, str], Facts]:
    """Reads these facts out of a JSON object, by the name of their field: texts and whole numbers, and nothing else of it is kept."""

    def read(body: bytes, host: str) -> Facts:
        answer = decoded(body)
        if not isinstance(answer, dict):
            raise ValueError("not a JSON object")
        told = {fact: answer.get(name) for fact, name in fields.items()}
        return {
            fact: str(found)
            for fact, found in told.items()
            if isinstance(found, str | int) and not isinstance(found, bool) and found
        }

    return read
