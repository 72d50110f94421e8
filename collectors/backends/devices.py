"""Which devices a worker runs on: pages of devices and pages of engines do not name each other, so configuration has to say. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from collectors.model.signals import DeviceFacts


class Place(msgspec.Struct, frozen=True):
    """Where a worker runs, as far as it is known: a host, GPUs of it (numbers, or UUIDs of any host), a pod (`pod` or `namespace/pod`)."""

    worker: str
    host: str = ""
    gpus: tuple[str, ...] = ()
    pod: str = ""


class Joined(NamedTuple):
    devices: dict[str, tuple[str, ...]]
    """Keys of the devices that one worker alone runs on, by its id; a worker of which none is known is not there."""
    shared: frozenset[str]
    """Keys of devices that several workers claim: what such a device uses is no single worker's."""


def join(devices: Sequence[DeviceFacts], places: Iterable[Place]) -> Joined:
    """By UUID or pod where those are given, else by host and number; a host without numbers means all devices of that host."""
    claims = {place.worker: tuple(one.key for one in devices if _runs_on(place, one)) for place in places}
    counts: dict[str, int] = {}
    for keys in claims.values():
        for key in keys:
            counts[key] = counts.get(key, 0) + 1
    alone = {worker: tuple(key for key in keys if counts[key] == 1) for worker, keys in claims.items()}
    return Joined(
        {worker: keys for worker, keys in alone.items() if keys},
        frozenset(key for key, count in counts.items() if count > 1),
    )


def device_key(host: str, index: str) -> str:
    return f"{host}/{index}"


def host_of(target: str) -> str:
    """The host of a target's name, which is `host:port` and perhaps a path."""
    name = target.partition("/")[0]
    host, _, port = name.rpartition(":")
    return host if host and port.isdecimal() else name


def _runs_on(place: Place, device: DeviceFacts) -> bool:
    if place.gpus and device.uuid and device.uuid in place.gpus:
        return True
    if place.pod:
        return any(
            pod in (place.pod, place.pod.rpartition("/")[2]) or pod.endswith(f"/{place.pod}") for pod in device.pods
        )
    if not place.host or not _same_host(place.host, device.host):
        return False
    return not place.gpus or device.index in place.gpus


def _same_host(one: str, other: str) -> bool:
    """Names of hosts, of which one may lack its domain."""
    one, other = one.lower().rstrip("."), other.lower().rstrip(".")
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return bool(short) and "." not in short and long.startswith(f"{short}.") and not long.replace(".", "").isdecimal()
