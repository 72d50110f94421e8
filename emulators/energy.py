"""Energy, of two kinds that are never added nor compared: what moving bits costs at the memory, and what a machine draws from the wall's side of a chip.

`Movement` is joules of data movement, `Drawn` joules of whole chips while they work: different types, so that a sum of both does not check. Figures are
`catalogue/energy.toml`'s; host, cooling and power supplies are in neither. What nobody publishes is None.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, NewType

import msgspec

from emulators.catalogue import Chip, Figure, GpuChip, LpuChip
from emulators.observed import Observed

Movement = NewType("Movement", float)
"""Joules at the memory device, for bits that went in or out of it."""
Drawn = NewType("Drawn", float)
"""Joules of chips over time, whatever they did with them."""

PICO: Final = 1e-12


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pj_per_bit: dict[str, Figure]
    power_share: dict[str, dict[str, Figure]]


@cache
def tables() -> _Tables:
    """The figures. msgspec.ValidationError naming the field that is wrong."""
    text = files("emulators.catalogue").joinpath("energy.toml").read_text("utf-8")
    return msgspec.toml.decode(text, type=_Tables)


@dataclass(frozen=True, slots=True)
class Account:
    """One worker since the start. `seconds` and `drawn` by phase (None: no power is known), `read` bytes by what was read from `tier`, `movement` the joules of that reading."""

    seconds: dict[str, float]
    drawn: dict[str, Drawn | None]
    tier: str
    read: dict[str, int]
    movement: dict[str, Movement | None]
    watts: float | None
    """What its chips draw now."""


def account(chip: Chip, chips: int, tier: str, observed: Observed, now_ns: int) -> Account:
    """What a worker's counts come to."""
    seconds = observed.phases.seconds(now_ns)
    read = {"weights": observed.reads.weight_bytes, "kv": observed.reads.kv_bytes}
    return Account(
        seconds,
        {phase: drawn(chip, chips, phase, time) for phase, time in seconds.items()},
        tier,
        read,
        {what: moved(size, tier) for what, size in read.items()},
        watts(chip, chips, observed.phases.current),
    )


def moved(size: int, tier: str) -> Movement | None:
    """Joules to read or write so many bytes of a tier once; None for a tier without a figure (peer: it is the other's memory; object)."""
    figure = tables().pj_per_bit.get(tier)
    return None if figure is None else Movement(size * 8 * figure.value * PICO)


def watts(chip: Chip, chips: int, phase: str) -> float | None:
    """Power of a group of chips in a phase: a share of their TDP. None without a published TDP, or where no share
    is known for that kind of chip and phase."""
    device = "LPU" if isinstance(chip, LpuChip) else "GPU" if isinstance(chip, GpuChip) else ""
    share = tables().power_share.get(device, {}).get(phase)
    tdp = getattr(chip.peak, "tdp_w", None)
    return None if share is None or tdp is None else chips * float(tdp.value) * share.value


def drawn(chip: Chip, chips: int, phase: str, seconds: float) -> Drawn | None:
    """Joules of a group of chips that is in a phase for so long; None as for `watts`."""
    power = watts(chip, chips, phase)
    return None if power is None else Drawn(power * seconds)
