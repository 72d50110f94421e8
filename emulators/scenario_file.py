"""Scenarios as TOML: the tables of a file to a `Scenario`, each mistake named with the table that it is in.

The keys of a table are the fields of the class that it becomes: `[[worker]]` with `kind` (`KINDS`), `[host]` `HostSpec`, `[[rule]]` `Rule`, `[weights]` `Weights`, `[[load]]`
`Archetype`. At the top stand the other fields of `Scenario`.
"""

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from emulators import catalogue
from emulators.deployment_specs import AttentionSpec, DraftSpec, FfnSpec, VerifySpec
from emulators.fleet import GpuSpec, HostSpec, LpuSpec, Scenario
from emulators.router import Rule, Weights
from emulators.workload import Archetype

KINDS: Final[dict[str, type[Any]]] = {
    "gpu": GpuSpec,
    "lpu": LpuSpec,
    "attention": AttentionSpec,
    "ffn": FfnSpec,
    "draft": DraftSpec,
    "verify": VerifySpec,
}
MAX_FILE_BYTES: Final = 1 << 20

T = TypeVar("T")


class ScenarioError(ValueError):
    """A file that is no scenario; the message says where and what to do."""


def load(path: Path) -> Scenario:
    """The scenario of a file. ScenarioError if it cannot be read, is above 1 MiB, or is wrong."""
    try:
        size = path.stat().st_size
        text = path.read_text("utf-8") if size <= MAX_FILE_BYTES else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from None
    if size > MAX_FILE_BYTES:
        raise ScenarioError(f"{path}: {size} bytes, more than {MAX_FILE_BYTES}")
    return parse(text, str(path))


def parse(text: str, what: str) -> Scenario:
    """ScenarioError naming the table that is wrong; `what` is the file's name."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{what}: not TOML: {error}") from None
    parts: dict[str, Any] = {
        "workers": tuple(_worker(one, f"{what}: [[worker]] {at}") for at, one in _rows(tables, "worker", what)),
        "host": _made(HostSpec, tables.pop("host", {}), f"{what}: [host]"),
        "rules": tuple(_made(Rule, one, f"{what}: [[rule]] {at}") for at, one in _rows(tables, "rule", what)),
        "weights": _made(Weights, tables.pop("weights", {}), f"{what}: [weights]"),
        "load": tuple(_made(Archetype, one, f"{what}: [[load]] {at}") for at, one in _rows(tables, "load", what)),
    }
    _no_others(Scenario, tables, what)
    try:
        scenario = Scenario(**tables, **parts)
        catalogue.find(catalogue.models(), scenario.model, "model")
    except (TypeError, ValueError) as error:
        raise ScenarioError(f"{what}: {error}") from None
    return scenario


def _rows(tables: dict[str, Any], name: str, what: str) -> list[tuple[int, Any]]:
    """The tables of that name with their numbers, from 1. ScenarioError if there are none."""
    rows = tables.pop(name, None)
    if not isinstance(rows, list) or not rows:
        raise ScenarioError(f"{what}: at least one [[{name}]] is needed")
    return list(enumerate(rows, 1))


def _worker(table: Any, what: str) -> Any:
    kind = table.get("kind") if isinstance(table, dict) else None
    if kind not in KINDS:
        raise ScenarioError(f"{what}: kind is one of {', '.join(KINDS)}, not {kind!r}")
    return _made(KINDS[kind], {key: value for key, value in table.items() if key != "kind"}, what)


def _made(kind: type[T], table: Any, what: str) -> T:
    if not isinstance(table, dict):
        raise ScenarioError(f"{what}: must be a table")
    _no_others(kind, table, what)
    try:
        return msgspec.convert(table, kind)
    except ValueError as error:
        raise ScenarioError(f"{what}: {error}") from None


def _no_others(kind: type[Any], table: dict[str, Any], what: str) -> None:
    """ScenarioError for a key that is no field of `kind`."""
    known = {field.name for field in fields(kind)}
    for key in table:
        if key not in known:
            raise ScenarioError(f"{what}: unknown key {key!r}; known: {', '.join(sorted(known))}")
