"""A Frame as the public object `tokenyard.snapshot/1` (`docs/snapshot.md`)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from collectors.model.frame import SCHEMA, Frame, SignalRow

SECTIONS = (
    "targets",
    "workers",
    "tiers",
    "placements",
    "decisions",
    "jitter",
    "stalls",
    "long_stalls",
    "verdict",
    "backfill",
    "prompts",
    "reuse",
    "flows",
    "handovers",
    "hops",
    "devices",
    "hosts",
    "requests",
    "clocks",
    "probes",
    "diagnosis",
    "routing",
    "slo",
)
"""Of a Frame."""


def snapshot(frame: Frame, signals: Sequence[SignalRow] = (), *, clock: str | None = None) -> dict[str, Any]:
    """The object to print, with what else the session could say then; `clock` names how the Frame was come by where that is not how it was made (`replay`)."""
    values = msgspec.to_builtins(frame)
    sections = {name: values[name] for name in SECTIONS} | {"signals": msgspec.to_builtins(signals)}
    _tell_ages(sections, frame.time_ns)
    utc_s = frame.utc_s
    return {
        "schema": SCHEMA,
        "at": frame.time_ns / 1e9,
        "at_utc": None if utc_s is None else datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="milliseconds"),
        "window_s": frame.window_s,
        "clock": clock or frame.clock,
        "emulated": frame.emulated,
        **sections,
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
