"""KV events as vLLM publishes them (0.25 and later, events as maps): what has been stored and removed, numbered, kept for a replay, and encoded. No sockets.

Fields are those of vllm-project/vllm `vllm/distributed/kv_events.py` (Apache-2.0), of which messages are captured in tests/fixtures/vllm. Where a block's tokens are not simulated,
`token_ids` is empty, and `parent_block_hash` null: names say what is the same, not what is in it.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from emulators.blocks import BLOCK_TOKENS
from emulators.events import STORED, Row, Rows
from emulators.process import Process

TOPIC: Final = b"kv-events"
BUFFER: Final = 10_000
"""Messages that can be replayed, as vLLM's default has it."""
END: Final = (-1).to_bytes(8, "big", signed=True)
"""Number of what ends a replay."""
MEDIA: Final = {"HBM": "GPU", "GDDR": "GPU", "DRAM": "CPU", "flash": "DISK", "object": "EXTERNAL"}
"""`medium` by tier: vLLM's words for the first two; what it calls STORAGE may be either of the others, so they have the words of Dynamo and SGLang."""

_pack: Final = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Message:
    """Some rows of `events.BLOCK`, as one message. `at_s` is Unix time."""

    number: int
    at_s: float
    rows: Rows


class Log:
    """What one publisher has said. `media` by slot of the pools that it speaks for; `created` is the Unix time at which the simulation began; `process` is whose clock it goes by."""

    def __init__(self, media: Mapping[int, str], created: float, process: Process | None = None) -> None:
        self._media = media
        self._process = Process() if process is None else process
        self._pools = np.array(list(media))
        self._created = created
        self._kept: deque[Message] = deque(maxlen=BUFFER)
        self.next = 0
        """Number of the next message."""

    def record(self, blocks: Rows) -> Message | None:
        """Those of the rows that are of its pools, as a message; None if there are none."""
        rows = blocks[np.isin(blocks["pool"], self._pools)]
        if not len(rows):
            return None
        at_s = self._created + int(rows["time_ns"][-1]) / 1e9 + self._process.skew_s
        message = Message(self.next, at_s, rows)
        self._kept.append(message)
        self.next += 1
        return message

    def since(self, number: int) -> list[Message]:
        """What is kept, from that number on."""
        return [message for message in self._kept if message.number >= number]

    def frames(self, message: Message) -> list[bytes]:
        """Topic, number and payload."""
        return [TOPIC, message.number.to_bytes(8, "big"), _pack([message.at_s, list(self._events(message.rows)), 0])]

    def _events(self, rows: Rows) -> Iterator[Row]:
        """Neighbouring rows of one kind in one pool are one event."""
        kinds = rows["pool"].astype(np.int64) * 2 + rows["op"]
        for some in np.split(rows, np.flatnonzero(np.diff(kinds)) + 1):
            hashes, medium = some["hash"].tolist(), self._media[int(some["pool"][0])]
            if some["op"][0] == STORED:
                yield {
                    "type": "BlockStored",
                    "block_hashes": hashes,
                    "parent_block_hash": None,
                    "token_ids": [],
                    "block_size": BLOCK_TOKENS,
                    "lora_id": None,
                    "medium": medium,
                    "lora_name": None,
                    "group_idx": 0,
                    "kv_cache_spec_kind": "full_attention",
                }
            else:
                yield {"type": "BlockRemoved", "block_hashes": hashes, "medium": medium, "group_idx": 0}


def sources(endpoint: str | None, replay: str | None) -> bytes:
    """The answer of `GET /kv_event_sources`: one publisher, of rank 0, or none."""
    config: Row = {"enable_kv_cache_events": False, "publisher": "null", "topic": ""}
    if endpoint is not None:
        config = {
            "enable_kv_cache_events": True,
            "publisher": "zmq",
            "endpoint": endpoint,
            "replay_endpoint": replay,
            "buffer_steps": BUFFER,
            "topic": TOPIC.decode(),
        }
    return json.dumps({"0": {**config, "emulated": True}}).encode()
