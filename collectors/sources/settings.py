"""What may differ from target to target: how often and how it is read, within which limits, and what is said of it that it does not say itself."""

from collections.abc import Mapping
from typing import Final

import msgspec

from collectors.model.vocabulary import Device, Role
from collectors.wire.access import Access
from collectors.wire.kv_discovery import KvEndpoint


class TargetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults are what a target gets of which nothing is said."""

    interval_s: float = 1.0
    """Between two scrapes. A Prometheus server is asked less often."""
    access: Access = Access()
    """With the limits of all that is read."""
    sole_reader: bool = False
    """Nobody else reads this target, so that reads which take away what they read are allowed."""
    kv_events: bool = True
    """Follow the KV events that the target says it publishes."""
    kv_endpoint: KvEndpoint | None = None
    """Where it publishes KV events, for one that cannot be asked."""
    worker_ports: tuple[int, ...] = ()
    """Ports at which the hosts that a Dynamo frontend lists are tried for pages of metrics."""
    trace_from_start: bool = False
    """Of a trace file: what is in it already counts too."""
    probe_s: float = 0.0
    """Between two requests of our own; 0: none is ever made."""
    probe_model: str = ""
    """For which model, where the server lists several."""


DEFAULTS: Final = TargetSettings()


class Assumed(msgspec.Struct, frozen=True, kw_only=True):
    """What configuration says of a target's workers. It counts only where no back end says so itself."""

    role: Role = Role.UNKNOWN
    device: Device = Device.UNKNOWN
    chip: str = ""
    chips: int = 0
    labels: Mapping[str, str] = {}
