"""A reader that was cut off anywhere goes on with the next message, once; what it missed is known, or known not to be known."""

from collections.abc import Callable
from typing import Any

import pytest

from collectors.model.batch import Inventory, Part, Watermark
from collectors.wire.placement import BinaryDecoder, Decoder, JsonDecoder, PlacementError
from tests.wire.placement_encoder import frames, lines
from tests.wire.placement_plain import Plain, plain
from tests.wire.placement_vectors import DELIVERIES, HELLO, REQUESTS

Encode = Callable[[list[dict[str, Any]]], bytes]
GREETING = {**HELLO, "epoch": "e-1"}
both = pytest.mark.parametrize(("kind", "encode"), [(BinaryDecoder, frames), (JsonDecoder, lines)])


def mark(time_ns: int, seq: int) -> dict[str, Any]:
    return {"type": "watermark", "time_ns": time_ns, "seq": seq}


OPENING = [GREETING, mark(1, 7)]
NEXT = [REQUESTS, DELIVERIES, {"type": "something-new"}, mark(2, 11), DELIVERIES, mark(3, 13), GREETING, mark(4, 15)]
"""Messages 8 to 15."""


def without_inventories(parts: list[Part]) -> Plain:
    return plain(part for part in parts if not isinstance(part, Inventory))


@both
def test_cut_at_any_byte_it_goes_on_with_the_next_message(kind: type[Decoder], encode: Encode) -> None:
    opening, body = encode(OPENING), encode(NEXT)
    whole = kind()
    wanted = without_inventories(whole.feed(opening) + whole.feed(body))
    for cut in range(len(body) + 1):
        decoder = kind()
        parts = decoder.feed(opening) + decoder.feed(body[:cut])
        at = decoder.position
        assert at is not None
        for _ in range(2):  # one that brings nothing changes nothing
            decoder.disconnect()
            assert decoder.position == at
        resumed = encode([{**GREETING, "resumed_after": at.seq}])
        found = decoder.feed(resumed + encode(NEXT[at.seq - 7 :]))
        (inventory, *_) = (part for part in found if isinstance(part, Inventory))
        assert inventory.resumed
        assert without_inventories(parts + found) == wanted
        assert str(decoder.position) == "e-1/15"


@both
def test_a_server_that_does_not_number_is_read_as_ever(kind: type[Decoder], encode: Encode) -> None:
    decoder = kind()
    said = encode([HELLO, {"type": "watermark", "time_ns": 1}, REQUESTS, {"type": "watermark", "time_ns": 2}])
    for _ in range(2):
        parts = decoder.feed(said)
        assert decoder.position is None
        assert [part.missed for part in parts if isinstance(part, Watermark)] == [0, 0]
        assert not any(part.resumed for part in parts if isinstance(part, Inventory))
        decoder.disconnect()


@both
@pytest.mark.parametrize(("epoch", "missed"), [("e-1", 20 - 9), ("e-2", 0)])
def test_what_was_not_kept_is_counted_where_the_numbers_are_the_same(
    kind: type[Decoder], encode: Encode, epoch: str, missed: int
) -> None:
    decoder = kind()
    decoder.feed(encode([*OPENING, REQUESTS, DELIVERIES]))
    decoder.disconnect()
    parts = decoder.feed(encode([{**GREETING, "epoch": epoch}, REQUESTS, mark(5, 20), mark(6, 21)]))
    assert [part.missed for part in parts if isinstance(part, Watermark)] == [missed, 0]
    assert not any(part.resumed for part in parts if isinstance(part, Inventory))
    assert str(decoder.position) == f"{epoch}/21"


@both
def test_an_opening_that_was_cut_off_is_no_place_to_go_on_from(kind: type[Decoder], encode: Encode) -> None:
    decoder = kind()
    decoder.feed(encode(OPENING))
    decoder.disconnect()
    decoder.feed(encode([GREETING, REQUESTS]))
    decoder.disconnect()
    assert decoder.position is None
    parts = decoder.feed(encode([GREETING, REQUESTS, mark(5, 20)]))
    assert [part.missed for part in parts if isinstance(part, Watermark)] == [20 - 7]


@both
def test_a_number_that_jumps_says_what_is_missing(kind: type[Decoder], encode: Encode) -> None:
    parts = kind().feed(encode([*OPENING, REQUESTS, mark(2, 12)]))
    assert [part.missed for part in parts if isinstance(part, Watermark)] == [0, 3]


@both
@pytest.mark.parametrize(
    ("after", "complaint"),
    [
        ([REQUESTS, mark(2, 8)], "a watermark numbered 8 is message 9"),
        ([{**HELLO, "epoch": "e-2"}], "the epoch changes within a connection"),
        ([HELLO], "the epoch changes within a connection"),
    ],
)
def test_numbers_that_cannot_be(
    kind: type[Decoder], encode: Encode, after: list[dict[str, Any]], complaint: str
) -> None:
    decoder = kind()
    decoder.feed(encode(OPENING))
    with pytest.raises(PlacementError, match=complaint):
        decoder.feed(encode(after))


@both
@pytest.mark.parametrize("told", [{"resumed_after": 6}, {"resumed_after": 7, "epoch": "e-2"}])
def test_it_does_not_go_on_from_anywhere_else(kind: type[Decoder], encode: Encode, told: dict[str, Any]) -> None:
    decoder = kind()
    with pytest.raises(PlacementError, match="resumed after"):
        decoder.feed(encode([{**GREETING, "resumed_after": 7}]))
    decoder = kind()
    decoder.feed(encode(OPENING))
    decoder.disconnect()
    with pytest.raises(PlacementError, match="resumed after"):
        decoder.feed(encode([{**GREETING, **told}]))


@pytest.mark.parametrize("epoch", ["", "a b", "a\r\nX-Evil: 1", "é", "x" * 65])
def test_an_epoch_that_no_header_can_hold_is_none(epoch: str) -> None:
    decoder = JsonDecoder()
    decoder.feed(lines([{**HELLO, "epoch": epoch}, mark(1, 5)]))
    assert decoder.position is None
