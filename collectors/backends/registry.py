"""Every back end that we know: a new one is a file beside this and a name in `_ALL`."""

import re
from collections.abc import Collection
from typing import Final

from collectors.backends import (
    dcgm,
    dynamo,
    emulator,
    genai,
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
from collectors.backends.federated import of_one_page
from collectors.backends.mapping import Backend
from collectors.backends.started import dated
from collectors.wire.safe import safe_text

_ALL: Final = tuple(
    of_one_page(dated(backend))
    for backend in (
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
        genai.BACKEND,
        dcgm.BACKEND,
        neuron.BACKEND,
        tpu.BACKEND,
        nixl.BACKEND,
        node.BACKEND,
    )
)
"""In the order in which they are asked: an emulated page may look like any other, and a server has its engine's families beside its own."""

_RENAMED: Final = re.compile(
    r"(?!vllm:|sglang:|llamacpp:|lmcache:|lmcache_mp_|lmcache_coordinator_)"
    r"(?:[a-z0-9]+[_.])??(vllm|sglang|llamacpp|lmcache)[_.:]([a-z0-9_.]+)"
)
"""A name of one of these as Ray (`ray_vllm_…`), OpenTelemetry's collector and other agents write it, to whom a colon is none of a name's."""

NAMES: Final = tuple(sorted(backend.name for backend in _ALL))


class UnknownBackendError(ValueError):
    """Nothing here is called that, or has such a page; the message says what is known."""


def wanted(family: str) -> bool:
    """Whether any back end looks at samples of this family."""
    return any(backend.wanted(family) for backend in _ALL)


def noticed(family: str) -> bool:
    """Whether a page with samples of this family may be recognised by it, or refused for a reason of its own."""
    return wanted(family) or _RENAMED.fullmatch(family) is not None


def recognise(families: Collection[str]) -> Backend:
    """The back end whose page has these families. Raises UnknownBackendError."""
    for backend in _ALL:
        if backend.detect(families):
            return backend
    if found := _renamed(families):
        backend, family = found
        raise UnknownBackendError(
            f"what {backend.reach.title} counts, under other names ({safe_text(family, 60)}): not read; its own page is"
        )
    raise UnknownBackendError(f"not a known back end; known: {', '.join(NAMES)}")


def _renamed(families: Collection[str]) -> tuple[Backend, str] | None:
    """A back end of which a family would be if it had its own name, and that family."""
    for family in sorted(families):
        if match := _RENAMED.fullmatch(family):
            known = f"{match[1]}:{match[2].replace('.', '_')}"
            for backend in _ALL:
                if backend.wanted(known) and backend.detect({known}):
                    return backend, family
    return None


def beside(backend: Backend, families: Collection[str]) -> tuple[str, ...]:
    """Back ends of which the page of `backend` has families that it does not look at: they would be left out without a word."""
    rest = [family for family in families if not backend.wanted(family)]
    others = (one for one in _ALL if one.name != backend.name)
    return tuple(one.name for one in others if one.detect([family for family in rest if one.wanted(family)]))


def named(name: str) -> Backend:
    """The back end of that name. Raises UnknownBackendError."""
    for backend in _ALL:
        if backend.name == name:
            return backend
    raise UnknownBackendError(f"unknown back end {name!r}; known: {', '.join(NAMES)}")


def calling_itself(names: Collection[str]) -> Backend | None:
    """The back end whose server gives one of these as the owner of its models."""
    return next((backend for backend in _ALL if backend.reach.owned_by in names and backend.reach.owned_by), None)
