"""NVIDIA's DCGM exporter: power, energy, memory, activity and temperature of GPUs, each told by the host's name and the GPU's number.

No page of it speaks of an engine, so it makes no workers (a session joins the two). It collects every 30 s unless told otherwise, and has
the families that its operator lists in a CSV file. Each part of a divided GPU (MIG) is a device of its own beside the whole one: with its
memory and activity, but without power and energy, which are the GPU's and stand there once. Names, types and units: NVIDIA/dcgm-exporter
`etc/default-counters.csv`; labels: its `README.md`; blanks: NVIDIA/DCGM `dcgmlib/dcgm_structs.h`.
"""

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Table
from typing import Final

import msgspec
import numpy as np

from collectors.backends.mapping import Backend, Draft, Mapping, Rule
from collectors.backends.reach import Reach
from collectors.model.places import device_key, host_of
from collectors.model.signals import DeviceFacts, Kind, Signal
from collectors.model.vocabulary import Device
from collectors.wire.exposition import SampleKey

_PREFIX: Final = "DCGM_FI_"
_MIB: Final = 1024.0 * 1024.0
_NO_COUNT: Final = 2.0**63
"""What is written for a blank of whole numbers (9223372036854775794 and its neighbours), as a float64."""
_NO_DATA: Final = 2.0**47
"""The same for fractions (140737488355330 and its neighbours): no watts, degrees, shares, MiB or bytes a second come near it, but bytes and joules that are counted do."""
_FRAMEBUFFER: Final = "DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE + DCGM_FI_DEV_FB_RESERVED"
_MEMORY: Final = Rule(Signal.DEVICE_MEMORY_TOTAL, Kind.GAUGE, scale=_MIB)
_PARTS: Final = ("DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_RESERVED")
_ENERGY: Final = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
_ACTIVE: Final = "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
_UTIL: Final = "DCGM_FI_DEV_GPU_UTIL"

_RULES: Final = {
    "DCGM_FI_DEV_POWER_USAGE": Rule(Signal.POWER, Kind.GAUGE),
    _ENERGY: Rule(Signal.ENERGY, Kind.COUNTER, scale=1e-3),
    "DCGM_FI_DEV_FB_USED": Rule(Signal.DEVICE_MEMORY_USED, Kind.GAUGE, scale=_MIB),
    "DCGM_FI_PROF_DRAM_ACTIVE": Rule(Signal.DEVICE_ACTIVITY, Kind.GAUGE, label="memory bandwidth"),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": Rule(Signal.DEVICE_ACTIVITY, Kind.GAUGE, label="tensor"),
    _ACTIVE: Rule(Signal.DEVICE_ACTIVITY, Kind.GAUGE, label="engine"),
    _UTIL: Rule(Signal.DEVICE_ACTIVITY, Kind.GAUGE, scale=1e-2, label="engine"),
    "DCGM_FI_DEV_GPU_TEMP": Rule(Signal.DEVICE_TEMPERATURE, Kind.GAUGE, label="core"),
    "DCGM_FI_DEV_MEMORY_TEMP": Rule(Signal.DEVICE_TEMPERATURE, Kind.GAUGE, label="memory"),
    "DCGM_FI_DEV_XID_ERRORS": Rule(Signal.DEVICE_FAULT_CODE, Kind.GAUGE),
}
_LINKS: Final = {
    "DCGM_FI_PROF_PCIE_TX_BYTES": "PCIe sent",
    "DCGM_FI_PROF_PCIE_RX_BYTES": "PCIe received",
    "DCGM_FI_PROF_NVLINK_TX_BYTES": "NVLink sent",
    "DCGM_FI_PROF_NVLINK_RX_BYTES": "NVLink received",
}
"""Bytes a second now; older lists of counters declare them as counters of bytes."""
_OF_AN_INSTANCE: Final = frozenset({*_PARTS, "DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", _ACTIVE})
"""What a part of a divided GPU (MIG) has for itself. Everything else is the whole GPU's, and is repeated for each part."""


def _detect(names: Collection[str]) -> bool:
    return any(name.startswith(_PREFIX) for name in names)


def wanted(family: str) -> bool:
    """Whether `add` may look at samples of this family."""
    return family.startswith(_PREFIX)  # what of it there is, is its operator's choice


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    add(draft, keys, target)
    return draft.mapping(no_data=np.array([_blank(key) for key in keys]))


def add(draft: Draft, keys: Sequence[SampleKey], target: str) -> None:
    """Everything that such families say of the page's GPUs."""
    taken: set[tuple[str, str]] = set()
    samples = [(index, key, facts) for index, key in enumerate(keys) if (facts := _device(dict(key.labels), target))]
    present = {(facts.key, key.name) for _, key, facts in samples}
    for index, key, facts in samples:
        labels = dict(key.labels)
        draft.device(facts)
        owner = facts.key
        if part := _part(labels, facts):
            draft.device(part)
            owner = part.key if key.name in _OF_AN_INSTANCE else owner
        # A GPU that several containers share stands there once for each of them.
        if (owner, key.name) in taken or (key.name == _UTIL and (facts.key, _ACTIVE) in present):
            continue
        taken.add((owner, key.name))
        if rule := _RULES.get(key.name):
            draft.take(index, key, labels, rule, worker="", owner=owner)
        if link := _LINKS.get(key.name):
            counted = key.type == "counter"
            signal, kind = (Signal.LINK_BYTES, Kind.COUNTER) if counted else (Signal.LINK_BYTES_PER_SECOND, Kind.GAUGE)
            draft.take(index, key, labels, Rule(signal, kind, label=link), worker="", owner=owner)
        if key.name in _PARTS and all((facts.key, name) in present for name in _PARTS[:2]):
            draft.take(index, key, labels, _MEMORY, worker="", owner=owner, metric=_FRAMEBUFFER)


def _blank(key: SampleKey) -> float:
    return _NO_COUNT if key.type == "counter" or key.name == _ENERGY else _NO_DATA


def _part(labels: Table[str, str], whole: DeviceFacts) -> DeviceFacts | None:
    """None for a sample of a whole GPU."""
    part = labels.get("GPU_I_ID", "")
    if not part:
        return None
    return msgspec.structs.replace(
        whole,
        key=f"{whole.key}/mig-{part}",
        index=f"{whole.index}:{part}",
        uuid="",
        chip=f"{whole.chip} MIG {labels.get('GPU_I_PROFILE', '')}".strip(),
        part_of=whole.key,
    )


def _device(labels: Table[str, str], target: str) -> DeviceFacts | None:
    """None for a sample of no GPU (a switch, a link, a CPU)."""
    index, uuid = labels.get("gpu", ""), labels.get("UUID", "")
    if not (index or uuid):
        return None
    host = labels.get("Hostname") or labels.get("hostname") or host_of(target)
    pod, namespace = labels.get("pod") or labels.get("exported_pod"), labels.get("namespace", "")
    return DeviceFacts(
        key=device_key(host, index or uuid),
        host=host,
        index=index,
        uuid=uuid,
        kind=Device.GPU,
        chip=labels.get("modelName", ""),
        pods=(f"{namespace}/{pod}" if namespace else pod,) if pod else (),
    )


BACKEND: Final = Backend("dcgm", _detect, wanted, _map, Reach("DCGM exporter"), counts_itself=False)
