"""Every back end that we know: a new one is a file beside this and a name in `_ALL`."""

from collections.abc import Collection
from typing import Final

from collectors.backends import (
    dcgm,
    dynamo,
    emulator,
    llamacpp,
    llmd,
    lmcache,
    mooncake,
    neuron,
    nixl,
    node,
    sglang,
    smg,
    tgi,
    tpu,
    triton,
    trtllm,
    vllm,
)
from collectors.backends.mapping import Backend
from collectors.backends.started import dated

_ALL: Final = tuple(
    map(
        dated,
        (
            emulator.BACKEND,
            dynamo.BACKEND,
            triton.BACKEND,
            sglang.BACKEND,
            vllm.BACKEND,
            trtllm.BACKEND,
            llamacpp.BACKEND,
            tgi.BACKEND,
            lmcache.BACKEND,
            mooncake.BACKEND,
            llmd.BACKEND,
            smg.BACKEND,
            dcgm.BACKEND,
            neuron.BACKEND,
            tpu.BACKEND,
            nixl.BACKEND,
            node.BACKEND,
        ),
    )
)
"""In the order in which they are asked: an emulated page may look like any other, and a server has its engine's families beside its own."""

NAMES: Final = tuple(sorted(backend.name for backend in _ALL))


class UnknownBackendError(ValueError):
    """Nothing here is called that, or has such a page; the message says what is known."""


def wanted(family: str) -> bool:
    """Whether any back end looks at samples of this family."""
    return any(backend.wanted(family) for backend in _ALL)


def recognise(families: Collection[str]) -> Backend:
    """The back end whose page has these families. Raises UnknownBackendError."""
    for backend in _ALL:
        if backend.detect(families):
            return backend
    raise UnknownBackendError(f"not a known back end; known: {', '.join(NAMES)}")


def named(name: str) -> Backend:
    """The back end of that name. Raises UnknownBackendError."""
    for backend in _ALL:
        if backend.name == name:
            return backend
    raise UnknownBackendError(f"unknown back end {name!r}; known: {', '.join(NAMES)}")


def calling_itself(names: Collection[str]) -> Backend | None:
    """The back end whose server gives one of these as the owner of its models."""
    return next((backend for backend in _ALL if backend.reach.owned_by in names and backend.reach.owned_by), None)
