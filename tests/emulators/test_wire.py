"""The bytes of the two encodings, against the document's vectors and byte by byte."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.events import BLOCK, DELIVERY, EXTRA, OCCUPANCY, STAGES, TIERS, Row, Rows
from emulators.wire import MAX_MESSAGE_BYTES, Encoder, Encoding, encoder, hello, negotiate, watermark

VECTORS = json.loads((Path(__file__).parents[2] / "docs/placement-stream-vectors.json").read_text(encoding="utf-8"))[
    "vectors"
]
WRITTEN = [vector for vector in VECTORS if not vector.get("decode_only") and vector["message"].get("time_ns") != []]
BINARY, NDJSON = encoder(Encoding.BINARY), encoder(Encoding.NDJSON)


def rows_of(message: Row, dtype: np.dtype[np.void], prefix: str = "") -> Rows:
    """The array that a message with columns says."""
    names = [name for name in dtype.names or () if prefix + name in message]
    rows = np.zeros(len(message.get(f"{prefix}{names[0]}", ())) if names else 0, dtype)
    for name in names:
        column: list[Any] = message[prefix + name]
        if name in ("tier", "stage"):
            column = [(TIERS if name == "tier" else STAGES).index(value) for value in column]
        elif name == "op":
            column = [("stored", "removed").index(value) for value in column]
        elif name == "hash":
            column = [int(value, 16) for value in column]
        elif name == "worker":
            column = [value % 65_536 for value in column]
        rows[name] = np.array(column, dtype=dtype[name])
    return rows


def encode(encode: Encoder, message: Row) -> bytes:
    """The message through the method that the emulator uses for its type."""
    match message["type"]:
        case "deliveries":
            return encode.deliveries(rows_of(message, DELIVERY), rows_of(message, EXTRA, "x_"))
        case "blocks":
            return encode.blocks(rows_of(message, BLOCK))
        case "occupancy":
            return encode.occupancy(rows_of(message, OCCUPANCY))
        case "requests" | "decisions" | "phases" as kind:
            return encode.rows(kind, message["rows"])
        case _:
            return encode.message(message)


def bodies(frames: bytes) -> list[tuple[int, int, int, bytes]]:
    """(kind, rows, extras, body) of each frame."""
    found = []
    while frames:
        length, kind, version, reserved, rows, extras = struct.unpack_from("<IBBHII", frames)
        assert (version, reserved) == (1, 0)
        found.append((kind, rows, extras, frames[16 : 16 + length]))
        assert len(frames) >= 16 + length
        frames = frames[16 + length :]
    return found


def deliveries(count: int, extra: int = 0) -> tuple[Rows, Rows]:
    rows = np.zeros(count, DELIVERY)
    rows["time_ns"] = np.arange(count) + 2**60
    rows["start_ns"] = rows["time_ns"] - 1_000
    rows["tokens"], rows["extra"] = 1, extra
    extras = np.zeros(count * extra, EXTRA)
    extras["start_ns"] = np.arange(count * extra)
    return rows, extras


@pytest.mark.parametrize("vector", WRITTEN, ids=lambda vector: vector["name"])
def test_binary_is_the_vectors_frame(vector: dict[str, Any]) -> None:
    frame = encode(BINARY, vector["message"])
    expected = bytes.fromhex(vector["frame"])
    if expected[4] == 1:  # a body of JSON need only be equal as JSON
        assert frame[4:16] == expected[4:16]
        assert json.loads(bodies(frame)[0][3]) == json.loads(expected[16:])
    else:
        assert frame == expected


@pytest.mark.parametrize("vector", WRITTEN, ids=lambda vector: vector["name"])
def test_ndjson_is_the_vectors_message(vector: dict[str, Any]) -> None:
    line = encode(NDJSON, vector["message"])
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == vector["message"]


def test_the_vectors_cover_every_message() -> None:
    assert {vector["message"]["type"] for vector in WRITTEN} == {
        *("hello", "requests", "decisions", "phases", "deliveries", "blocks", "occupancy", "watermark"),
    }


def test_a_delivery_with_an_extra_stage_byte_by_byte() -> None:
    rows = np.array([(7, 5, 2, 3, 9, 4, 1, 2, 4, 1, 0)], DELIVERY)
    extras = np.array([(1, 4, 65_535, 1, 3, 0)], EXTRA)
    expected = struct.pack("<IBBHII", 64, 2, 1, 0, 1, 1)
    expected += struct.pack("<qqqIIHHBBBB", 7, 5, 2, 3, 9, 4, 1, 2, 4, 1, 0)
    expected += struct.pack("<qqHBBI", 1, 4, 65_535, 1, 3, 0)
    assert BINARY.deliveries(rows, extras) == expected


@pytest.mark.parametrize("encode", [BINARY, NDJSON])
def test_no_rows_are_no_message(encode: Encoder) -> None:
    assert encode.deliveries(*deliveries(0)) == b""
    assert encode.blocks(np.zeros(0, BLOCK)) == b""
    assert encode.occupancy(np.zeros(0, OCCUPANCY)) == b""
    assert encode.rows("phases", []) == b""


@given(count=st.integers(1, 60_000), extra=st.integers(0, 8))
def test_binary_deliveries_are_split_at_the_limit_and_nothing_is_lost(count: int, extra: int) -> None:
    rows, extras = deliveries(count, extra)
    found = bodies(BINARY.deliveries(rows, extras))
    assert all(len(body) <= MAX_MESSAGE_BYTES for *_, body in found)
    assert all(len(body) == 40 * r + 24 * x and x == extra * r for _, r, x, body in found)
    assert b"".join(body[: 40 * r] for _, r, _, body in found) == rows.tobytes()
    assert b"".join(body[40 * r :] for _, r, _, body in found) == extras.tobytes()


def test_ndjson_deliveries_are_split_at_the_limit_and_nothing_is_lost() -> None:
    rows, extras = deliveries(9_000, 8)
    lines = NDJSON.deliveries(rows, extras).splitlines()
    assert len(lines) > 1
    assert all(len(line) <= MAX_MESSAGE_BYTES for line in lines)
    messages = [json.loads(line) for line in lines]
    assert [time for message in messages for time in message["time_ns"]] == rows["time_ns"].tolist()
    assert [start for message in messages for start in message["x_start_ns"]] == extras["start_ns"].tolist()
    assert all(sum(message["extra"]) == len(message["x_start_ns"]) for message in messages)


@pytest.mark.parametrize("encode", [BINARY, NDJSON])
def test_rows_of_json_are_split_at_the_limit(encode: Encoder) -> None:
    rows: list[Row] = [
        {"request": f"r-{i}", "phase": "prefill", "start_ns": i, "filler": "x" * 5_000} for i in range(1_000)
    ]
    data = encode.rows("phases", rows)
    texts = [body for *_, body in bodies(data)] if encode is BINARY else data.splitlines()
    assert all(len(text) <= MAX_MESSAGE_BYTES for text in texts)
    assert [row for text in texts for row in json.loads(text)["rows"]] == rows


def test_a_row_that_fits_in_no_message_is_an_error() -> None:
    with pytest.raises(ValueError, match="over the limit of 1048576"):
        BINARY.rows("decisions", [{"request": "x" * MAX_MESSAGE_BYTES}])


def test_hello_says_that_it_is_emulated() -> None:
    message = hello(
        clock_id="default/7", now_ns=5, inventory={"block_tokens": 16, "workers": [], "pools": []}, epoch="e"
    )
    assert next(iter(message)) == "type"
    assert message["emulated"] is True
    assert message["clock"] == {"id": "default/7", "kind": "virtual", "now_ns": 5}
    assert (message["version"], message["workers"]) == (1, [])
    assert "resumed_after" not in message
    assert watermark(9, 3) == {"type": "watermark", "time_ns": 9, "seq": 3}


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        (None, Encoding.NDJSON),
        ("", Encoding.NDJSON),
        ("*/*", Encoding.NDJSON),
        ("application/x-ndjson", Encoding.NDJSON),
        ("text/html", Encoding.NDJSON),
        ("application/vnd.tokenyard.placement.v1", Encoding.BINARY),
        ("Application/Vnd.Tokenyard.Placement.V1; q=0.9, */*;q=0.1", Encoding.BINARY),
        ("application/vnd.tokenyard.placement.v1, application/x-ndjson", Encoding.BINARY),
        ("application/vnd.tokenyard.placement.v1;q=0.2, application/x-ndjson", Encoding.NDJSON),
        ("application/vnd.tokenyard.placement.v1;q=0", Encoding.NDJSON),
        ("application/vnd.tokenyard.placement.v1;q=many", Encoding.NDJSON),
    ],
)
def test_accept(accept: str | None, encoding: Encoding) -> None:
    assert negotiate(accept) is encoding
