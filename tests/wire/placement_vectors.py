"""Makes `docs/placement-stream-vectors.json`; run as `python -m tests.wire.placement_vectors` after a change of the format.

The messages are here, their frames come from the tests' own encoder. A test holds the file to what this makes.
"""

import json
import struct
from pathlib import Path
from typing import Any, Final

from tests.wire.placement_encoder import binary, frame, json_text

PATH: Final = Path(__file__).parents[2] / "docs" / "placement-stream-vectors.json"
MAX: Final = 2**63 - 1

HELLO: Final[dict[str, Any]] = {
    "type": "hello",
    "version": 1,
    "producer": "tokenyard-emulator",
    "emulated": True,
    "clock": {"id": "a1b2c3", "kind": "virtual", "now_ns": 0},
    "block_tokens": 16,
    "workers": [
        {
            "slot": 0,
            "id": "gpu-0/0",
            "role": "prefill",
            "device": "GPU",
            "chip": "H100-SXM",
            "chips": 1,
            "model": "llama-3.1-8b",
        },
        {
            "slot": 2,
            "id": "lpu-0/0",
            "role": "decode",
            "device": "LPU",
            "chip": "LPU v1",
            "chips": 64,
            "model": "llama-3.1-8b",
        },
        {"slot": 65534, "id": "wse-é/0"},
    ],
    "pools": [
        {"slot": 0, "tier": "HBM", "owner": "gpu-0/0", "worker": 0, "capacity_bytes": 60129542144},
        {"slot": 1, "tier": "DRAM", "owner": "host-0", "worker": None, "capacity_bytes": 274877906944},
        {"slot": 9, "tier": "flash", "owner": "host-0"},
    ],
}

DELIVERIES: Final[dict[str, Any]] = {
    "type": "deliveries",
    "stream": [3, 4],
    "first_token": [0, 17],
    "tokens": [1, 1],
    "time_ns": [1700000, 1700000],
    "worker": [0, 2],
    "tier": ["HBM", "SRAM"],
    "stage": ["decode", "decode"],
    "start_ns": [1600000, 1690000],
    "duration_ns": [100000, 10000],
}

EXTRAS: Final[dict[str, Any]] = {
    "type": "deliveries",
    "stream": [3, 4, 3],
    "first_token": [1, 18, 2],
    "tokens": [1, 4, 1],
    "time_ns": [1800000, 1800100, 1900000],
    "worker": [2, 2, 0],
    "tier": ["SRAM", "SRAM", "HBM"],
    "stage": ["ffn", "verify", "decode"],
    "start_ns": [1790000, 1795000, 1890000],
    "duration_ns": [10000, 5100, 10000],
    "extra": [1, 2, 0],
    "x_start_ns": [1700000, 1700500, 1750000],
    "x_duration_ns": [90000, 49500, 45000],
    "x_worker": [0, 0, -1],
    "x_tier": ["HBM", "GDDR", "DRAM"],
    "x_stage": ["attention", "draft", "prefill"],
}

EXTREMES: Final[dict[str, Any]] = {
    "type": "deliveries",
    "stream": [0, 65535],
    "first_token": [0, 4294967295],
    "tokens": [1, 65535],
    "time_ns": [0, MAX],
    "worker": [-1, 65534],
    "tier": ["unknown", "peer"],
    "stage": ["unknown", "verify"],
    "start_ns": [0, MAX],
    "duration_ns": [0, MAX],
    "extra": [0, 8],
    "x_start_ns": [0, MAX, 9007199254740993, 3, 4, 5, 6, 7],
    "x_duration_ns": [MAX, 0, 2, 3, 4, 5, 6, 7],
    "x_worker": [65534, -1, 0, 2, 0, 2, 0, 2],
    "x_tier": ["unknown", "SRAM", "HBM", "GDDR", "DRAM", "flash", "object", "peer"],
    "x_stage": ["unknown", "prefill", "decode", "attention", "ffn", "draft", "verify", "unknown"],
}

BLOCKS: Final[dict[str, Any]] = {
    "type": "blocks",
    "time_ns": [1600000, 0, MAX],
    "hash": ["00f1e2d3c4b5a697", "0000000000000000", "ffffffffffffffff"],
    "bytes": [2097152, 0, 4294967295],
    "pool": [0, 1, 9],
    "op": ["stored", "removed", "stored"],
}

REQUESTS: Final[dict[str, Any]] = {
    "type": "requests",
    "rows": [
        {
            "event": "received",
            "time_ns": 1000000,
            "request": "r-17",
            "stream": 3,
            "model": "llama-3.1-8b",
            "prompt_tokens": 812,
            "labels": ["interactive", "short-context"],
            "workflow": "w-2",
        },
        {"event": "received", "time_ns": 9007199254740993, "request": "r-18 ä", "stream": 65535},
        {
            "event": "admitted",
            "time_ns": 1200000,
            "request": "r-17",
            "worker": 0,
            "computed_tokens": 300,
            "hits": [[0, 512]],
        },
        {
            "event": "admitted",
            "time_ns": 1300000,
            "request": "r-17",
            "worker": -1,
            "computed_tokens": 812,
            "again": True,
        },
        {"event": "finished", "time_ns": 9000000, "request": "r-17", "reason": "stop", "output_tokens": 120},
        {"event": "finished", "time_ns": MAX, "request": "r-18 ä", "reason": "abort"},
    ],
}

DECISIONS: Final[dict[str, Any]] = {
    "type": "decisions",
    "rows": [
        {
            "time_ns": 1000500,
            "request": "r-17",
            "rule": "interactive-to-lpu",
            "labels": ["interactive"],
            "chosen": 2,
            "margin": 0.31,
            "tie": False,
            "candidates": [
                {"worker": 2, "prefill": 0, "score": 0.92, "terms": {"load": 0.5, "overlap": 0.42}},
                {"worker": 0, "score": 0.61},
            ],
            "headroom_s": 0.12,
        },
        {"time_ns": 1000600, "request": "r-18", "chosen": 0},
    ],
}

PHASES: Final[dict[str, Any]] = {
    "type": "phases",
    "rows": [
        {
            "request": "r-17",
            "phase": "prefill",
            "worker": 0,
            "tier": "HBM",
            "start_ns": 1200000,
            "duration_ns": 400000,
            "tokens": 300,
        },
        {
            "request": "r-17",
            "phase": "transfer",
            "worker": 2,
            "tier": "SRAM",
            "start_ns": 1600000,
            "duration_ns": 90000,
            "bytes": 106430464,
        },
        {"request": "r-17", "phase": "queue", "start_ns": 1000000, "duration_ns": 0},
    ],
}

OCCUPANCY: Final[dict[str, Any]] = {
    "type": "occupancy",
    "time_ns": [1600000, MAX],
    "pool": [0, 9],
    "used_bytes": [73400320, MAX],
    "active_bytes": [41943040, 0],
}


OBSERVER: Final[dict[str, Any]] = {
    **HELLO,
    "producer": "tokenyard-tap",
    "emulated": False,
    "clock": {"id": "d4e5f6", "kind": "monotonic", "now_ns": MAX},
    "measured": True,
    "warning": "some tokens are not counted",
}


def _changed(message: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {**message, **keys}


def _patched(message: dict[str, Any], offset: int, form: str, value: int) -> bytes:
    """The message's frame with the field at `offset` of its body overwritten."""
    whole = bytearray(binary(message))
    struct.pack_into(form, whole, 16 + offset, value)
    return bytes(whole)


def vectors() -> list[dict[str, Any]]:
    named: list[tuple[str, dict[str, Any]]] = [
        ("hello", HELLO),
        ("requests", REQUESTS),
        ("decisions", DECISIONS),
        ("phases", PHASES),
        ("deliveries", DELIVERIES),
        ("deliveries with extra stages", EXTRAS),
        ("deliveries, extreme values", EXTREMES),
        ("deliveries, none", {"type": "deliveries", "stream": [], "first_token": [], "tokens": [], "time_ns": []}),
        ("blocks, extreme values", BLOCKS),
        ("occupancy", OCCUPANCY),
        ("watermark", {"type": "watermark", "time_ns": 2000000}),
        ("watermark, extreme value", {"type": "watermark", "time_ns": MAX}),
        ("hello of an observer", OBSERVER),
    ]
    made: list[dict[str, Any]] = [
        {"name": name, "message": message, "frame": binary(message).hex()} for name, message in named
    ]
    one = {key: column[:1] for key, column in DELIVERIES.items() if key != "type"}
    bare = {key: one[key] for key in ("stream", "first_token", "tokens", "time_ns")}
    only_json: dict[str, Any] = {"type": "deliveries", **bare}
    strange: dict[str, Any] = {"type": "deliveries", **one, "tier": ["L2"], "stage": ["rerank"], "colour": ["red"]}
    codes = bytearray(binary({"type": "deliveries", **one}))
    codes[16 + 36 : 16 + 40] = bytes([8, 7, 0, 252])
    seen: dict[str, Any] = {"type": "deliveries", **DELIVERIES, "uncounted": [3, 0], "whole": [0, 1]}
    critic = {"slot": 7, "id": "x/0", "role": "critic"}
    later = _changed(HELLO, later={"a": [1, None]}, workers=[*HELLO["workers"], critic])
    made += [
        {"name": name, "decode_only": True, "message": message, "frame": data.hex()}
        for name, message, data in [
            ("deliveries of an observer: of tokens that nobody counted, and of a whole response", seen, binary(seen)),
            ("deliveries of a stage that is not known", only_json, binary(only_json)),
            ("tier, stage and key of a later version; flags of one", strange, bytes(codes)),
            ("hello with a role and a key of a later version", later, frame(1, json.dumps(later).encode())),
        ]
    ]
    return made


def skipped() -> list[dict[str, Any]]:
    telemetry = {"type": "telemetry", "time_ns": 1, "rows": [{"a": 1}]}
    return [
        {"name": "message of a later version", "message": telemetry, "frame": frame(1, json_text(telemetry)).hex()},
        {"name": "frame kind of a later version", "frame": frame(200, b"\x00\xff\x0a" * 7, 4294967295, 1).hex()},
        {"name": "empty frame of a later version", "frame": frame(0, b"").hex()},
        {
            "name": "request event of a later version",
            "message": {"type": "requests", "rows": [{"event": "migrated", "time_ns": 1, "request": "r-17", "to": 2}]},
            "frame": binary(
                {"type": "requests", "rows": [{"event": "migrated", "time_ns": 1, "request": "r-17", "to": 2}]}
            ).hex(),
        },
        {
            "name": "block operation of a later version",
            "message": {
                "type": "blocks",
                "time_ns": [1],
                "hash": ["0" * 16],
                "bytes": [1],
                "pool": [0],
                "op": ["moved"],
            },
            "frame": frame(3, struct.pack("<qQIHBB", 1, 0, 1, 0, 2, 0), 1).hex(),
        },
    ]


def rejected() -> list[dict[str, Any]]:
    one = {"type": "deliveries", **{key: column[:1] for key, column in DELIVERIES.items() if key != "type"}}
    block = {"type": "blocks", **{key: column[:1] for key, column in BLOCKS.items() if key != "type"}}
    nine = _changed(
        one,
        extra=[9],
        x_start_ns=[1] * 9,
        x_duration_ns=[1] * 9,
        x_worker=[0] * 9,
        x_tier=["HBM"] * 9,
        x_stage=["draft"] * 9,
    )
    extra = {**one, "extra": [1], "x_start_ns": [1], "x_duration_ns": [1], "x_worker": [0]}
    extra |= {"x_tier": ["HBM"], "x_stage": ["draft"]}
    both: list[tuple[str, dict[str, Any]]] = [
        ("version 2", _changed(HELLO, version=2)),
        ("slot given twice", _changed(HELLO, workers=[HELLO["workers"][0]] * 2)),
        ("slot that changes its meaning", _changed(HELLO, workers=[{"slot": 0, "id": "other/0"}], pools=[])),
        (
            "pool of a worker that is not named",
            _changed(HELLO, pools=[{"slot": 3, "tier": "HBM", "owner": "x", "worker": 5}]),
        ),
        ("no tokens", _changed(one, tokens=[0])),
        ("stream 65,536", _changed(one, stream=[65536])),
        ("worker that is not named", _changed(one, worker=[1])),
        ("negative time", _changed(one, time_ns=[-1])),
        ("negative start", _changed(one, start_ns=[-1])),
        ("negative duration", _changed(one, duration_ns=[-1])),
        ("nine extra stages", nine),
        ("fewer extra stages than counted", _changed(extra, extra=[2])),
        ("more extra stages than counted", _changed(extra, extra=[0])),
        ("extra stage on a worker that is not named", _changed(extra, x_worker=[1])),
        ("negative start of an extra stage", _changed(extra, x_start_ns=[-1])),
        ("negative duration of an extra stage", _changed(extra, x_duration_ns=[-1])),
        ("block with a negative time", _changed(block, time_ns=[-1])),
        ("block in a pool that is not named", _changed(block, pool=[3])),
        ("occupancy of a pool that is not named", _changed(OCCUPANCY, pool=[0, 3])),
        ("negative occupancy", _changed(OCCUPANCY, used_bytes=[0, -1])),
        ("columns of unequal length", _changed(OCCUPANCY, pool=[0])),
        ("negative watermark", {"type": "watermark", "time_ns": -1}),
        ("watermark that is no integer", {"type": "watermark", "time_ns": 1.5}),
        ("no type", {"time_ns": 1}),
        (
            "request received twice",
            {"type": "requests", "rows": [{"event": "received", "time_ns": 1, "request": "r", "stream": 0}] * 2},
        ),
        (
            "stream given to two living requests",
            {
                "type": "requests",
                "rows": [{"event": "received", "time_ns": 1, "request": name, "stream": 0} for name in ("r", "s")],
            },
        ),
        (
            "17 labels",
            {
                "type": "requests",
                "rows": [{"event": "received", "time_ns": 1, "request": "r", "stream": 0, "labels": ["x"] * 17}],
            },
        ),
        (
            "id of 257 bytes",
            {
                "type": "requests",
                "rows": [{"event": "received", "time_ns": 1, "request": "é" * 128 + "x", "stream": 0}],
            },
        ),
    ]
    made: list[dict[str, Any]] = [
        {"name": name, "line": json_text(message).decode(), "frame": binary(message).hex()} for name, message in both
    ]
    ragged = _changed(one, tokens=[1, 1])
    unknown = {"type": "deliveries", "request": ["nobody"], "first_token": [0], "tokens": [1], "time_ns": [1]}
    made += [
        {"name": name, "line": json_text(message).decode()}
        for name, message in [
            ("deliveries with columns of unequal length", ragged),
            ("deliveries of a request that was not received", unknown),
            ("token count that does not fit", _changed(one, tokens=[65536])),
            ("time that does not fit", _changed(one, time_ns=[2**63])),
            ("hash of 15 digits", _changed(block, hash=["0" * 15])),
            ("hash that is not hexadecimal", _changed(block, hash=["0" * 15 + "g"])),
        ]
    ]
    made += [
        {
            "name": "text that is not JSON",
            "line": '{"type":"watermark",',
            "frame": frame(1, b'{"type":"watermark",').hex(),
        },
        {"name": "deliveries in a frame of kind 1", "frame": frame(1, json_text(one)).hex()},
        {"name": "blocks in a frame of kind 1", "frame": frame(1, json_text(block)).hex()},
        {
            "name": "frame of version 2",
            "frame": frame(1, json_text({"type": "watermark", "time_ns": 1}), version=2).hex(),
        },
        {"name": "body longer than rows and extras say", "frame": frame(2, binary(one)[16:] + b"\0", 1).hex()},
        {"name": "body shorter than rows and extras say", "frame": frame(2, binary(one)[16:], 2).hex()},
        {"name": "rows that overflow 32 bits", "frame": frame(2, binary(one)[16:] + bytes(24), 0x66666667).hex()},
        {"name": "blocks with extras", "frame": frame(3, binary(block)[16:], 1, 1).hex()},
        {"name": "length above 1 MiB", "frame": struct.pack("<IBBHII", 2**20 + 1, 200, 1, 0, 0, 0).hex()},
        {"name": "two rows whose extras only sum to the frame's with another frame's", "frame": _unbalanced().hex()},
    ]
    return made


def _unbalanced() -> bytes:
    """Two frames: the first counts one extra too few, the second one too many."""
    first = _patched(EXTRAS, 38, "<B", 0)
    return first + _patched(EXTRAS, 38, "<B", 2)


def document() -> dict[str, Any]:
    return {
        "format": "tokenyard placement stream",
        "version": 1,
        "vectors": vectors(),
        "skipped": skipped(),
        "rejected": rejected(),
    }


def text() -> str:
    """The file: an entry a line, so that a change of one is a change of one line."""
    parts = []
    for key, value in document().items():
        if isinstance(value, list):
            entries = ",\n".join("  " + json.dumps(entry, ensure_ascii=False) for entry in value)
            parts.append(f'  "{key}": [\n{entries}\n  ]')
        else:
            parts.append(f'  "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
