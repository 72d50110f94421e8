"""Google TPUs: memory and activity of chips, from GKE's TPU device plugin (port 2112) or from libtpu's metrics as a collector writes them.

Makes no workers: vLLM on a TPU has a page of its own. Never seen by us. Left out: libtpu's own service (gRPC, port 8431). Names and units of the plugin: llm-d's documentation
`operations/observability/tpu`, and the tests of Google's plugin; libtpu's: `tpu_info/metrics.py` in the package tpu-info 0.14.2, where dots
become underscores on a page.
"""

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Table
from typing import Final

from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families, rules
from collectors.backends.reach import Reach
from collectors.model.places import device_key, host_of
from collectors.model.signals import DeviceFacts, Kind, Signal
from collectors.model.vocabulary import Device
from collectors.wire.exposition import SampleKey

_NODE: Final = "_node"
"""End of the names under which the plugin says the same for chips that no container has."""
_PLUGIN: Final = {
    "memory_used": Rule(Signal.DEVICE_MEMORY_USED, Kind.GAUGE),
    "memory_total": Rule(Signal.DEVICE_MEMORY_TOTAL, Kind.GAUGE),
    "duty_cycle": Rule(Signal.DEVICE_ACTIVITY, Kind.GAUGE, scale=1e-2, label="busy"),
    "tensorcore_utilization": Rule(Signal.DEVICE_ACTIVITY, Kind.GAUGE, scale=1e-2, label="tensor"),
    "memory_bandwidth_utilization": Rule(Signal.DEVICE_ACTIVITY, Kind.GAUGE, scale=1e-2, label="memory bandwidth"),
}
_LIBTPU: Final = {
    "tpu.runtime.hbm.memory.usage.bytes": Rule(Signal.DEVICE_MEMORY_USED, Kind.GAUGE),
    "tpu.runtime.hbm.memory.total.bytes": Rule(Signal.DEVICE_MEMORY_TOTAL, Kind.GAUGE),
    "tpu.runtime.tensorcore.dutycycle.percent": Rule(Signal.DEVICE_ACTIVITY, Kind.GAUGE, scale=1e-2, label="tensor"),
    "hlo.queue.size.gauge": Rule(Signal.PROGRAMS_QUEUED, Kind.GAUGE),
}
_TRANSFERS: Final = ("dcn_transfer", "collective_end_to_end", "host_to_device_transfer", "device_to_host_transfer")
_LATENCIES: Final = {
    family: name
    for name in _TRANSFERS
    for family in (
        f"{name}_latencies_microsecond",
        f"megascale.{name}_latencies.microsecond.cumulative.distribution",
        f"megascale_{name}_latencies_microsecond_cumulative_distribution",
    )
}
_RULES: Final = {
    **_PLUGIN,
    **{f"{name}{_NODE}": rule for name, rule in _PLUGIN.items()},
    **_LIBTPU,
    **{name.replace(".", "_"): rule for name, rule in _LIBTPU.items()},
    **{
        name: rule._replace(label=transfer.replace("_", " "))
        for family, transfer in _LATENCIES.items()
        for name, rule in rules({}, {family: Signal.LINK_TRANSFER}, scale=1e-6).items()
    },
}
_FAMILIES: Final = families(_RULES)
_MARKS: Final = families(name for name in _RULES if name.startswith(("tpu", "tensorcore", "megascale", "hlo")))
"""What no other page is likely to have; a `duty_cycle` or `memory_used` may be anybody's."""


def _detect(names: Collection[str]) -> bool:
    return not _MARKS.isdisjoint(names) or {"duty_cycle", "memory_total"} <= {*names}


def _wanted(family: str) -> bool:
    return family in _FAMILIES


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    chips = [(index, key, _chip(dict(key.labels), target)) for index, key in enumerate(keys)]
    taken: set[tuple[str, str]] = set()
    for index, key, facts in sorted(chips, key=lambda row: row[1].name.endswith(_NODE)):
        rule = _RULES.get(key.name)
        if rule is None:
            continue
        if rule.kind is Kind.GAUGE:
            name = key.name.removesuffix(_NODE)
            if (facts.key, name) in taken:
                continue
            taken.add((facts.key, name))
        draft.device(facts)
        draft.take(index, key, dict(key.labels), rule, worker="", owner=facts.key)
    return draft.mapping()


def _chip(labels: Table[str, str], target: str) -> DeviceFacts:
    """The plugin's `accelerator_id` is unique (`node id-chip`); libtpu numbers the chips of a host."""
    own = labels.get("accelerator_id", "")
    host = host_of(target)
    index = own.rpartition("-")[2] if own else labels.get("device_id") or labels.get("device-id", "")
    pod, namespace = labels.get("pod", ""), labels.get("namespace", "")
    return DeviceFacts(
        key=own or (device_key(host, index) if index else host),
        host=host,
        index=index,
        kind=Device.TPU,
        chip=labels.get("model", ""),
        pods=(f"{namespace}/{pod}" if namespace else pod,) if pod else (),
    )


BACKEND: Final = Backend("tpu", _detect, _wanted, _map, Reach("Google TPU"), never_seen=True, counts_itself=False)
