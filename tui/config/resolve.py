"""What is to be watched and how, out of the configuration: targets and lists of targets, each with the settings that hold for it. No I/O.

A target that is asked for by the name of a group, or that the configuration knows by its name or address, is watched as it says there.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from collectors.sources.target import Target, TargetError, parse_target
from tui.config.judging import Judged, judged
from tui.config.load import ConfigError, Loaded
from tui.config.tables import TOKEN, WATCHED, Config, GroupTable, HttpSdTable, PerTarget, TargetTable

MIN_PROBE_S: Final = 1.0
Said = Mapping[str, Any]
"""Keys of `PerTarget` and what describes a target, as far as anything is said; `labels` and `limits` are tables."""


class Named(NamedTuple):
    target: Target
    said: Said


class List(NamedTuple):
    """`kind` is the key (`file_sd`, `http_sd`, `prometheus`), `what` its path or URL, `access` how a URL is reached."""

    kind: str
    what: str
    said: Said
    access: Said


class Plan(NamedTuple):
    named: tuple[Named, ...]
    lists: tuple[List, ...]
    said: Said
    """What holds for all."""
    judged: Judged = Judged()

    @property
    def title(self) -> str:
        words = [*(one.said.get("name") or one.target.name for one in self.named), *(one.what for one in self.lists)]
        return ", ".join(words) or "usual local ports"


def resolve(loaded: Loaded) -> Plan:
    """Without a target and without a list the plan is empty. Raises ConfigError."""
    config = loaded.config
    base = _said(config)
    named: list[Named] = []
    lists: list[List] = []
    groups = list(config.groups or ())
    for one in config.targets or ():
        if isinstance(one, str) and (asked := [group for group in loaded.below.groups or () if group.name == one]):
            groups += asked
        elif isinstance(one, str):
            named.append(_known(one, loaded.below, base) or Named(_target(one), base))
        else:
            named.append(_named(one, base))
    lists += _lists(config, base)
    for group in groups:
        said = _of_group(group, base)
        named += [
            Named(_target(one), said) if isinstance(one, str) else _named(one, said) for one in group.targets or ()
        ]
        lists += _lists(group, said)
    for said in (base, *(one.said for one in named), *(one.said for one in lists)):
        _check_endpoints(said)
        if 0 < said["probe_s"] < MIN_PROBE_S:
            raise ConfigError(
                f"probe_s: {said['probe_s']:g} is too often; write {MIN_PROBE_S:g} or more, or 0 for never"
            )
    return Plan(tuple(named), tuple(lists), base, judged(loaded))


def _known(text: str, below: Config, base: Said) -> Named | None:
    """The target of the configuration that is called so, or is there."""
    try:
        where = parse_target(text)
    except TargetError:
        where = None
    for group, said in ((None, base), *((group, _of_group(group, base)) for group in below.groups or ())):
        for one in (below if group is None else group).targets or ():
            found = Named(_target(one), said) if isinstance(one, str) else _named(one, said)
            if found.said.get("name") == text or (where is not None and found.target == where):
                return found
    return None


def _lists(table: Config | GroupTable, said: Said) -> Iterator[List]:
    for path in table.file_sd or ():
        yield List("file_sd", path, said, {})
    for path in table.prometheus or ():
        yield List("prometheus", path, said, {})
    for one in table.http_sd or ():
        url, access = (one, {}) if isinstance(one, str) else (one.url, _said(one))
        target = _target(url)
        if target.kind or "://" not in url:
            raise ConfigError(f"http_sd: {target.name} is no URL; write http://host/path or https://host/path")
        yield List("http_sd", url, said, access)


def _of_group(group: GroupTable, base: Said) -> Said:
    said = _over(base, _said(group))
    name = said.pop("name", "")
    return said | {"labels": {"group": name} | dict(said.get("labels", {}))} if name else said


def _named(table: TargetTable, base: Said) -> Named:
    said = _over(base, _said(table))
    return Named(_target(table.url), said)


def _said(table: PerTarget | HttpSdTable) -> dict[str, Any]:
    """What a table says itself of how its targets are watched."""
    left = {"slo", "profiles", "prices", "layout", "keys", *WATCHED, "url"}
    fields = ((name, getattr(table, name)) for name in table.__struct_fields__ if name not in left)
    said = {name: value for name, value in fields if value is not UNSET}
    if "limits" in said:
        said["limits"] = msgspec.to_builtins(said["limits"])
    return said


def _over(base: Said, said: Said) -> dict[str, Any]:
    """What is said more closely holds."""
    merged = {key: value for key, value in base.items() if key not in TOKEN or not any(one in said for one in TOKEN)}
    for key, value in said.items():
        merged[key] = {**merged.get(key, {}), **value} if key in ("labels", "limits") else value
    return merged


def _target(text: str) -> Target:
    try:
        return parse_target(text)
    except TargetError as error:
        raise ConfigError(str(error)) from None


def _check_endpoints(said: Said) -> None:
    for key in ("kv_endpoint", "kv_replay"):
        if text := said.get(key):
            from collectors.wire.kv_discovery import tcp_endpoint  # heavy, and seldom asked for
            from collectors.wire.kv_events import KvEventError

            try:
                tcp_endpoint(text)
            except KvEventError as error:
                raise ConfigError(f"{key}: {error}") from None
