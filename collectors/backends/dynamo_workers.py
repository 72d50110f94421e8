"""Dynamo's workers: one id for its two spellings, roles, and the inventory and readiness that `/health` tells. Pure: no I/O.

An id is an unsigned 64-bit integer and often above 2^53, so it is never a float here. Frontend, logs, `/health` and responses write it in
decimal, `dynamo_component_*{worker_id}` in lower-case hexadecimal (ai-dynamo/dynamo; seen on 1.6.1).
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from collectors.model.signals import WorkerFacts
from collectors.model.vocabulary import Device, Role

GENERATE: Final = "generate"
"""The endpoint of a worker that runs tokens. Others of the same worker answer the router's questions."""

_LARGEST: Final = 2**64 - 1
_HEX: Final = frozenset("0123456789abcdef")
_DECIMAL: Final = frozenset("0123456789")
_TCP: Final = re.compile(r"([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,64}\]):[0-9]{1,5}(?:/|$)")
"""`host:port/path`, as in `transport.tcp`."""
_ROLES: Final = {role.value: role for role in (Role.PREFILL, Role.DECODE, Role.AGGREGATED, Role.ROUTER)}
_DEVICES: Final = {"cuda": Device.GPU, "gpu": Device.GPU, "tpu": Device.TPU, "cpu": Device.CPU}


class InventoryError(ValueError):
    """A body that is not what `/health` of a Dynamo frontend or worker answers; the message is short and safe to show."""


def from_decimal(text: str) -> str | None:
    """The canonical id (decimal) of one written in decimal; None if it is none."""
    return _canonical(int(text)) if 0 < len(text) <= 20 and _DECIMAL.issuperset(text) else None


def from_hex(text: str) -> str | None:
    """The canonical id (decimal) of one written in lower-case hexadecimal; None if it is none."""
    return _canonical(int(text, 16)) if 0 < len(text) <= 16 and _HEX.issuperset(text) else None


def alias(canonical: str) -> str:
    """How `dynamo_component_*` spells that id. Raises ValueError unless it is canonical."""
    if from_decimal(canonical) != canonical:
        raise ValueError(f"not a Dynamo worker's id in decimal: {canonical[:40]!r}")
    return f"{int(canonical):x}"


def worker_id(canonical: str, rank: str = "0") -> str:
    """Id of a data-parallel rank, which is a worker of its own."""
    return f"{canonical}/{rank}"


def role(kind: str, kinds: Iterable[str]) -> Role:
    """Role of a worker whose type or component is `kind`, where those of all workers of its model are `kinds`.

    Workers of the component `backend` and of the type `decode` do the prefills too as long as there is no prefill worker.
    """
    if kind in ("decode", "backend"):
        return Role.DECODE if "prefill" in kinds else Role.AGGREGATED
    return _ROLES.get(kind, Role.UNKNOWN)


def role_alone(component: str) -> Role:
    """Role by the name of the component alone: `backend` may be a decode worker or do everything."""
    return _ROLES.get(component, Role.UNKNOWN)


class _Instance(msgspec.Struct):
    instance_id: int
    component: str
    endpoint: str
    namespace: str = ""
    device_type: str | None = None
    transport: Any = None


class _Health(msgspec.Struct):
    instances: list[dict[str, Any]] = []
    endpoints: list[Any] | dict[str, Any] = []


def inventory(body: object) -> tuple[WorkerFacts, ...]:
    """The workers that a frontend's `/health`, decoded from JSON, lists: its instances of `generate`, in order, each once.

    An instance that is not as expected is left out. It does not say how many ranks a worker has: these are their first. Raises
    InventoryError.
    """
    found = _instances(body)
    components: dict[str, set[str]] = {}
    for one in found:
        components.setdefault(one.namespace, set()).add(one.component)
    workers = (
        WorkerFacts(
            worker_id(str(one.instance_id)),
            role=role(one.component, components[one.namespace]),
            device=_DEVICES.get(one.device_type or "", Device.UNKNOWN),
        )
        for one in found
    )
    return tuple({worker.id: worker for worker in workers}.values())


def hosts(body: object) -> tuple[str, ...]:
    """Hosts of those workers, in order, each once, where requests go to them over TCP. Raises InventoryError."""
    found: dict[str, None] = {}
    for one in _instances(body):
        address = one.transport.get("tcp") if isinstance(one.transport, dict) else None
        if isinstance(address, str) and (match := _TCP.match(address)):
            found[match[1]] = None
    return tuple(found)


def serving(status: int, body: object) -> bool:
    """Whether a worker that answers `/health` so takes requests: its endpoints decide, as 503 and `notready` are also said while it serves.

    `status` is that of the response. Raises InventoryError.
    """
    endpoints = _health(body).endpoints
    if not isinstance(endpoints, dict) or GENERATE not in endpoints:
        return status == 200
    return bool(endpoints[GENERATE] == "ready")


def _instances(body: object) -> list[_Instance]:
    """Of `generate`, those that are as expected. Raises InventoryError."""
    found: list[_Instance] = []
    for row in _health(body).instances:
        try:
            one = msgspec.convert(row, _Instance)
        except msgspec.ValidationError:
            continue
        if one.endpoint == GENERATE and 0 <= one.instance_id <= _LARGEST:
            found.append(one)
    return found


def _canonical(number: int) -> str | None:
    return str(number) if number <= _LARGEST else None


def _health(body: object) -> _Health:
    try:
        return msgspec.convert(body, _Health)
    except msgspec.ValidationError:
        raise InventoryError("not the /health of Dynamo: `instances` or `endpoints` are of another type") from None
