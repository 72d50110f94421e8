"""Chips, models, serving software and links: the figures that the simulation computes with, each with its source.

One TOML table is one chip, model, engine or link; adding one needs no code, and `add` takes a user's file of them. Vendor peaks are kept apart from effective
figures. What a figure means for time or memory is said by `emulators.gpu`, `emulators.lpu` and `emulators.kv`, not here.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from emulators.catalogue.tables import (
    BYTES_PER_WEIGHT,
    Chip,
    Engine,
    Figure,
    GpuChip,
    Link,
    LpuChip,
    Model,
    Price,
    TpuChip,
    TrainiumChip,
    WseChip,
)

__all__ = [
    "BYTES_PER_WEIGHT", "CatalogueError", "Chip", "Engine", "Figure", "GpuChip", "Link", "LpuChip", "Model", "Price", "TpuChip", "TrainiumChip", "WseChip",
    "add", "added", "chips", "engines", "find", "gpu", "links", "lpu", "models", "named", "prices", "read",
]  # fmt: skip

MAX_FILE_BYTES = 1 << 20

_added: set[Path] = set()


class CatalogueError(ValueError):
    """A table that is not there, or not what it should be; the message says which, and what is known."""


T = TypeVar("T")


def read(text: str, kind: type[T], what: str) -> dict[str, T]:
    """Tables of `kind` by name. CatalogueError naming the table and field that is wrong."""
    return _converted(_parsed(text, what), kind, what)


@cache
def chips() -> dict[str, Chip]:
    return read(_text("chips"), Chip, "chip")  # type: ignore[arg-type]


@cache
def models() -> dict[str, Model]:
    return read(_text("models"), Model, "model")


@cache
def engines() -> dict[str, Engine]:
    return read(_text("engines"), Engine, "engine")


@cache
def links() -> dict[str, Link]:
    return read(_text("links"), Link, "link")


@cache
def prices() -> dict[str, Price]:
    """Price of one chip by the chip's name."""
    return read(_text("prices"), Price, "price")


def add(path: Path) -> None:
    """Adds a user's tables for the life of the process: `[chip.NAME]`, `[model.NAME]`, `[engine.NAME]`, `[link.NAME]`, `[price.NAME]`.

    CatalogueError, with nothing added, if the file cannot be read or is above 1 MiB, a table is wrong, or a name is taken; but a price replaces the one there is.
    """
    try:
        size = path.stat().st_size
        text = path.read_text("utf-8") if size <= MAX_FILE_BYTES else ""
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path}: {error}") from None
    if size > MAX_FILE_BYTES:
        raise CatalogueError(f"{path}: {size} bytes, more than {MAX_FILE_BYTES}")
    known: dict[str, tuple[dict[str, Any], Any]] = {
        "chip": (chips(), Chip),
        "model": (models(), Model),
        "engine": (engines(), Engine),
        "link": (links(), Link),
        "price": (prices(), Price),
    }
    tables_read = []
    for what, tables in _parsed(text, str(path)).items():
        if what not in known:
            raise CatalogueError(f"{path}: [{what}] is none of {', '.join(f'[{name}.NAME]' for name in known)}")
        if not isinstance(tables, dict):
            raise CatalogueError(f"{path}: {what} must be a table of tables, [{what}.NAME]")
        shipped, kind = known[what]
        for name in tables:
            if name in shipped and what != "price":
                raise CatalogueError(f"{path}: {what} {name!r} is in the catalogue already; take another name")
        tables_read.append((shipped, _converted(tables, kind, f"{path}: {what}")))
    for shipped, new in tables_read:
        shipped.update(new)
    _added.add(path.resolve())


def added(path: Path) -> bool:
    """Whether this process has the tables of that file."""
    return path.resolve() in _added


def find(tables: Mapping[str, T], name: str, what: str) -> T:
    """The table of that name. CatalogueError naming the known ones."""
    if name not in tables:
        raise CatalogueError(f"unknown {what} {name!r}; known: {', '.join(sorted(tables))}")
    return tables[name]


def named(tables: Mapping[str, T], name: str, what: str) -> str:
    """The catalogue's name for what others call `name`, without regard to case. CatalogueError naming the known ones."""
    wanted = name.strip().lower()
    for known, table in tables.items():
        if wanted == known.lower() or wanted in (other.lower() for other in getattr(table, "names", ())):
            return known
    raise CatalogueError(f"unknown {what} {name!r}; known: {', '.join(sorted(tables))}")


def gpu(name: str) -> GpuChip:
    """CatalogueError if there is no such chip or it does not go through the roofline."""
    chip = find(chips(), name, "chip")
    if not isinstance(chip, GpuChip):
        raise CatalogueError(f"chip {name!r} is not a GPU")
    return chip


def lpu(name: str) -> LpuChip:
    """CatalogueError if there is no such chip or it does not go through the layer-latency model."""
    chip = find(chips(), name, "chip")
    if not isinstance(chip, LpuChip):
        raise CatalogueError(f"chip {name!r} is not an LPU")
    return chip


def _parsed(text: str, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{what}: not TOML: {error}") from None


def _converted(tables: Mapping[str, Any], kind: type[T], what: str) -> dict[str, T]:
    out = {}
    for name, table in tables.items():
        try:
            out[name] = msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            raise CatalogueError(f"{what} {name!r}: {error}") from None
    return out


def _text(name: str) -> str:
    return files(__package__).joinpath(f"{name}.toml").read_text("utf-8")
