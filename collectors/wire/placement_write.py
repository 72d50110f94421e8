"""Messages of the placement stream made into NDJSON lines (`docs/placement-stream.md`), each within the format's limit. Knows no sockets and no order.

The other encoder is the emulators'; the two meet only on the wire. A producer need not speak binary.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from collectors.wire.placement_format import MAX_MESSAGE, VERSION

Row = dict[str, Any]

_ROWS_AT_ONCE: Final = 4_096
"""Rows tried as one message first."""
_json: Final = msgspec.json.Encoder().encode


def hello(*, producer: str, emulated: bool, clock_id: str, now_ns: int, workers: list[Row], more: Row) -> Row:
    """The handshake of a producer that reads the system's monotonic clock. `emulated`: what it observes is simulated."""
    clock = {"id": clock_id, "kind": "monotonic", "now_ns": now_ns}
    head = {"type": "hello", "version": VERSION, "producer": producer, "emulated": emulated, "clock": clock}
    return {**head, "workers": workers, **more}


def watermark(time_ns: int, seq: int) -> Row:
    """`seq`: its own number, or, where a reader joins, that of the last message that it is not sent."""
    return {"type": "watermark", "time_ns": time_ns, "seq": seq}


def line(message: Row) -> bytes:
    """Raises ValueError for a message over the limit, which cannot be split."""
    encoded = _json(message)
    if len(encoded) > MAX_MESSAGE:
        raise _TooLargeError(f"a message of {len(encoded)} bytes; the placement stream's limit is {MAX_MESSAGE}")
    return encoded + b"\n"


def rows(kind: str, listed: list[Row]) -> bytes:
    """As many messages of type `requests`, `decisions` or `phases` as their rows need; none for no rows."""
    return _messages(len(listed), lambda i, j: {"type": kind, "rows": listed[i:j]})


def columns(kind: str, lists: dict[str, list[Any]]) -> bytes:
    """As many messages of columns as they need; all of one length. Not for deliveries with extra stages, which are cut differently."""
    count = len(next(iter(lists.values())))
    return _messages(count, lambda i, j: {"type": kind, **{name: values[i:j] for name, values in lists.items()}})


class _TooLargeError(ValueError):
    pass


def _messages(count: int, make: Callable[[int, int], Row]) -> bytes:
    return b"".join(_halved(make, i, min(i + _ROWS_AT_ONCE, count)) for i in range(0, count, _ROWS_AT_ONCE))


def _halved(make: Callable[[int, int], Row], start: int, end: int) -> bytes:
    try:
        return line(make(start, end))
    except _TooLargeError:
        if end - start == 1:
            raise
    middle = (start + end) // 2
    return _halved(make, start, middle) + _halved(make, middle, end)
