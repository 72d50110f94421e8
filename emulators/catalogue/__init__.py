"""Chips, models, serving software and links: the figures that the simulation computes with, each with its source.

One TOML table is one chip, model, engine or link; adding one needs no code. Vendor peaks are kept apart from effective figures. What a figure
means for time or memory is said by `emulators.gpu`, `emulators.lpu` and `emulators.kv`, not here.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import TypeVar

import msgspec


class CatalogueError(ValueError):
    """A table that is not there, or not what it should be; the message says which, and what is known."""


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number, who says so, and when that was published (or read). `assumed`: nobody publishes it."""

    value: float
    source: str
    date: str
    assumed: bool = False


class GpuPeak(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes, bytes/s, dense FLOP/s; `scale_up_bytes_per_s` is the link to a peer in the same domain, one direction."""

    memory_bytes: Figure
    memory_bytes_per_s: Figure
    flops_bf16: Figure
    scale_up_bytes_per_s: Figure


class GpuEffective(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of the peak that serving reaches: of memory bandwidth and of FLOP/s."""

    memory_efficiency: Figure
    mfu: Figure


class GpuChip(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="GPU", tag_field="device"):
    """A chip whose step time is a roofline (`emulators.gpu`)."""

    tier: str
    peak: GpuPeak
    effective: GpuEffective


class LpuPeak(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    memory_bytes: Figure
    memory_bytes_per_s: Figure


class LpuEffective(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds of a token on its way through the pipeline, and of the realignment of its clock."""

    layer_s: Figure
    lm_head_s: Figure
    sampling_s: Figure
    realign_s: Figure
    realign_every_s: Figure


class LpuChip(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="LPU", tag_field="device"):
    """A chip whose token time is a sum of layer latencies (`emulators.lpu`)."""

    tier: str
    peak: LpuPeak
    effective: LpuEffective


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dense transformer."""

    source: str
    date: str
    parameters: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int

    def kv_bytes_per_token(self, value_bytes: int) -> int:
        """Keys and values of one token in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_dim * value_bytes


class Engine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A generation of serving software; meanings in engines.toml."""

    host_s: Figure
    sequence_s: Figure
    sync_s: Figure
    front_end_s: Figure
    chunk_tokens: Figure
    max_sequences: Figure
    memory_share: Figure
    noise_sigma: Figure
    spike_rate: Figure
    spike_low: Figure
    spike_high: Figure


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    peak_bytes_per_s: Figure
    effective_bytes_per_s: Figure
    latency_s: Figure


T = TypeVar("T")


def read(text: str, kind: type[T], what: str) -> dict[str, T]:
    """Tables of `kind` by name. CatalogueError naming the table and field that is wrong."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{what}: not TOML: {error}") from None
    out = {}
    for name, table in tables.items():
        try:
            out[name] = msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            raise CatalogueError(f"{what} {name!r}: {error}") from None
    return out


@cache
def chips() -> dict[str, GpuChip | LpuChip]:
    return read(_text("chips"), GpuChip | LpuChip, "chip")  # type: ignore[arg-type]


@cache
def models() -> dict[str, Model]:
    return read(_text("models"), Model, "model")


@cache
def engines() -> dict[str, Engine]:
    return read(_text("engines"), Engine, "engine")


@cache
def links() -> dict[str, Link]:
    return read(_text("links"), Link, "link")


def find(tables: dict[str, T], name: str, what: str) -> T:
    """The table of that name. CatalogueError naming the known ones."""
    if name not in tables:
        raise CatalogueError(f"unknown {what} {name!r}; known: {', '.join(sorted(tables))}")
    return tables[name]


def gpu(name: str) -> GpuChip:
    """CatalogueError if there is no such chip or it is not a GPU."""
    chip = find(chips(), name, "chip")
    if not isinstance(chip, GpuChip):
        raise CatalogueError(f"chip {name!r} is not a GPU")
    return chip


def lpu(name: str) -> LpuChip:
    """CatalogueError if there is no such chip or it is not an LPU."""
    chip = find(chips(), name, "chip")
    if not isinstance(chip, LpuChip):
        raise CatalogueError(f"chip {name!r} is not an LPU")
    return chip


def _text(name: str) -> str:
    return files(__package__).joinpath(f"{name}.toml").read_text("utf-8")
