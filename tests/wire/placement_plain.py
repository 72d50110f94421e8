"""What messages should decode to, and what was decoded, in one plain form that can be compared: lists of kind and rows."""

from collections.abc import Iterable
from typing import Any

import msgspec

from collectors.model.batch import Blocks, Deliveries, Occupancy, Part, Rows
from tests.wire.placement_encoder import OPS, STAGES, TIERS, Message

Plain = list[Any]
KNOWN_FLAGS = 3


def plain(parts: Iterable[Part]) -> Plain:
    """Parts, neighbouring deliveries as one. An array is a list of tuples."""
    out: Plain = []
    for part in parts:
        if isinstance(part, Deliveries):
            rows, extras = _tuples(part.rows), _tuples(part.extras)
            if out and isinstance(out[-1], tuple) and out[-1][0] == "deliveries":
                out[-1] = ("deliveries", out[-1][1] + rows, out[-1][2] + extras)
            else:
                out.append(("deliveries", rows, extras))
        elif isinstance(part, Blocks | Occupancy):
            out.append((type(part).__name__.lower(), _tuples(part.rows)))
        else:
            out.append(msgspec.json.decode(msgspec.json.encode(part)))
    return out


def _tuples(rows: Rows) -> list[tuple[int, ...]]:
    """The rows without their reserved field, which says nothing."""
    names = [name for name in rows.dtype.names or () if name != "reserved"]
    columns = [rows[name] & KNOWN_FLAGS if name == "flags" else rows[name] for name in names]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def expected(messages: Iterable[Message]) -> Plain:
    """What a reader makes of messages that it knows, by the format's own words."""
    out: Plain = []
    for message in messages:
        kind = message["type"]
        if kind == "deliveries":
            rows, extras = _rows(message), _extras(message)
            if out and isinstance(out[-1], tuple) and out[-1][0] == "deliveries":
                out[-1] = ("deliveries", out[-1][1] + rows, out[-1][2] + extras)
            elif rows:
                out.append(("deliveries", rows, extras))
        elif kind == "blocks":
            columns = (message["time_ns"], message["hash"], message["bytes"], message["pool"], message["op"])
            rows = [(t, int(h, 16), b, p, OPS.index(o)) for t, h, b, p, o in zip(*columns, strict=True)]
            out += [("blocks", rows)] if rows else []
        elif kind == "occupancy":
            names = ("time_ns", "pool", "used_bytes", "active_bytes")
            states = list(zip(*(message[name] for name in names), strict=True))
            out += [("occupancy", states)] if states else []
        elif kind == "watermark":
            out.append({"type": "watermark", "time_ns": message["time_ns"], "missed": 0})
        elif kind == "hello":
            out.append(_inventory(message))
        elif message["rows"]:
            out.append({"type": kind, "rows": [_ROW[kind](row) for row in message["rows"]]})
    return out


def _known(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else 0


def _column(message: Message, name: str, count: int, absent: Any) -> list[Any]:
    return list(message.get(name, [absent] * count))


def _rows(message: Message) -> list[tuple[int, ...]]:
    count = len(message["time_ns"])
    columns = (
        message["time_ns"],
        _column(message, "start_ns", count, 0),
        _column(message, "duration_ns", count, 0),
        message["stream"],
        message["first_token"],
        message["tokens"],
        [65535 if worker == -1 else worker for worker in _column(message, "worker", count, -1)],
        [_known(TIERS, tier) for tier in _column(message, "tier", count, "unknown")],
        [_known(STAGES, stage) for stage in _column(message, "stage", count, "unknown")],
        _column(message, "extra", count, 0),
        [
            (uncounted > 0) | 2 * (whole > 0)
            for uncounted, whole in zip(
                _column(message, "uncounted", count, 0), _column(message, "whole", count, 0), strict=True
            )
        ],
    )
    return list(zip(*columns, strict=True))


def _extras(message: Message) -> list[tuple[int, ...]]:
    count = len(message.get("x_start_ns", ()))
    columns = (
        _column(message, "x_start_ns", count, 0),
        _column(message, "x_duration_ns", count, 0),
        [65535 if worker == -1 else worker for worker in _column(message, "x_worker", count, -1)],
        [_known(TIERS, tier) for tier in _column(message, "x_tier", count, "unknown")],
        [_known(STAGES, stage) for stage in _column(message, "x_stage", count, "unknown")],
    )
    return list(zip(*columns, strict=True))


def _inventory(message: Message) -> dict[str, Any]:
    roles = {"prefill", "decode", "aggregated", "attention", "ffn", "draft", "verify"}
    devices = {"GPU", "LPU", "TPU", "Trainium", "WSE", "CPU"}
    worker = {"chip": "", "chips": 0, "model": "", "assumed": [], "labels": {}, "named_by": ""}
    workers = [
        {
            **worker,
            **entry,
            "role": entry["role"] if entry.get("role") in roles else "unknown",
            "device": entry["device"] if entry.get("device") in devices else "unknown",
        }
        for entry in message["workers"]
    ]
    pools = [{"worker": None, "capacity_bytes": None, "counted": "no", **entry} for entry in message.get("pools", ())]
    return {
        "type": "inventory",
        "workers": workers,
        "pools": pools,
        "emulated": message["emulated"],
        "resumed": False,
        "probe": None,
        "clock_id": message["clock"]["id"],
        "clock_offset_ns": 0,
        "devices": [],
        "measured": message.get("measured", False),
    }


def _slot(worker: int) -> int:
    return 65535 if worker == -1 else worker


def _request(row: Message) -> dict[str, Any]:
    absent: dict[str, dict[str, Any]] = {
        "received": {"model": "", "prompt_tokens": None, "labels": [], "workflow": ""},
        "admitted": {"hits": [], "again": False},
        "finished": {"output_tokens": None, "names": []},
    }
    whole = {**absent[row["event"]], **row}
    if "worker" in whole:
        whole["worker"] = _slot(whole["worker"])
    return whole


def _decision(row: Message) -> dict[str, Any]:
    absent: dict[str, Any] = {
        "rule": "",
        "labels": [],
        "candidates": [],
        "margin": None,
        "tie": False,
        "headroom_s": None,
    }
    whole = {**absent, **row, "chosen": _slot(row["chosen"])}
    whole["candidates"] = [
        {"terms": {}, "prefill": None, "cached_tokens": None, **entry, "worker": _slot(entry["worker"])}
        for entry in whole["candidates"]
    ]
    return whole


def _span(row: Message) -> dict[str, Any]:
    phases = {"queue", "prefill", "transfer", "fetch", "decode", "preempted"}
    whole = {"worker": None, "tier": "unknown", "tokens": None, "bytes": None, **row}
    whole["phase"] = row["phase"] if row["phase"] in phases else "unknown"
    whole["tier"] = whole["tier"] if whole["tier"] in TIERS else "unknown"
    return whole


_ROW = {"requests": _request, "decisions": _decision, "phases": _span}
