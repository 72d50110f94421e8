"""A Frame as the public object `tokenyard.snapshot/1` (`docs/snapshot.md`)."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from collectors.model.frame import SCHEMA, Frame

SECTIONS = ("targets", "workers", "tiers", "placements", "decisions", "jitter", "stalls", "verdict", "backfill")


def snapshot(frame: Frame, *, clock: str | None = None) -> dict[str, Any]:
    """The object to print; `clock` names how the Frame was come by where that is not how it was made (`replay`)."""
    values = msgspec.to_builtins(frame)
    for name in SECTIONS:
        _tell_ages(values[name], frame.time_ns)
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


def _tell_ages(value: Any, now_ns: int) -> None:
    """Puts `age_s` where a Frame has the time at which something was heard."""
    if isinstance(value, dict):
        if "heard_ns" in value:
            heard_ns = value.pop("heard_ns")
            value["age_s"] = None if heard_ns is None else max(now_ns - heard_ns, 0) / 1e9
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            _tell_ages(one, now_ns)
