"""The collectors' own encoder of the placement stream: held to the document's vectors, and to the limit of a message."""

import json
from typing import Any

import pytest

from collectors.model.batch import Deliveries
from collectors.wire import placement_write as write
from collectors.wire.placement_format import MAX_MESSAGE
from collectors.wire.placement_json import JsonDecoder
from tests.wire import placement_vectors

VECTORS: list[dict[str, Any]] = [
    vector["message"]
    for vector in json.loads(placement_vectors.PATH.read_text(encoding="utf-8"))["vectors"]
    if not vector.get("decode_only") and vector["message"].get("time_ns") != []
]


def written(message: dict[str, Any]) -> bytes:
    if "rows" in message:
        return write.rows(message["type"], message["rows"])
    if isinstance(message.get("time_ns"), list) and "extra" not in message:
        return write.columns(message["type"], {name: value for name, value in message.items() if name != "type"})
    return write.line(message)


@pytest.mark.parametrize("message", VECTORS, ids=lambda message: message["type"])
def test_it_writes_the_vectors_message(message: dict[str, Any]) -> None:
    assert json.loads(written(message)) == message


def test_a_hello_and_a_watermark_are_read_as_they_were_meant() -> None:
    decoder = JsonDecoder()
    workers = [{"slot": 0, "id": "w"}]
    decoder.feed(
        write.line(
            write.hello(producer="p", emulated=False, clock_id="c", now_ns=7, workers=workers, more={"measured": True})
        )
    )
    assert decoder.hello is not None
    assert (decoder.hello.clock.kind, decoder.hello.clock.now_ns, decoder.hello.measured) == ("monotonic", 7, True)
    assert write.watermark(9, 3) == {"type": "watermark", "time_ns": 9, "seq": 3}


def test_what_does_not_fit_is_written_as_several() -> None:
    count = 60_000
    columns = {
        "stream": [0] * count,
        "first_token": list(range(count)),
        "tokens": [1] * count,
        "time_ns": [2**60] * count,
    }
    lines = write.columns("deliveries", columns)
    assert max(map(len, lines.split(b"\n"))) <= MAX_MESSAGE
    decoder = JsonDecoder()
    decoder.feed(
        write.line(placement_vectors.HELLO)
        + write.rows("requests", [{"event": "received", "time_ns": 0, "request": "r", "stream": 0}])
    )
    parts = [part for part in decoder.feed(lines) if isinstance(part, Deliveries)]
    assert [first for part in parts for first in part.rows["first_token"].tolist()] == list(range(count))


def test_one_row_over_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        write.rows("requests", [{"event": "finished", "request": "r", "reason": "x" * MAX_MESSAGE}])
