"""Server-sent events: the same ones at whatever byte the stream is cut, and no more kept than the limit."""

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.sse import Event, EventSplitter

LINES = st.sampled_from(
    [b"data: a", b"data:b", b"data", b"data:  two", b": ping", b":", b"event: error", b"id: 7", b"", b"retry: 1", b"x\xff:y", b"da"]
)  # fmt: skip
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r", b"\r\n"]))).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


def events(*chunks: bytes, max_event: int = 1 << 20) -> list[Event]:
    splitter = EventSplitter(max_event)
    return [event for chunk in chunks for event in splitter.feed(chunk)]


def data(*chunks: bytes) -> list[bytes | None]:
    return [event.data for event in events(*chunks)]


def by_the_standard(stream: bytes) -> list[Event]:
    """Line by line over the whole, written from the standard's text."""
    found, lines, name = [], list[bytes](), b""
    whole = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in whole.split(b"\n")[:-1]:
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if line == b"":
            if lines:
                found.append(Event(b"\n".join(lines), name))
            lines, name = [], b""
        elif field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value
    return found


@given(STREAMS)
def test_every_single_cut_gives_the_events_of_the_standard(stream: bytes) -> None:
    right = by_the_standard(stream)
    for cut in range(len(stream) + 1):
        assert events(stream[:cut], stream[cut:]) == right


@given(STREAMS, st.lists(st.integers(0, 200)))
def test_any_cuts_give_the_same_events_and_the_same_comments(stream: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    whole, cut = EventSplitter(), EventSplitter()
    right = whole.feed(stream)
    assert [e for i, j in itertools.pairwise(edges) for e in cut.feed(stream[i:j])] == right
    assert (cut.comments, cut.torn) == (whole.comments, whole.torn)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_byte_by_byte(end: bytes) -> None:
    stream = b"\xef\xbb\xbfdata: {1}" + end + end + b": keep-alive" + end + end + b"data: [DONE]" + end + end
    assert data(*(stream[i : i + 1] for i in range(len(stream)))) == [b"{1}", b"[DONE]"]


def test_an_event_is_there_with_the_byte_that_ends_it() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\r\n") == []
    assert splitter.feed(b"\r") == [Event(b"1")]
    assert splitter.feed(b"\n") == []
    assert not splitter.torn


def test_what_has_no_end_is_torn_and_no_event() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: half") == []
    assert splitter.torn


def test_a_name_goes_with_its_event_only() -> None:
    assert events(b"event: error\ndata: x\n\ndata: y\n\n") == [Event(b"x", b"error"), Event(b"y")]


def test_a_line_of_100_mb_is_one_event_that_is_not_kept() -> None:
    piece = b"x" * (1 << 20)
    splitter = EventSplitter()
    assert splitter.feed(b"data: ") == []
    tracemalloc.start()
    for _ in range(100):
        assert splitter.feed(piece) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert splitter.feed(b"\n\ndata: next\n\n") == [Event(None), Event(b"next")]
    assert peak < 8 << 20


@pytest.mark.parametrize("size", range(28, 36))
def test_the_limit_does_not_depend_on_the_cut(size: int) -> None:
    stream = b"data:" + b"y" * size + b"\n\n"
    right = [Event(b"y" * size if size <= 32 else None)]
    for cut in range(len(stream)):
        assert events(stream[:cut], stream[cut:], max_event=32) == right


def test_many_lines_of_one_event_have_the_limit_of_one() -> None:
    assert events(b"data: 123456789\n" * 8 + b"\n", max_event=32) == [Event(None)]


def test_a_comment_over_the_limit_is_still_a_comment() -> None:
    splitter = EventSplitter(32)
    assert [splitter.feed(piece) for piece in (b": " + b"z" * 50, b"z\n", b"data: a\n\n")] == [[], [], [Event(b"a")]]
    assert splitter.comments == 1
