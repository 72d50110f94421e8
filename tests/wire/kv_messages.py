"""KV event messages for tests: the captured ones beside what they say as JSON, and an encoder of both shapes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

FIXTURES = Path(__file__).parents[1] / "fixtures"
VLLM = FIXTURES / "vllm" / "zmq_kv_events.jsonl"
VLLM_REPLAY = FIXTURES / "vllm" / "zmq_replay_frames.jsonl"
MOCKERS = FIXTURES / "dynamo" / "zmq_kv_events.jsonl"
MOCKER = FIXTURES / "dynamo" / "zmq_kv_events_hostoffload_agg.jsonl"
MOCKER_REPLAY = FIXTURES / "dynamo" / "zmq_replay_frames.jsonl"

Event = dict[str, Any]


def captured(path: Path) -> Iterator[tuple[list[bytes], list[Any]]]:
    """Frames as they were published, and the payload as whoever captured them decoded it: `[ts, events, rank]`."""
    for line in path.read_text().splitlines():
        row = json.loads(line)
        yield [row["topic"].encode(), bytes.fromhex(row["seq_hex"]), bytes.fromhex(row["payload_hex"])], row["payload"]


def replayed(path: Path) -> list[list[bytes]]:
    return [
        [bytes.fromhex(frame) for frame in json.loads(line)["frames_hex"]] for line in path.read_text().splitlines()
    ]


def stored(*hashes: int | bytes, size: int = 16, medium: str | None = "GPU", **more: Any) -> Event:
    event = {"type": "BlockStored", "block_hashes": list(hashes), "parent_block_hash": None, "token_ids": [7] * size}
    return event | {"block_size": size, "lora_id": None, "medium": medium, "lora_name": None} | more


def removed(*hashes: int | bytes, medium: str | None = "GPU", **more: Any) -> Event:
    return {"type": "BlockRemoved", "block_hashes": list(hashes), "medium": medium} | more


def cleared() -> Event:
    return {"type": "AllBlocksCleared"}


def payload(*events: Event, ts: float = 1.5, rank: int | None = 0) -> bytes:
    """As vLLM 0.25 and later writes it."""
    return msgspec.msgpack.encode([ts, list(events), rank])


ARRAY_FIELDS = {
    "BlockStored": (
        "block_hashes",
        "parent_block_hash",
        "token_ids",
        "block_size",
        "lora_id",
        "medium",
        "lora_name",
        "extra_keys",
        "group_idx",
    ),
    "BlockRemoved": ("block_hashes", "medium", "group_idx"),
    "AllBlocksCleared": (),
}
"""Fields by position: `vllm/distributed/kv_events.py` before vllm-project/vllm#42892."""


def array_payload(*events: Event, ts: float = 1.5, rank: int | None = 0) -> bytes:
    """As vLLM up to 0.22 writes it: trailing defaults are left out."""
    made = []
    for event in events:
        values = [event["type"], *(event.get(field) for field in ARRAY_FIELDS[event["type"]])]
        while values[-1] is None:
            values.pop()
        made.append(values)
    return msgspec.msgpack.encode([ts, made] if rank is None else [ts, made, rank])


def number(seq: int) -> bytes:
    return seq.to_bytes(8, "big", signed=True)
