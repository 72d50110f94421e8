"""What the simulated cluster says about itself: the rows of `docs/placement-stream.md`, before any encoding.

Plain data only: the cluster fills an `Events`, the codec (`emulators.wire`) turns one into bytes.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

DELIVERY: Final = np.dtype(
    [
        ("time_ns", "<i8"),
        ("start_ns", "<i8"),
        ("duration_ns", "<i8"),
        ("stream", "<u4"),
        ("first_token", "<u4"),
        ("tokens", "<u2"),
        ("worker", "<u2"),
        ("tier", "u1"),
        ("stage", "u1"),
        ("extra", "u1"),
        ("flags", "u1"),
    ]
)
EXTRA: Final = np.dtype(
    [
        ("start_ns", "<i8"),
        ("duration_ns", "<i8"),
        ("worker", "<u2"),
        ("tier", "u1"),
        ("stage", "u1"),
        ("reserved", "<u4"),
    ]
)
BLOCK: Final = np.dtype(
    [("time_ns", "<i8"), ("hash", "<u8"), ("bytes", "<u4"), ("pool", "<u2"), ("op", "u1"), ("reserved", "u1")]
)
OCCUPANCY: Final = np.dtype([("time_ns", "<i8"), ("pool", "<i8"), ("used_bytes", "<i8"), ("active_bytes", "<i8")])

TIERS: Final = ("unknown", "SRAM", "HBM", "GDDR", "DRAM", "flash", "object", "peer")
"""Tier names; the index is the code on the wire."""
STAGES: Final = ("unknown", "prefill", "decode", "attention", "ffn", "draft", "verify")
"""Stage names; the index is the code on the wire."""
STORED: Final = 0
REMOVED: Final = 1

Rows = npt.NDArray[np.void]
Row = dict[str, Any]


@dataclass(slots=True)
class Events:
    """All that happened in one advance of the clock. `requests`, `decisions` and `phases` hold rows ready for JSON, in order of time."""

    deliveries: Rows = field(default_factory=lambda: np.empty(0, DELIVERY))
    extras: Rows = field(default_factory=lambda: np.empty(0, EXTRA))
    blocks: Rows = field(default_factory=lambda: np.empty(0, BLOCK))
    occupancy: Rows = field(default_factory=lambda: np.empty(0, OCCUPANCY))
    requests: list[Row] = field(default_factory=list)
    decisions: list[Row] = field(default_factory=list)
    phases: list[Row] = field(default_factory=list)
