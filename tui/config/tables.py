"""The tables of the configuration file, typed. A key that is not written is UNSET: what holds then is said elsewhere.

Light: imported before the first frame, so nothing here knows a source.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from collectors.model.vocabulary import Device, Role
from collectors.wire.limits import DEFAULT, Limits

Seconds = Annotated[float, Meta(ge=0.05, le=3_600)]
ProbeSeconds = Annotated[float, Meta(ge=0, le=86_400)]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Text = Annotated[str, Meta(max_length=2_048)]
Words = Annotated[str, Meta(max_length=200)]
Share = Annotated[float, Meta(gt=0, lt=1)]
ObjectiveSeconds = Annotated[float, Meta(gt=0, le=86_400)]
Amount = Annotated[float, Meta(ge=0, le=1_000_000)]
Date = Annotated[str, Meta(pattern=r"^\d{4}(-\d\d){0,2}$")]

LimitsTable: Final[Any] = msgspec.defstruct(
    "LimitsTable",
    [(field.name, field.type | UnsetType, UNSET) for field in msgspec.structs.fields(Limits)],
    forbid_unknown_fields=True,
    kw_only=True,
)
"""Any of the limits of a target."""


class _Table(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    pass


class PerTarget(_Table):
    """What may be said for all targets, for those of a group, and for one."""

    interval_s: Seconds | UnsetType = UNSET
    sole_reader: bool | UnsetType = UNSET
    kv_events: bool | UnsetType = UNSET
    kv_endpoint: Text | UnsetType = UNSET
    kv_replay: Text | UnsetType = UNSET
    kv_topic: Text | UnsetType = UNSET
    worker_ports: list[Port] | UnsetType = UNSET
    trace_from_start: bool | UnsetType = UNSET
    probe_s: ProbeSeconds | UnsetType = UNSET
    probe_model: Text | UnsetType = UNSET
    ca_file: Text | UnsetType = UNSET
    insecure_tls: bool | UnsetType = UNSET
    token_env: Text | UnsetType = UNSET
    token_file: Text | UnsetType = UNSET
    limits: LimitsTable | UnsetType = UNSET


class _Described(PerTarget):
    """What is said of a target that it may not say itself."""

    name: Text | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    device: Device | UnsetType = UNSET
    chip: Text | UnsetType = UNSET
    chips: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET
    labels: dict[Text, Text] | UnsetType = UNSET


class TargetTable(_Described, kw_only=True):
    url: Text


class HttpSdTable(_Table, kw_only=True):
    """With access of its own: what is read with a token for its targets is not what lists them."""

    url: Text
    ca_file: Text | UnsetType = UNSET
    insecure_tls: bool | UnsetType = UNSET
    token_env: Text | UnsetType = UNSET
    token_file: Text | UnsetType = UNSET


class GroupTable(_Described):
    targets: list[Text | TargetTable] | UnsetType = UNSET
    file_sd: list[Text] | UnsetType = UNSET
    http_sd: list[Text | HttpSdTable] | UnsetType = UNSET
    prometheus: list[Text] | UnsetType = UNSET


class LayoutTable(_Table):
    """How the dashboard looks."""

    theme: Literal["auto", "dark", "light", "contrast", "safe", "ansi"] | UnsetType = UNSET
    glyphs: Literal["auto", "braille", "block", "ascii"] | UnsetType = UNSET
    page: Text | UnsetType = UNSET
    fleet: Literal["auto", "list", "map"] | UnsetType = UNSET
    stage: bool | UnsetType = UNSET


class ProfileTable(_Table):
    """Objectives, and for which share of the requests each holds: `share`, unless it has one of its own."""

    ttft_s: ObjectiveSeconds | UnsetType = UNSET
    tpot_s: ObjectiveSeconds | UnsetType = UNSET
    request_s: ObjectiveSeconds | UnsetType = UNSET
    share: Share | UnsetType = UNSET
    ttft_share: Share | UnsetType = UNSET
    tpot_share: Share | UnsetType = UNSET
    request_share: Share | UnsetType = UNSET
    source: Words | UnsetType = UNSET


class PriceTable(_Table):
    """Of one device of the chip, or of the kind of device, that the table is named after."""

    dollars_per_hour: Amount | UnsetType = UNSET
    watts: Amount | UnsetType = UNSET
    source: Words | UnsetType = UNSET
    date: Date | UnsetType = UNSET


class Config(PerTarget):
    targets: list[Text | TargetTable] | UnsetType = UNSET
    file_sd: list[Text] | UnsetType = UNSET
    http_sd: list[Text | HttpSdTable] | UnsetType = UNSET
    prometheus: list[Text] | UnsetType = UNSET
    groups: list[GroupTable] | UnsetType = UNSET
    slo: Text | UnsetType = UNSET
    profiles: dict[Words, ProfileTable] | UnsetType = UNSET
    prices: dict[Words, PriceTable] | UnsetType = UNSET
    layout: LayoutTable | UnsetType = UNSET
    keys: dict[Text, Text] | UnsetType = UNSET


NESTED: Final = ("limits", "layout")
"""Tables of which each key is a setting."""
BY_NAME: Final[dict[str, type[msgspec.Struct]]] = {"profiles": ProfileTable, "prices": PriceTable}
"""Settings that are tables by names of the operator's choice, and what each of those is."""
WATCHED: Final = ("targets", "groups", "file_sd", "http_sd", "prometheus")
"""The keys that say what there is to watch."""
TOKEN: Final = ("token_env", "token_file")
"""Of which one is enough: where one is said, what was said of the other no longer holds."""
DEFAULTS: Final[dict[str, Any]] = {
    "targets": [],
    "groups": [],
    "file_sd": [],
    "http_sd": [],
    "prometheus": [],
    "slo": "chat",
    "profiles": {},
    "prices": {},
    "interval_s": 1.0,
    "sole_reader": False,
    "kv_events": True,
    "kv_endpoint": "",
    "kv_replay": "",
    "kv_topic": "",
    "worker_ports": [],
    "trace_from_start": False,
    "probe_s": 0.0,
    "probe_model": "",
    "ca_file": "",
    "insecure_tls": False,
    "token_env": "",
    "token_file": "",
    "layout.theme": "auto",
    "layout.glyphs": "auto",
    "layout.page": "auto",
    "layout.fleet": "auto",
    "layout.stage": False,
    "keys": {},
    **{f"limits.{name}": getattr(DEFAULT, name) for name in Limits.__struct_fields__},
}
"""By key, in the order in which they are shown: what holds where nothing is said."""
MEANING: Final = {
    "targets": "what to watch: URLs, host:port, or tables with `url` and any other key",
    "groups": "tables of targets with common settings",
    "file_sd": "files that list targets as Prometheus' file_sd does (JSON, YAML); wildcards in the last part",
    "http_sd": "URLs that list targets as Prometheus' http_sd does",
    "prometheus": "existing prometheus.yml files, whose static and file_sd targets are watched",
    "slo": "profile of objectives that requests are held against: chat, rag, agent, code, one of MLPerf's, or one of `profiles`",
    "profiles": "profiles of your own, before the built-in ones: { voice = { ttft_s = 0.3, tpot_s = 0.05, share = 0.95 } }",
    "prices": "what a device costs and draws, by chip or kind of device: { H100-SXM = { dollars_per_hour = 2.1, watts = 500 } }",
    "interval_s": "seconds between two scrapes of a target",
    "sole_reader": "nobody else reads these targets: reads that take away what they read are allowed",
    "kv_events": "follow the KV events that a target says it publishes",
    "kv_endpoint": "where a target publishes KV events (tcp://host:port), for one that cannot be asked",
    "kv_replay": "where it replays them",
    "kv_topic": "under which topic",
    "worker_ports": "ports at which the hosts that a Dynamo front end lists are tried for pages of metrics",
    "trace_from_start": "what is already in a trace file counts too, not only what is written from now on",
    "probe_s": "send a small request of our own every so many seconds, 1 or more: costs tokens there (0: never)",
    "probe_model": "which model it is for, where the server lists several",
    "ca_file": "authorities to trust, in place of the system's",
    "insecure_tls": "trust whoever answers; said loudly on the target's row",
    "token_env": "environment variable that holds the bearer token",
    "token_file": "file that holds it, readable by its owner alone",
    "layout.theme": "dark, light, contrast, safe (for fewer hues), ansi (the terminal's own colours), auto: as last",
    "layout.glyphs": "braille, block, ascii, auto: what the locale and the terminal have",
    "layout.page": "the screen to begin with, by name; auto: as last",
    "layout.fleet": "list (a row a worker), map (a cell a worker), auto: as last, or by how many there are",
    "layout.stage": "full rate even where the terminal does not have the focus",
    "keys": 'other keys for commands, by their names in ?: { "pause-or-resume" = "p" }',
}


def variable(key: str) -> str:
    """The environment variable of a key."""
    return f"TOKENYARD_{key.upper().replace('.', '_')}"
