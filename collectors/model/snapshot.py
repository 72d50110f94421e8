"""A Frame as the public object `tokenyard.snapshot/1` (`docs/snapshot.md`)."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from collectors.model.frame import SCHEMA, Frame

SECTIONS = ("targets", "workers", "tiers", "placements", "decisions", "jitter", "stalls", "verdict")


def snapshot(frame: Frame, *, clock: str | None = None) -> dict[str, Any]:
    """The object to print; `clock` names how the Frame was come by where that is not how it was made (`replay`)."""
    values = msgspec.to_builtins(frame)
    utc_s = frame.utc_s
    return {
        "schema": SCHEMA,
        "at": frame.time_ns / 1e9,
        "at_utc": None if utc_s is None else datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="milliseconds"),
        "window_s": frame.window_s,
        "clock": clock or frame.clock,
        "emulated": frame.emulated,
        **{name: values[name] for name in SECTIONS},
    }
