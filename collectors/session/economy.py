"""What the devices of a worker draw and cost, as means over the window. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from collectors.diagnose.prices import Prices, assumption
from collectors.model.figure import Figure
from collectors.model.frame import WorkerRow
from collectors.model.signals import Signal
from collectors.model.slo import Assumption
from collectors.model.vocabulary import Provenance, Role, State
from collectors.session.fleet import Worker
from collectors.stats.figures import absent, figure

IDLE: Final = "idle"
"""Of energy that is counted by phase: without it, what a worker draws while it waits is not in it."""
ENERGY_FORMULA: Final = (
    "mean power of the row's workers in the window, idle and prefill included ÷ their output tokens a second"
)
PRICE_FORMULA: Final = "price an hour of the row's chips ÷ 3600 ÷ their output tokens a second × 10^6"


class Draw(NamedTuple):
    """Of one worker; None where it is not known. `watts_by`, `dollars_by`: what they were counted with where that is assumed, else empty."""

    watts: float | None
    dollars_per_s: float | None
    watts_by: str = ""
    dollars_by: str = ""


def draws(
    workers: Iterable[Worker],
    rows: Mapping[str, WorkerRow],
    prices: Prices,
    tick_ns: int,
    window_ns: int,
) -> dict[str, Draw]:
    """By worker. Power is that of its page's energy, else what the devices that it alone runs on draw now, else what is assumed of its chips; dollars by its chips."""
    found = {}
    for worker in workers:
        row = rows[worker.info.id]
        per_hour = assumption(prices, row.chip, row.device, "dollars_per_hour")
        dollars = None if per_hour is None or not row.chips else per_hour.value * row.chips / 3600
        watts = _counted_watts(worker, tick_ns, window_ns)
        if watts is None and isinstance(row.power_watts, Figure) and row.power_watts.state is State.OK:
            watts = row.power_watts.value
        guessed = assumption(prices, row.chip, row.device, "watts") if watts is None and row.chips else None
        watts = watts if guessed is None else guessed.value * row.chips
        found[worker.info.id] = Draw(watts, dollars, _told(guessed, "W", row), _told(per_hour, "$/h", row))
    return found


def _told(it: Assumption | None, unit: str, row: WorkerRow) -> str:
    """`2.95 $/h of H100-SXM (public offer: median of 37 providers, 2026-05)`."""
    if it is None:
        return ""
    source = ", ".join(filter(None, (it.source, it.date)))
    return f"{it.value:g} {unit} of {row.chip or row.device} ({it.by}{f': {source}' if source else ''})"


def per_token(parts: Iterable[Draw], tokens_per_s: float, *, emulated: bool) -> tuple[Figure, Figure]:
    """(joules a token, dollars a million tokens) of several workers together; absent where it is not known of one."""
    parts = list(parts)
    watts, dollars = [one.watts for one in parts], [one.dollars_per_s for one in parts]
    unknown = absent(emulated=emulated)
    if not tokens_per_s or not parts:
        return unknown, unknown
    energy = figure(_sum(watts, 1 / tokens_per_s), Provenance.DERIVED, emulated=emulated)
    money = figure(_sum(dollars, 1e6 / tokens_per_s), Provenance.DERIVED, emulated=emulated)
    return _by(energy, (one.watts_by for one in parts)), _by(money, (one.dollars_by for one in parts))


def _by(it: Figure, assumed: Iterable[str]) -> Figure:
    """Told to be assumed where any part of it is, and by whom."""
    told = "; ".join(dict.fromkeys(filter(None, assumed)))
    return (
        msgspec.structs.replace(it, provenance=Provenance.ASSUMED, metric=told) if told and it.value is not None else it
    )


def closed(parts: Iterable[WorkerRow], fleet: Iterable[WorkerRow]) -> bool:
    """Whether the tokens of these workers are made by them alone, but for prefill that others did: workers that only prefill for others have no tokens of their own."""
    inside = list(parts)
    prefilled = {row.model for row in inside if row.role is Role.PREFILL}
    if not prefilled:
        return True
    ids = {row.id for row in inside}
    return not any(row.id not in ids and row.model in prefilled and row.role is Role.DECODE for row in fleet)


def _sum(parts: list[float | None], factor: float) -> float | None:
    known = [one for one in parts if one is not None]
    return sum(known) * factor if len(known) == len(parts) else None


def _counted_watts(worker: Worker, tick_ns: int, window_ns: int) -> float | None:
    stats = None if worker.scraped is None else worker.scraped.scraped
    if stats is None:
        return None
    keys = stats.keys_of(worker.info.id, Signal.ENERGY)
    if not keys or (any(key.label for key in keys) and IDLE not in {key.label for key in keys}):
        return None
    grown = [stats.increase(tick_ns, window_ns, key) for key in keys]
    if any(one.value is None or not one.seconds or one.state is State.STALE for one in grown):
        return None
    return sum((one.value or 0) / (one.seconds or 1) for one in grown)
