"""The kinds of load that come with the package (`workloads.toml`), and mixes of them."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

import msgspec

from emulators.workload import Archetype


def _kind(name: str, table: dict[str, Any]) -> Archetype:
    said = {key: value for key, value in table.items() if key not in ("source", "assumed")}
    return msgspec.convert({"name": name, **said}, Archetype)


_TABLES: Final = tomllib.loads(files("emulators").joinpath("workloads.toml").read_text("utf-8"))
SOURCES: Final[Mapping[str, str]] = MappingProxyType({name: str(table["source"]) for name, table in _TABLES.items()})
WORKLOADS: Final[Mapping[str, Archetype]] = MappingProxyType(
    {name: _kind(name, table) for name, table in _TABLES.items()}
)


def mixed(weights: Mapping[str, float], rate: float | None) -> tuple[Archetype, ...]:
    """`weights`: the share of each kind among the sessions that begin; they need not sum to 1. `rate`: sessions a second of all; None: the weighted mean of their own.

    ValueError for a kind that is not known, or a weight or rate that cannot be.
    """
    for name, weight in weights.items():
        if name not in WORKLOADS:
            raise ValueError(f"unknown workload {name!r}; known: {', '.join(WORKLOADS)}")
        if not 0 < weight < 1e9:
            raise ValueError(f"the weight of {name!r} must be above 0, not {weight}")
    total = sum(weights.values())
    if rate is None:
        rate = sum(weight * WORKLOADS[name].rate for name, weight in weights.items()) / total
    if not 0 < rate <= 10_000:
        raise ValueError(f"rate must be above 0 and at most 10000 sessions a second, not {rate}")
    return tuple(replace(WORKLOADS[name], rate=rate * weight / total) for name, weight in weights.items())
