"""Names of hosts and devices, and where a worker runs. Pure."""

import msgspec


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a worker runs, as far as it is known: a host, GPUs of it (numbers, or UUIDs of any host), a pod (`pod` or `namespace/pod`)."""

    worker: str
    host: str = ""
    gpus: tuple[str, ...] = ()
    pod: str = ""


def device_key(host: str, index: str) -> str:
    return f"{host}/{index}"


def host_of(target: str) -> str:
    """The host of a target's name, which is `host:port` and perhaps a path."""
    name = target.partition("/")[0]
    host, _, port = name.rpartition(":")
    return host if host and port.isdecimal() else name


def target_of(source: str) -> str:
    """What a source's name says of its target: one that is seen through a server is called `target via server`."""
    return source.partition(" via ")[0]
