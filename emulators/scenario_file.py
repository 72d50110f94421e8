"""Scenarios as TOML: the tables of a file to a `Scenario`, each mistake named with the table that it is in.

The keys of a table are the fields of the class that it becomes: `[[worker]]` with `kind` (`KINDS`), `[host]` `HostSpec`, `[[rule]]` `Rule`, `[weights]` `Weights`, `[[load]]`
`Archetype`, `[workload]` `Workload`, `[[fault]]` `emulators.faults`, `[[chapter]]` and `[[side]]` `emulators.chapters`. At the top stand the other fields of `Scenario`; `deployment` stands for all but load and faults: that of another scenario, whose load is taken, too, where there is none.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from emulators import catalogue
from emulators.chapters import Chapter, Side, checked
from emulators.deployment_specs import AttentionSpec, DraftSpec, FfnSpec, VerifySpec
from emulators.faults.fault import Fault, FaultError, of_table
from emulators.router import Rule, Weights
from emulators.specs import GpuSpec, HostSpec, LpuSpec, Scenario
from emulators.traces import SHIPPED, Trace
from emulators.workload import Archetype
from emulators.workloads import mixed

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


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked beside `[[load]]`. `trace`: one that comes with the package, or a path, relative to the file; the others as in `Trace`."""

    trace: str | None = None
    scale: float = 1.0
    limit: int | None = None
    session_every_s: float = 120.0
    mix: dict[str, float] = field(default_factory=dict)
    """Weights of kinds of load (`emulators.workloads`): shares of the sessions that begin."""
    rate: float | None = None
    """Sessions a second of the mix."""

    def replayed(self, folder: Path) -> Trace | None:
        """TraceError if there is no such file."""
        if self.trace is None:
            return None
        name = self.trace if self.trace in SHIPPED else str(folder / self.trace)
        return Trace.of(name, self.scale, self.limit, self.session_every_s)


def load(path: Path, others: Mapping[str, Scenario]) -> Scenario:
    """The scenario of a file. `others`: whose `deployment` it may take. ScenarioError if it cannot be read, is above 1 MiB, or is wrong."""
    try:
        size = path.stat().st_size
        text = path.read_text("utf-8") if size <= MAX_FILE_BYTES else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from None
    if size > MAX_FILE_BYTES:
        raise ScenarioError(f"{path}: {size} bytes, more than {MAX_FILE_BYTES}")
    return parse(text, str(path), others, path.parent)


def parse(text: str, what: str, others: Mapping[str, Scenario] = {}, folder: Path = Path()) -> Scenario:
    """ScenarioError naming the table that is wrong; `what` is the file's name, `folder` where paths in it begin."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{what}: not TOML: {error}") from None
    if "deployment" in tables:
        return _on_another(tables, what, others, folder)
    parts: dict[str, Any] = {
        "workers": tuple(_worker(one, f"{what}: [[worker]] {at}") for at, one in _rows(tables, "worker", what)),
        "host": _made(HostSpec, tables.pop("host", {}), f"{what}: [host]"),
        "rules": tuple(_made(Rule, one, f"{what}: [[rule]] {at}") for at, one in _rows(tables, "rule", what)),
        "weights": _made(Weights, tables.pop("weights", {}), f"{what}: [weights]"),
        **_wrong(tables, what),
        **_told(tables, what),
        **_asked(tables, what, folder),
    }
    _no_others(Scenario, tables, what)
    try:
        scenario = Scenario(**tables, **parts)
        catalogue.find(catalogue.models(), scenario.model, "model")
    except (TypeError, ValueError) as error:
        raise ScenarioError(f"{what}: {error}") from None
    return scenario


def _on_another(tables: dict[str, Any], what: str, others: Mapping[str, Scenario], folder: Path) -> Scenario:
    deployment = tables.pop("deployment")
    if deployment not in others:
        raise ScenarioError(f"{what}: unknown deployment {deployment!r}; known: {', '.join(sorted(others))}")
    name, about = (str(tables.pop(key, Path(what).stem)) for key in ("name", "about"))
    changes = _asked(tables, what, folder) if {"load", "workload"} & tables.keys() else {}
    changes |= _wrong(tables, what) | _told(tables, what)
    if tables:
        raise ScenarioError(
            f"{what}: {next(iter(tables))!r} is a part of the deployment, which is that of {deployment!r}"
        )
    try:
        return replace(others[deployment], name=name, about=about, **changes)
    except ValueError as error:
        raise ScenarioError(f"{what}: {error}") from None


def _asked(tables: dict[str, Any], what: str, folder: Path) -> dict[str, Any]:
    """The load, of which there must be some."""
    load: tuple[Archetype, ...] = ()
    workload = _made(Workload, tables.pop("workload", {}), f"{what}: [workload]")
    if "load" in tables or workload == Workload():
        load = tuple(_loads(_rows(tables, "load", what), what))
    try:
        mix = mixed(workload.mix, workload.rate) if workload.mix else ()
        return {"load": load + mix, "trace": workload.replayed(folder)}
    except ValueError as error:
        raise ScenarioError(f"{what}: [workload]: {error}") from None


def _loads(rows: list[tuple[int, Any]], what: str) -> Iterator[Archetype]:
    """Each as it stands, or `like` one before it: with that one's keys but for the name, where it has none of its own."""
    known: dict[str, dict[str, Any]] = {}
    for at, table in rows:
        where = f"{what}: [[load]] {at}"
        if isinstance(table, dict) and "like" in table:
            other = known.get(str(table["like"]))
            if other is None:
                raise ScenarioError(f"{where}: like is the name of a [[load]] before it, not {table['like']!r}")
            first = other.get("like", other["name"])
            table = {key: value for key, value in other.items() if key != "name"} | table | {"like": first}
        yield (made := _made(Archetype, table, where))
        known[made.name] = table


def _wrong(tables: dict[str, Any], what: str) -> dict[str, Any]:
    """What goes wrong, and how often a request is then sent once more."""
    faults: list[Fault] = []
    limit = tables.pop("migration_limit", 0)
    if type(limit) is not int or limit < 0:
        raise ScenarioError(f"{what}: migration_limit is a whole number, 0 or more, not {limit!r}")
    for at, table in _rows(tables, "fault", what) if "fault" in tables else ():
        try:
            faults.append(of_table(table if isinstance(table, dict) else {}))
        except FaultError as error:
            raise ScenarioError(f"{what}: [[fault]] {at}: {error}") from None
    return {"faults": tuple(faults), "migration_limit": limit}


def _told(tables: dict[str, Any], what: str) -> dict[str, Any]:
    """The chapters, if there are any, and how long the show is."""
    rows = _rows(tables, "chapter", what) if "chapter" in tables else []
    chapters = [_made(Chapter, one, f"{what}: [[chapter]] {at}") for at, one in rows]
    length_s = tables.pop("length_s", None)
    if length_s is not None and (type(length_s) not in (int, float)):
        raise ScenarioError(f"{what}: length_s is a number of seconds, not {length_s!r}")
    try:
        made, length = checked(chapters, length_s)
    except ValueError as error:
        raise ScenarioError(f"{what}: {error}") from None
    told: dict[str, Any] = {"chapters": made, "length_s": length}
    if "side" in tables:
        sides = _rows(tables, "side", what)
        told["sides"] = tuple(_made(Side, one, f"{what}: [[side]] {at}") for at, one in sides)
    return told


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
