"""Properties that both decoders have for every stream: nothing is lost or changed, however it is cut; nothing hostile does worse than `PlacementError`."""

from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.model.batch import Blocks, Deliveries, Occupancy, Part, Received, Requests
from collectors.wire.placement import Decoder, decoder_for
from collectors.wire.placement_binary import BinaryDecoder
from collectors.wire.placement_format import PlacementError
from collectors.wire.placement_json import JsonDecoder
from tests.wire.placement_encoder import Message, binary, frames, line, lines
from tests.wire.placement_plain import expected, plain
from tests.wire.placement_strategies import streams
from tests.wire.placement_vectors import DELIVERIES, EXTRAS, HELLO, MAX

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

BODIES: Final[dict[str, tuple[Callable[[], Decoder], Callable[[Sequence[Message]], bytes]]]] = {
    "binary": (BinaryDecoder, frames),
    "json": (JsonDecoder, lines),
}
encodings = pytest.mark.parametrize("encoding", BODIES)


def chunks(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    return [body[a:b] for a, b in pairwise(edges)]


@encodings
@quick
@given(messages=streams())
def test_round_trip(encoding: str, messages: list[dict[str, Any]]) -> None:
    decoder, encode = BODIES[encoding]
    assert plain(decoder().feed(encode(messages))) == expected(messages)


@encodings
@quick
@given(messages=streams(), data=st.data())
def test_any_cut_gives_the_same(encoding: str, messages: list[dict[str, Any]], data: st.DataObject) -> None:
    kind, encode = BODIES[encoding]
    body = encode(messages)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=20))
    decoder = kind()
    parts: list[Part] = []
    for chunk in chunks(body, cuts):
        parts += decoder.feed(chunk)
    assert plain(parts) == expected(messages)


@encodings
def test_one_byte_at_a_time(encoding: str) -> None:
    kind, encode = BODIES[encoding]
    messages = [HELLO, DELIVERIES, EXTRAS, {"type": "watermark", "time_ns": 5}]
    decoder = kind()
    parts = [part for byte in encode(messages) for part in decoder.feed(bytes([byte]))]
    assert plain(parts) == expected(messages)


@quick
@given(messages=streams())
def test_both_encodings_say_the_same(messages: list[dict[str, Any]]) -> None:
    assert plain(BinaryDecoder().feed(frames(messages))) == plain(JsonDecoder().feed(lines(messages)))


@encodings
@quick
@given(messages=streams(), data=st.data())
def test_damage_does_no_worse_than_placement_error(
    encoding: str, messages: list[dict[str, Any]], data: st.DataObject
) -> None:
    kind, encode = BODIES[encoding]
    body = bytearray(encode(messages))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.sampled_from(("set", "cut", "insert"))):
            case "set":
                body[at] = data.draw(st.integers(0, 255))
            case "cut":
                del body[at : at + data.draw(st.integers(1, 9))]
            case _:
                body[at:at] = data.draw(st.binary(max_size=9))
        if not body:
            return
    decoder = kind()
    try:
        for chunk in chunks(bytes(body), data.draw(st.lists(st.integers(0, len(body)), max_size=3))):
            for part in decoder.feed(chunk):
                check(part)
    except PlacementError:
        return


@encodings
@quick
@given(body=st.binary(max_size=200))
def test_noise_does_no_worse_than_placement_error(encoding: str, body: bytes) -> None:
    kind, encode = BODIES[encoding]
    decoder = kind()
    decoder.feed(encode([HELLO]))
    try:
        for part in decoder.feed(body) + decoder.feed(b"\n"):
            check(part)
    except PlacementError:
        return


def check(part: Part) -> None:
    """What every consumer may rely on."""
    if isinstance(part, Deliveries):
        assert len(part.rows)
        assert int(part.rows["extra"].sum()) == len(part.extras)
        assert part.rows["tier"].max() <= 7
        assert part.rows["stage"].max() <= 6
        assert part.rows["stream"].max() < 65536
        assert min(part.rows[name].min() for name in ("time_ns", "start_ns", "duration_ns")) >= 0
        arrays = [part.rows, part.extras]
    elif isinstance(part, Blocks | Occupancy):
        assert part.rows["time_ns"].min() >= 0
        arrays = [part.rows]
    else:
        return
    assert not any(array.flags.writeable for array in arrays)


@encodings
def test_arrays_do_not_change_with_what_is_fed_later(encoding: str) -> None:
    kind, encode = BODIES[encoding]
    decoder = kind()
    decoder.feed(encode([HELLO]))
    body = encode([DELIVERIES, EXTRAS])
    assert decoder.feed(body[:30]) == []
    parts = decoder.feed(body[30:-1]) + decoder.feed(body[-1:])
    kept = plain(parts)
    for size in range(1, 60):
        decoder.feed(encode([{**EXTRAS, "first_token": [9, 9, 9]}] * size))
    assert plain(parts) == kept == expected([DELIVERIES, EXTRAS])


@encodings
def test_neighbouring_deliveries_are_one_part(encoding: str) -> None:
    kind, encode = BODIES[encoding]
    parts = kind().feed(encode([HELLO, DELIVERIES, EXTRAS, DELIVERIES]))
    assert [type(part).__name__ for part in parts] == ["Inventory", "Deliveries"]


@encodings
def test_received_stays_before_its_deliveries(encoding: str) -> None:
    kind, encode = BODIES[encoding]
    received = {"event": "received", "time_ns": 1, "request": "r", "stream": 3}
    finished = {"event": "finished", "time_ns": 9, "request": "r", "reason": "stop"}
    again = [{"type": "requests", "rows": [received]}, DELIVERIES, {"type": "requests", "rows": [finished]}]
    parts = kind().feed(encode([HELLO, *again, *again]))
    assert [type(part).__name__ for part in parts[1:]] == ["Requests", "Deliveries", "Requests"] * 2


@encodings
def test_the_fault_is_placed_in_its_own_message(encoding: str) -> None:
    kind, encode = BODIES[encoding]
    wrong = {**DELIVERIES, "tokens": [1, 0]}
    body = encode([HELLO, DELIVERIES, {"type": "watermark", "time_ns": 5}, DELIVERIES])
    decoder = kind()
    decoder.feed(body[:100])
    with pytest.raises(PlacementError, match="row 1: tokens 0 is less than 1") as caught:
        decoder.feed(body[100:] + encode([wrong, DELIVERIES]))
    number = {"binary": "frame 4", "json": "line 5"}[encoding]
    assert caught.value.where == f"{number} at byte {len(body)}"


@encodings
def test_a_slot_is_known_only_from_its_hello_on(encoding: str) -> None:
    kind, encode = BODIES[encoding]
    later = {**HELLO, "workers": [{"slot": 1, "id": "late/0"}], "pools": []}
    early = {**DELIVERIES, "worker": [1, 1]}
    kind().feed(encode([HELLO, later, early, DELIVERIES]))
    with pytest.raises(PlacementError, match="worker 1 is not named"):
        kind().feed(encode([HELLO, early, later]))


@encodings
def test_the_hello_comes_first(encoding: str) -> None:
    kind, encode = BODIES[encoding]
    decoder = kind()
    assert decoder.feed(encode([{"type": "telemetry"}])) == []
    for message in (DELIVERIES, {"type": "watermark", "time_ns": 1}, {"type": "requests", "rows": []}):
        with pytest.raises(PlacementError, match="does not begin with a hello"):
            kind().feed(encode([message]))
    decoder.feed(encode([HELLO]))
    assert decoder.hello is not None
    assert decoder.hello.clock.kind == "virtual"


def test_requests_without_numbers_get_them_from_the_top() -> None:
    def requests(*rows: dict[str, Any]) -> dict[str, Any]:
        return {"type": "requests", "rows": list(rows)}

    def received(name: str) -> dict[str, Any]:
        return {"event": "received", "time_ns": 1, "request": name}

    finished = {"event": "finished", "time_ns": 9, "request": "a", "reason": "stop"}
    columns = {"type": "deliveries", "first_token": [0, 0], "tokens": [1, 1], "time_ns": [5, 6]}
    parts = JsonDecoder().feed(
        lines(
            [
                HELLO,
                requests(received("a"), received("b")),
                {**columns, "request": ["b", "a"]},
                requests(finished, received("c")),
                {**columns, "request": ["b", "c"]},
                requests(received("a")),
                {**columns, "request": ["a", "a"]},
            ]
        )
    )
    numbers: dict[str, int] = {}
    named = []
    for part in parts:
        if isinstance(part, Requests):
            numbers |= {row.request: row.stream for row in part.rows if isinstance(row, Received)}
        if isinstance(part, Deliveries):
            named.append([{number: name for name, number in numbers.items()}[n] for n in part.rows["stream"].tolist()])
    assert named == [["b", "a"], ["b", "c"], ["a", "a"]]
    assert min(numbers.values()) > 65_000


def test_numbers_come_back_when_all_were_used() -> None:
    decoder = JsonDecoder()
    decoder.feed(line(HELLO))
    received = ({"event": "received", "time_ns": 1, "request": f"r{i}"} for i in range(65_536 + 3))
    finished = ({"event": "finished", "time_ns": 1, "request": f"r{i}", "reason": "stop"} for i in range(65_536 + 3))
    rows = list(chain.from_iterable(zip(received, finished, strict=True)))
    streams = []
    for part in decoder.feed(
        lines({"type": "requests", "rows": rows[i : i + 8192]} for i in range(0, len(rows), 8192))
    ):
        assert isinstance(part, Requests)
        streams += [row.stream for row in part.rows if isinstance(row, Received)]
    assert sorted(streams[:65_536]) == list(range(65_536))
    assert streams[65_536:] == streams[:3]


@pytest.mark.parametrize(
    "rows",
    [
        [{"request": "a", "stream": 1}, {"request": "b"}],
        [{"request": "a"}, {"request": "b", "stream": 1}],
    ],
)
def test_all_requests_are_numbered_or_none(rows: list[dict[str, Any]]) -> None:
    message = {"type": "requests", "rows": [{"event": "received", "time_ns": 1, **row} for row in rows]}
    with pytest.raises(PlacementError, match="either all requests have a stream number or none"):
        JsonDecoder().feed(lines([HELLO, message]))


def test_names_are_made_safe() -> None:
    rows = [{"event": "received", "time_ns": 1, "request": "r\x1b[31m1", "stream": 1, "labels": ["a\u202eb"]}]
    parts = BinaryDecoder().feed(
        frames(
            [
                {**HELLO, "workers": [{"slot": 0, "id": "gpu\x1b]0;x\x07-0"}], "pools": []},
                {"type": "requests", "rows": rows},
            ]
        )
    )
    text = ascii(parts)
    assert "\\x1b" not in text
    assert "\\u202e" not in text
    assert "gpu-0" in text


def test_an_id_that_vanishes_when_made_safe_is_refused() -> None:
    with pytest.raises(PlacementError, match="without a visible character"):
        JsonDecoder().feed(line({**HELLO, "workers": [{"slot": 0, "id": "\u200b"}], "pools": []}))


def test_empty_lines_and_carriage_returns_are_passed_over() -> None:
    body = b"\n\r\n" + line(HELLO)[:-1] + b"\r\n\n" + line(DELIVERIES)
    decoder = JsonDecoder()
    assert plain(decoder.feed(body)) == expected([HELLO, DELIVERIES])
    assert decoder.skipped == 0


def test_times_beyond_doubles_are_exact() -> None:
    (_, part) = JsonDecoder().feed(lines([HELLO, {**DELIVERIES, "time_ns": [2**53 + 1, MAX]}]))
    assert isinstance(part, Deliveries)
    assert part.rows["time_ns"].tolist() == [2**53 + 1, MAX]
    assert part.rows["time_ns"].dtype == np.int64


def test_a_column_may_be_there_in_one_message_and_not_in_the_next() -> None:
    bare = {key: DELIVERIES[key] for key in ("type", "stream", "first_token", "tokens", "time_ns")}
    messages = [HELLO, bare, DELIVERIES, EXTRAS, bare]
    assert plain(JsonDecoder().feed(lines(messages))) == expected(messages)


def test_lengths_are_not_balanced_between_messages() -> None:
    short, long = {**DELIVERIES, "worker": [0]}, {**DELIVERIES, "worker": [0, 0, 0]}
    with pytest.raises(PlacementError, match=r"line 2 at byte .*column `worker` has 1 values, `time_ns` 2"):
        JsonDecoder().feed(lines([HELLO, short, long]))


def test_what_is_held_between_feeds_is_bounded() -> None:
    decoder = JsonDecoder()
    decoder.feed(line(HELLO))
    for _ in range(16):
        decoder.feed(b" " * 65_536)
    with pytest.raises(PlacementError, match="a line of more than 1048576 bytes"):
        decoder.feed(b" ")
    with pytest.raises(PlacementError, match="limit"):
        BinaryDecoder().feed(binary(HELLO) + b"\xff\xff\xff\x7f\x02\x01\x00\x00" + bytes(8))


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/vnd.tokenyard.placement.v1", BinaryDecoder),
        ("application/x-ndjson", JsonDecoder),
        ("Application/X-NDJSON; charset=utf-8", JsonDecoder),
    ],
)
def test_the_content_type_chooses_the_decoder(content_type: str, kind: type) -> None:
    assert isinstance(decoder_for(content_type), kind)


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "", "application/json"])
def test_another_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(PlacementError, match=r"content type .*expected application/vnd\.tokenyard\.placement\.v1"):
        decoder_for(content_type)
