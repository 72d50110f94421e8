"""What a back end says in JSON, as the signals that a page of text would come to: the shape of `llamacpp_slots` and `trtllm_stats`."""

from typing import Annotated, Final

import msgspec

from collectors.model.signals import Series, WorkerFacts

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
"""Above, neighbouring integers are the same float64."""

MAX_NODES: Final = 500_000
"""Arrays and objects of one answer: what it may take in memory, whatever its size in bytes."""


class JsonError(ValueError):
    """A body that is not what its path should answer; the message is short and safe to show."""


class JsonPage(msgspec.Struct, frozen=True):
    """Of one answer: a value for each of `series`."""

    workers: tuple[WorkerFacts, ...]
    series: tuple[Series, ...]
    values: tuple[float, ...]


def decoded(body: bytes) -> object:
    """Raises JsonError."""
    if body.count(b"[") + body.count(b"{") > MAX_NODES:
        raise JsonError(f"an answer of more than {MAX_NODES} arrays and objects")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise JsonError("not JSON") from None
