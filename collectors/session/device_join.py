"""Which devices a worker runs on: pages of devices and pages of engines do not name each other, so hosts, numbers and pods have to say. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from collectors.model.places import Place, host_of, target_of
from collectors.model.signals import DeviceFacts
from collectors.session.fleet import Worker
from collectors.session.source_state import SourceState


class Joined(NamedTuple):
    devices: dict[str, tuple[str, ...]]
    """Keys of the devices that one worker alone runs on, by its id; a worker of which none is known is not there."""
    shared: frozenset[str]
    """Keys of devices that several workers claim: what such a device uses is no single worker's."""


def join(devices: Sequence[DeviceFacts], places: Iterable[Place]) -> Joined:
    """By UUID or pod where those are given, else by host and number; a host without numbers means all devices of that host."""
    claims = {
        place.worker: tuple(dict.fromkeys(one.key for one in devices if _runs_on(place, one))) for place in places
    }
    counts: dict[str, int] = {}
    for keys in claims.values():
        for key in keys:
            counts[key] = counts.get(key, 0) + 1
    alone = {worker: tuple(key for key in keys if counts[key] == 1) for worker, keys in claims.items()}
    return Joined(
        {worker: keys for worker, keys in alone.items() if keys},
        frozenset(key for key, count in counts.items() if count > 1),
    )


def in_parts(devices: Iterable[DeviceFacts]) -> frozenset[str]:
    """Keys of devices whose power is no single worker's, whoever is known to run there: divided ones and their parts, and those that several pods have."""
    found: set[str] = set()
    for one in devices:
        if one.part_of:
            found |= {one.key, one.part_of}
        elif len(one.pods) > 1:
            found.add(one.key)
    return frozenset(found)


class Users:
    """Workers by the key of the device that they run on, as far as hosts tell; worked out again only when anybody came or went."""

    def __init__(self) -> None:
        self._known: tuple[list[tuple[DeviceFacts, ...]], list[tuple[Place, int]]] = ([], [])
        self._found: dict[str, tuple[str, ...]] = {}

    def of(self, workers: Iterable[Worker], sources: Iterable[SourceState]) -> dict[str, tuple[str, ...]]:
        told = [(source.name, source.inventory.devices) for source in sources if source.inventory.devices]
        if not told:
            return {}
        places = [(_place(one), one.info.chips) for one in workers if one.runs_tokens]
        known = ([devices for _, devices in told], places)
        if known != self._known:
            self._known, self._found = known, _users(told, places)
        return self._found


def _users(
    told: Iterable[tuple[str, tuple[DeviceFacts, ...]]], places: Iterable[tuple[Place, int]]
) -> dict[str, tuple[str, ...]]:
    """Where a page calls its host otherwise than its target does, either name will do. A worker of another number of chips than its host has devices runs on
    some of them, nobody says which; unless it is told."""
    by_host: dict[str, list[DeviceFacts]] = {}
    everywhere: list[DeviceFacts] = []
    for source, devices in told:
        own = host_of(target_of(source))
        everywhere += devices
        for facts in devices:
            for host in {facts.host, own}:
                by_host.setdefault(_bucket(host), []).append(msgspec.structs.replace(facts, host=host))
    users: dict[str, dict[str, None]] = {}
    for place, chips in places:
        near = [*by_host.get(_bucket(place.host), ()), *(everywhere if place.pod or place.gpus else ())]
        keys = join(near, [place]).devices.get(place.worker, ())
        if place.pod or place.gpus or chips in (0, len(keys)):
            for key in keys:
                users.setdefault(key, {})[place.worker] = None
    return {key: tuple(names) for key, names in users.items()}


def _place(worker: Worker) -> Place:
    """What the labels of its target say: `host` or `node`, `gpus` (numbers or UUIDs, with commas), `pod`; else the target's own host."""
    labels = worker.info.labels
    gpus = tuple(gpu for one in labels.get("gpus", "").split(",") if (gpu := one.strip()))
    host = labels.get("host") or labels.get("node") or host_of(target_of(worker.target))
    return Place(worker.info.id, host=host, gpus=gpus, pod=labels.get("pod", ""))


def _bucket(host: str) -> str:
    """Equal for names of one host."""
    name = host.lower().rstrip(".")
    return name if name.replace(".", "").isdecimal() else name.partition(".")[0]


def _runs_on(place: Place, device: DeviceFacts) -> bool:
    if place.gpus and device.uuid and device.uuid in place.gpus:
        return True
    if place.pod:
        return any(
            pod in (place.pod, place.pod.rpartition("/")[2]) or pod.endswith(f"/{place.pod}") for pod in device.pods
        )
    if not place.host or not _same_host(place.host, device.host):
        return False
    if device.part_of and not place.gpus:
        return False  # some part of its host's GPUs, nobody says which
    return not place.gpus or device.index in place.gpus


def _same_host(one: str, other: str) -> bool:
    """Names of hosts, of which one may lack its domain."""
    one, other = one.lower().rstrip("."), other.lower().rstrip(".")
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return bool(short) and "." not in short and long.startswith(f"{short}.") and not long.replace(".", "").isdecimal()
