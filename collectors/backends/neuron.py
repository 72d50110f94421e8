"""AWS Neuron's `neuron-monitor-prometheus.py`: activity and memory of NeuronCores, runs of programs, faults. It knows no tokens.

Makes no workers. Ratios are 0–1 here, though percent in the monitor's JSON, which is a process's output and not read. `runtime_tag` tells a
process, which no engine's page names. Names: open-telemetry/opentelemetry-collector-contrib
`receiver/awscontainerinsightreceiver/internal/neuron/` (a page, and `metric_name.go`); meanings: the Neuron Monitor User Guide.
"""

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Table
from typing import Final

from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families
from collectors.backends.reach import Reach
from collectors.model.places import device_key, host_of
from collectors.model.signals import DeviceFacts, Kind, Series, Signal
from collectors.model.vocabulary import Device
from collectors.wire.exposition import SampleKey

_UTILISATION: Final = "neuroncore_utilization_ratio"
_RUNTIME_MEMORY: Final = "neuron_runtime_memory_used_bytes"
_HARDWARE: Final = "neuron_hardware_info"
_CORE_MEMORY: Final = "neuroncore_memory_usage_"
_USES: Final = ("constants", "model_code", "model_shared_scratchpad", "runtime_memory", "tensors")
_MEMORY: Final = Rule(Signal.DEVICE_MEMORY_USED, Kind.GAUGE)
_LOCATIONS: Final = {
    "host": Rule(Signal.HOST_MEMORY_USED, Kind.GAUGE, label="Neuron runtimes"),
    "neuron_device": Rule(Signal.DEVICE_MEMORY_USED, Kind.GAUGE, label="Neuron runtimes"),
}
_OF_CORE: Final = {
    _UTILISATION: Rule(Signal.DEVICE_ACTIVITY, Kind.GAUGE, label="core"),
    **{f"{_CORE_MEMORY}{use}": _MEMORY for use in _USES},
}
_OF_INSTANCE: Final = {
    "execution_errors_total": (Rule(Signal.DEVICE_ERRORS, Kind.COUNTER), "error_type"),
    "execution_status_total": (Rule(Signal.EXECUTIONS, Kind.COUNTER), "status_type"),
    "execution_latency_seconds": (Rule(Signal.EXECUTION, Kind.GAUGE), "percentile"),
    "hardware_ecc_events_total": (Rule(Signal.DEVICE_ERRORS, Kind.COUNTER), "event_type"),
    "system_memory_total_bytes": (Rule(Signal.HOST_MEMORY_TOTAL, Kind.GAUGE), ""),
    "system_memory_used_bytes": (Rule(Signal.HOST_MEMORY_USED, Kind.GAUGE), ""),
}
_FAMILIES: Final = families([*_OF_CORE, *_OF_INSTANCE, _RUNTIME_MEMORY, _HARDWARE])
_MARKS: Final = families([*_OF_CORE, _RUNTIME_MEMORY, _HARDWARE, "neuron_hardware"])


def _detect(names: Collection[str]) -> bool:
    return not _MARKS.isdisjoint(names)


def _wanted(family: str) -> bool:
    return family in _FAMILIES


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    for index, key in enumerate(keys):
        labels = dict(key.labels)
        instance = labels.get("instance_id") or host_of(target)
        core, device = labels.get("neuroncore", ""), labels.get("neuron_device_index", "")
        if (rule := _OF_CORE.get(key.name)) and core:
            facts = _core(labels, instance, core)
            draft.device(facts)
            metric = f"{_CORE_MEMORY}*" if rule is _MEMORY else ""
            draft.take(index, key, labels, rule, worker="", owner=facts.key, metric=metric)
        elif key.name in _OF_INSTANCE:
            rule, told_by = _OF_INSTANCE[key.name]
            owner = device_key(instance, f"device {device}") if device else instance
            draft.take(index, key, labels, rule, worker="", owner=owner, label=labels.get(told_by, ""))
        elif key.name == _RUNTIME_MEMORY and (rule := _LOCATIONS.get(labels.get("memory_location", ""))):
            draft.take(index, key, labels, rule, worker="", owner=instance)
        elif key.name == _HARDWARE:
            _capacity(draft, labels, instance)
    return draft.mapping()


def _core(labels: Table[str, str], instance: str, core: str) -> DeviceFacts:
    kind = labels.get("instance_type", "")
    return DeviceFacts(
        key=device_key(instance, core),
        host=instance,
        index=core,
        kind=Device.TRAINIUM if kind.startswith("trn") else Device.UNKNOWN,
        chip=kind,
    )


def _capacity(draft: Draft, labels: Table[str, str], instance: str) -> None:
    """Memory of all devices of the instance, where the page says so."""
    counts = [labels.get(name, "") for name in ("neuron_device_memory_size", "neuron_device_count")]
    if all(text.isdecimal() and len(text) < 16 for text in counts):
        series = Series(Signal.DEVICE_MEMORY_TOTAL, Kind.GAUGE, worker="", metric=_HARDWARE, owner=instance)
        draft.constant(float(int(counts[0]) * int(counts[1])), series)


BACKEND: Final = Backend("neuron", _detect, _wanted, _map, Reach("AWS Neuron monitor"), counts_itself=False)
