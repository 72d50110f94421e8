"""Devices and hosts in a Frame, as their own pages tell of them. Part of the public object `tokenyard.snapshot/1`."""

import msgspec

from collectors.model.figure import Figure
from collectors.model.vocabulary import Device


class Labelled(msgspec.Struct, frozen=True, gc=False):
    label: str
    figure: Figure


class DeviceRow(msgspec.Struct, frozen=True, gc=False):
    """A device as the page of `target` tells it. `workers` are those that run on it as far as hosts tell; more than one share it.

    Memory is the device's, whatever it holds: weights, KV, anything. `activity` (0–1) and `temperature` by what is meant.
    """

    key: str
    target: str
    host: str
    index: str
    uuid: str
    kind: Device
    chip: str
    workers: tuple[str, ...]
    power_watts: Figure
    energy_joules: Figure
    """In the window, idle included."""
    memory_used_bytes: Figure
    memory_total_bytes: Figure
    activity: tuple[Labelled, ...]
    temperature_celsius: tuple[Labelled, ...]


class HostRow(msgspec.Struct, frozen=True, gc=False):
    """Memory of a host: what a tier there could be made of at most, never what KV holds of it. `used` by whom, where that is said."""

    host: str
    target: str
    memory_total_bytes: Figure
    memory_available_bytes: Figure
    memory_used: tuple[Labelled, ...]
