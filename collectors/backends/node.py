"""Prometheus' node exporter, for the memory of hosts: what a tier in DRAM could be made of at most, and never what one holds.

Makes no workers. Names: prometheus/node_exporter `collector/meminfo*.go`, `collector/uname.go`.
"""

from collections.abc import Collection, Sequence
from typing import Final

from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families
from collectors.backends.reach import Reach
from collectors.model.places import host_of
from collectors.model.signals import Kind, Signal
from collectors.wire.exposition import SampleKey

_UNAME: Final = "node_uname_info"
_RULES: Final = {
    "node_memory_MemTotal_bytes": Rule(Signal.HOST_MEMORY_TOTAL, Kind.GAUGE),
    "node_memory_MemAvailable_bytes": Rule(Signal.HOST_MEMORY_AVAILABLE, Kind.GAUGE),
}
_FAMILIES: Final = families([*_RULES, _UNAME])
_MARKS: Final = families([*_RULES, _UNAME, "node_exporter_build_info"])


def _detect(names: Collection[str]) -> bool:
    return not _MARKS.isdisjoint(names)


def _wanted(family: str) -> bool:
    return family in _FAMILIES


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    names = {name for key in keys if key.name == _UNAME and (name := dict(key.labels).get("nodename"))}
    host = names.pop() if len(names) == 1 else host_of(target)
    for index, key in enumerate(keys):
        if rule := _RULES.get(key.name):
            draft.take(index, key, dict(key.labels), rule, worker="", owner=host)
    return draft.mapping()


BACKEND: Final = Backend(
    "node",
    _detect,
    _wanted,
    _map,
    Reach("node exporter", version_label=("node_exporter_build_info", "version")),
    counts_itself=False,
)
