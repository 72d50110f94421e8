"""What a page came to where signals are told apart by more than their tier: flows between tiers, stages, reasons."""

from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import Tier
from tests.backends.pages import read

Flow = tuple[Signal, Tier | None, Tier | None, str]
Owned = tuple[str, str, Signal, Tier | None, Tier | None, str]


def flows(page: str, worker: str = "target/0") -> dict[Flow, list[float]]:
    """Counters and gauges of the page's only worker, by signal, tier (from where), to where, and label."""
    found: dict[Flow, list[float]] = {}
    for (whose, _, signal, tier, to, label), values in owned(page).items():
        assert whose == worker
        found.setdefault((signal, tier, to, label), []).extend(values)
    return found


def owned(page: str, target: str = "target") -> dict[Owned, list[float]]:
    """Counters and gauges of a page, by worker, owner, signal, tier (from where), to where, and label."""
    known = read(page, target)
    found: dict[Owned, list[float]] = {}
    for one, value in zip(known.mapping.series, known.found.tolist(), strict=True):
        if one.kind in (Kind.COUNTER, Kind.GAUGE):
            key = (one.worker, one.owner, one.signal, one.tier, one.to, one.label)
            if one.less:
                found[key][-1] -= value
            else:
                found.setdefault(key, []).append(value)
    return found
