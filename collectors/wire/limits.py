"""What one target may send and how long it may take: every bound of what is read from outside, in one place.

None can be switched off, each may be set for a target. Over one of them the whole answer is refused, by the field's name; the other targets go on.
"""

from typing import Annotated, Final

import msgspec

Bytes = Annotated[int, msgspec.Meta(ge=1, le=1 << 31)]
Number = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3_600)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`max_…` of one answer, `…_s` of one exchange. Built from outside with `msgspec.convert`, which checks the ranges."""

    max_body_bytes: Bytes = 32 << 20
    """Of a page or an answer, decompressed."""
    max_lines: Number = 500_000
    max_line_bytes: Bytes = 64 << 10
    max_series: Number = 100_000
    """Twice as many took 2.5 s of CPU and 197 MB to learn."""
    max_labels: Number = 128
    """Of one series (vLLM's `cache_config_info` has 37)."""
    max_name_bytes: Bytes = 1 << 10
    """Of a metric's or a label's name."""
    max_label_bytes: Bytes = 16 << 10
    """Of a label's value, as on the wire."""
    max_buckets: Number = 512
    """Different bounds of one histogram of one worker."""
    max_workers: Number = 4_096
    """And devices, of one page."""
    max_event_bytes: Bytes = 8 << 20
    """Of one message of KV events: a scheduler's step of 128 Ki tokens takes less than 1 MiB, token ids included. A placement stream's format has 1 MiB."""
    max_connections: Number = 64
    """To a listener of ours, at once."""
    max_queued_bytes: Bytes = 128 << 20
    """Of what has come to a listener and is not dealt with yet, unpacked, of all who send."""
    connect_s: Seconds = 3.0
    """Name, connection and TLS together."""
    idle_s: Seconds = 5.0
    """Without a single byte."""
    total_s: Seconds = 10.0
    """Of a page, from the request to its last byte; longer than `connect_s`. Of a stream, until its headers. Of who sends to a listener, from the connection to the
    first head, and from a head to the end of its body."""


DEFAULT: Final = Limits()
NAMES: Final = Limits.__struct_fields__
"""By which a refusal says what it was over."""
