"""A small encoder of the placement stream, written from `docs/placement-stream.md` alone: plain loops and `struct`, none of the code under test.

It makes the byte vectors and feeds the property tests. It checks nothing: tests also need it to write what is wrong.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

TIERS: Final = ("unknown", "SRAM", "HBM", "GDDR", "DRAM", "flash", "object", "peer")
STAGES: Final = ("unknown", "prefill", "decode", "attention", "ffn", "draft", "verify")
OPS: Final = ("stored", "removed")

Message = Mapping[str, Any]


def frame(kind: int, body: bytes, rows: int = 0, extras: int = 0, version: int = 1) -> bytes:
    return struct.pack("<IBBHII", len(body), kind, version, 0, rows, extras) + body


def json_text(message: Message) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def line(message: Message) -> bytes:
    return json_text(message) + b"\n"


def binary(message: Message) -> bytes:
    """The message as one frame."""
    if message.get("type") == "deliveries":
        return _deliveries(message)
    if message.get("type") == "blocks":
        return _blocks(message)
    return frame(1, json_text(message))


def lines(messages: Iterable[Message]) -> bytes:
    return b"".join(line(message) for message in messages)


def frames(messages: Iterable[Message]) -> bytes:
    return b"".join(binary(message) for message in messages)


def _code(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else 0


def _deliveries(message: Message) -> bytes:
    count = len(message["time_ns"])
    extra = message.get("extra", [0] * count)
    worker = message.get("worker", [-1] * count)
    tier = message.get("tier", ["unknown"] * count)
    stage = message.get("stage", ["unknown"] * count)
    start = message.get("start_ns", [0] * count)
    duration = message.get("duration_ns", [0] * count)
    uncounted, whole = (message.get(name, [0] * count) for name in ("uncounted", "whole"))
    body = bytearray()
    for i in range(count):
        body += struct.pack(
            "<qqqIIHHBBBB",
            message["time_ns"][i],
            start[i],
            duration[i],
            message["stream"][i],
            message["first_token"][i],
            message["tokens"][i],
            worker[i] & 0xFFFF,
            _code(TIERS, tier[i]),
            _code(STAGES, stage[i]),
            extra[i],
            (uncounted[i] > 0) | 2 * (whole[i] > 0),
        )
    extras = len(message.get("x_start_ns", ()))
    for i in range(extras):
        body += struct.pack(
            "<qqHBBI",
            message["x_start_ns"][i],
            message["x_duration_ns"][i],
            message["x_worker"][i] & 0xFFFF,
            _code(TIERS, message["x_tier"][i]),
            _code(STAGES, message["x_stage"][i]),
            0,
        )
    return frame(2, bytes(body), count, extras)


def _blocks(message: Message) -> bytes:
    body = bytearray()
    for time_ns, name, size, pool, op in zip(
        message["time_ns"], message["hash"], message["bytes"], message["pool"], message["op"], strict=True
    ):
        body += struct.pack("<qQIHBB", time_ns, int(name, 16), size, pool, OPS.index(op), 0)
    return frame(3, bytes(body), len(message["time_ns"]))
