"""KV cache events as engines publish them over ZeroMQ: frames and MessagePack payloads to columns. No I/O, no sequence (`kv_sequence`).

Reads vLLM's events as maps (0.25 and later) and as arrays (up to 0.22), SGLang's in both shapes, and those of Dynamo's mocker; the fields are those of
`vllm/distributed/kv_events.py` and `sglang/srt/disaggregation/kv_events.py`. Token ids are skipped over, never decoded.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Final, cast

import msgspec
import numpy as np
import numpy.typing as npt

from collectors.model.batch import EMPTIED, REMOVED, STORED, Rows
from collectors.model.vocabulary import TIERS, Tier
from collectors.wire.limits import DEFAULT

KV_ROW: Final = np.dtype([("hash", "<u8"), ("tokens", "<u4"), ("tier", "u1"), ("op", "u1"), ("reserved", "<u2")])
"""A block stored or removed, or a tier emptied (`op` as in BLOCK). `tokens` of a stored block, 0 if not said; `tier` as in TIERS, or EVERY_TIER."""
EVERY_TIER: Final = 0xFF
END: Final = -1
"""Sequence number of the message after the last one of a replay."""

MAX_EVENTS: Final = 65_536
"""In a message."""
MAX_HASHES: Final = 262_144
"""In a message."""
MAX_RANK: Final = 4_095
MAX_BLOCK_TOKENS: Final = 1 << 24
_MAX_GROUP: Final = 65_535
_MAX_WORD: Final = 256
_MAX_HASH_BYTES: Final = 256

MEDIA: Final[Mapping[str, Tier]] = MappingProxyType(
    {
        "": Tier.HBM,
        "GPU": Tier.HBM,
        "CPU": Tier.DRAM,
        "cpu": Tier.DRAM,
        "CPU_PINNED": Tier.DRAM,
        "DISK": Tier.FLASH,
        "EXTERNAL": Tier.OBJECT,
    }
)
"""Tier by `medium`; any other is unknown. Empty stands for an absent one: of vLLM and Dynamo (`StorageTier::to_kv_medium`) that is the device.

vLLM's `STORAGE` is a file system or an object store; the event does not say which, so it is not here.
"""
SGLANG_MEDIA: Final[Mapping[str, Tier]] = MappingProxyType({**MEDIA, "": Tier.UNKNOWN})
"""SGLang always names the device; what it does not name may be anywhere."""


class KvEventError(ValueError):
    """A message that is not one of KV events, or passes a limit: says what is wrong."""


class Message(msgspec.Struct, frozen=True):
    seq: int
    payload: bytes


class KvEvents(msgspec.Struct, frozen=True, eq=False):
    """One message: `rows` is a KV_ROW array in the order of the events. `rank` is None where the message does not say. `time_ns` is the publisher's, UTC."""

    time_ns: int
    rank: int | None
    rows: Rows
    skipped: int = 0
    """Events of a kind that is not known."""


def read_frames(frames: Sequence[bytes]) -> Message:
    """A published message `[topic, seq, payload]`, or the reply to a replay request with an empty frame before it, with or without a topic.

    The end of a replay has the number END. Raises KvEventError.
    """
    if not 2 <= len(frames) <= 4 or (len(frames) == 4 and frames[0]):
        raise KvEventError(f"{len(frames)} frames, not topic, number and payload")
    number, payload = frames[-2], frames[-1]
    if len(number) != 8:
        raise KvEventError(f"a sequence number of {len(number)} bytes, not 8")
    seq = int.from_bytes(number, "big", signed=True)
    if seq < END or (seq == END and payload):
        raise KvEventError("a sequence number that is negative")
    return Message(seq, payload)


Word = Annotated[str, msgspec.Meta(max_length=_MAX_WORD)]
Hashes = Annotated[
    list[int | Annotated[bytes, msgspec.Meta(max_length=_MAX_HASH_BYTES)]], msgspec.Meta(max_length=MAX_HASHES)
]
Group = Annotated[int, msgspec.Meta(ge=0, le=_MAX_GROUP)]
BlockTokens = Annotated[int, msgspec.Meta(ge=0, le=MAX_BLOCK_TOKENS)]
_NOTHING: Final = msgspec.Raw(b"")


class _Envelope(msgspec.Struct, array_like=True):
    ts: float
    events: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_EVENTS)]
    rank: Annotated[int, msgspec.Meta(ge=0, le=MAX_RANK)] | None = None


class _Stored(msgspec.Struct, tag="BlockStored"):
    block_hashes: Hashes
    block_size: BlockTokens
    medium: Word | None = None
    group_idx: Group | None = None
    locality: Word | None = None
    ownership: Word | None = None


class _Removed(msgspec.Struct, tag="BlockRemoved"):
    block_hashes: Hashes
    medium: Word | None = None
    group_idx: Group | None = None
    locality: Word | None = None
    ownership: Word | None = None


class _Cleared(msgspec.Struct, tag="AllBlocksCleared"):
    medium: Word | None = None


class _StoredArray(msgspec.Struct, tag="BlockStored", array_like=True):
    block_hashes: Hashes
    parent_block_hash: msgspec.Raw
    token_ids: msgspec.Raw
    block_size: BlockTokens
    lora_id: msgspec.Raw = _NOTHING
    medium: Word | None = None
    lora_name: msgspec.Raw = _NOTHING
    extra_keys: msgspec.Raw = _NOTHING
    group_idx: Group | None = None


class _RemovedArray(msgspec.Struct, tag="BlockRemoved", array_like=True):
    block_hashes: Hashes
    medium: Word | None = None
    group_idx: Group | None = None


class _ClearedArray(msgspec.Struct, tag="AllBlocksCleared", array_like=True):
    medium: Word | None = None


class _Tag(msgspec.Struct):
    type: str


class _TagArray(msgspec.Struct, array_like=True):
    type: str


_Event = _Stored | _Removed | _Cleared | _StoredArray | _RemovedArray | _ClearedArray
_envelopes: Final = msgspec.msgpack.Decoder(_Envelope)
_maps: Final = msgspec.msgpack.Decoder(_Stored | _Removed | _Cleared)
_arrays: Final = msgspec.msgpack.Decoder(_StoredArray | _RemovedArray | _ClearedArray)
_map_tags: Final = msgspec.msgpack.Decoder(_Tag)
_array_tags: Final = msgspec.msgpack.Decoder(_TagArray)
_KNOWN: Final = frozenset({"BlockStored", "BlockRemoved", "AllBlocksCleared"})
_KINDS: Final = {_StoredArray: STORED, _Stored: STORED, _RemovedArray: REMOVED, _Removed: REMOVED}


class Decoder:
    """Payloads of one publisher to rows. `media` says which tier a `medium` is; see MEDIA."""

    def __init__(self, media: Mapping[str, Tier] = MEDIA, max_payload: int = DEFAULT.max_event_bytes) -> None:
        self._media = media
        self._max_payload = max_payload
        self._places: dict[tuple[str | None, int | None, str | None, str | None], tuple[int, int]] = {}

    def decode(self, payload: bytes) -> KvEvents:
        """Raises KvEventError; nothing of a message with a malformed event is used."""
        if len(payload) > self._max_payload:
            raise KvEventError(f"a payload of {len(payload):,} bytes; the limit is {self._max_payload:,}")
        try:
            envelope = _envelopes.decode(payload)
            events, skipped = _events(envelope.events)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise KvEventError(f"malformed: {error}") from None
        if not (math.isfinite(envelope.ts) and 0 <= envelope.ts < 1 << 33):
            raise KvEventError("malformed: a time that no clock shows")
        return KvEvents(int(envelope.ts * 1e9), envelope.rank, self._rows(events), skipped)

    def _rows(self, events: list[_Event]) -> Rows:
        hashes: list[int | bytes] = []
        counts, tokens, tiers, ops, salts = [], [], [], [], []
        for event in events:
            if isinstance(event, _Cleared | _ClearedArray):
                op = EMPTIED
                tier = EVERY_TIER if event.medium is None else self._place(event.medium, None, None, None)[0]
                salt, size, count = 0, 0, 1
                hashes.append(0)
            else:
                op = _KINDS[type(event)]
                if isinstance(event, _Stored | _Removed):
                    tier, salt = self._place(event.medium, event.group_idx, event.locality, event.ownership)
                else:
                    tier, salt = self._place(event.medium, event.group_idx, None, None)
                size = event.block_size if isinstance(event, _Stored | _StoredArray) else 0
                count = len(event.block_hashes)
                hashes += event.block_hashes
            counts.append(count)
            tokens.append(size)
            tiers.append(tier)
            ops.append(op)
            salts.append(salt)
        if len(hashes) > MAX_HASHES:
            raise KvEventError(f"more than {MAX_HASHES:,} blocks in a message")
        rows = np.zeros(len(hashes), KV_ROW)
        each = np.array(counts, np.intp)
        rows["hash"] = _words(hashes)
        if any(salts):
            rows["hash"] ^= np.repeat(np.array(salts, np.uint64), each)
        rows["tokens"] = np.repeat(np.array(tokens, np.uint32), each)
        rows["tier"] = np.repeat(np.array(tiers, np.uint8), each)
        rows["op"] = np.repeat(np.array(ops, np.uint8), each)
        return rows

    def _place(
        self, medium: str | None, group: int | None, locality: str | None, ownership: str | None
    ) -> tuple[int, int]:
        """`(tier, salt)`: copies of one block that are kept apart get different salts in their hashes."""
        key = medium, group, locality, ownership
        found = self._places.get(key)
        if found is None:
            tier = Tier.PEER if locality == "REMOTE" else self._media.get(medium or "", Tier.UNKNOWN)
            found = TIERS.index(tier), _salt(group or 0, ownership or "", medium or "" if tier is Tier.UNKNOWN else "")
            if len(self._places) < 1_024:
                self._places[key] = found
        return found


def _events(raws: Iterable[msgspec.Raw]) -> tuple[list[_Event], int]:
    """The events, and how many were of a kind that is not known. Raises what msgspec raises."""
    events: list[_Event] = []
    skipped = 0
    for raw in raws:
        first = memoryview(raw)[0]
        as_map = first & 0xF0 == 0x80 or first in (0xDE, 0xDF)
        try:
            events.append(_maps.decode(raw) if as_map else _arrays.decode(raw))
        except msgspec.ValidationError:
            tagged = _map_tags.decode(raw) if as_map else _array_tags.decode(raw)
            if tagged.type in _KNOWN:
                raise
            skipped += 1
    return events, skipped


def _words(hashes: list[int | bytes]) -> npt.NDArray[np.uint64]:
    """Opaque hashes in 64 bits. Bytes give their last eight, as where vLLM itself makes integers of them; a negative integer (SGLang) its two's complement."""
    if bytes in set(map(type, hashes)):
        words = [int.from_bytes(one[-8:], "big") if isinstance(one, bytes) else one for one in hashes]
    else:
        words = cast("list[int]", hashes)
    try:
        return np.array(words, np.uint64)
    except OverflowError:
        return np.array([word & 0xFFFF_FFFF_FFFF_FFFF for word in words], np.uint64)


def _salt(group: int, ownership: str, medium: str) -> int:
    """0 for what almost all blocks are: of the first cache group, in a tier that is known and has one owner."""
    if not group and not ownership and not medium:
        return 0
    text = f"{group}\n{ownership}\n{medium}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
