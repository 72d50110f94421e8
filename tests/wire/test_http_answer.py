"""Responses in whatever pieces they come: the same head and body, or the same refusal, wherever they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.http_answer import MAX_HEAD_BYTES, MAX_HEADERS, AnswerReader, Head
from collectors.wire.http_body import NotHttpError

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b"up 1\nup_to 2\n"


class Taken:
    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.body = b""

    def head(self, head: Head) -> None:
        self.heads.append(head)

    def data(self, piece: bytes) -> None:
        assert self.heads
        assert piece
        self.body += piece


def read(data: bytes, cuts: list[int] | None = None, *, ends: bool = False) -> tuple[AnswerReader, Taken]:
    taken = Taken()
    reader = AnswerReader(taken)
    bounds = [0, *sorted({cut % (len(data) + 1) for cut in cuts or []}), len(data)]
    for begin, end in pairwise(bounds):
        if begin < end:
            reader.feed(data[begin:end])
    if ends:
        reader.end()
    return reader, taken


LENGTH = f"Content-Length: {len(BODY)}\r\n".encode()
WHOLE = {
    "length": (OK + LENGTH + b"\r\n" + BODY, True),
    "bare line feeds": (b"HTTP/1.1 200 OK\n" + LENGTH.replace(b"\r", b"") + b"\n" + BODY, True),
    "chunks": (CHUNKED + b"5\r\nup 1\n\r\n8\r\nup_to 2\n\r\n0\r\n\r\n", True),
    "chunks with extensions": (
        CHUNKED + b'005;a=b\r\nup 1\n\r\n8 ; x="' + b"y" * 99 + b'"\r\nup_to 2\n\r\n0\r\n\r\n',
        True,
    ),
    "chunks with trailers": (CHUNKED + b"D\r\n" + BODY + b"\r\n0\r\nExpires: never\r\nX: y\r\n\r\n", True),
    "interim responses": (
        b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 100\r\n\r\n" + OK + LENGTH + b"\r\n" + BODY,
        True,
    ),
    "of the old kind": (b"HTTP/1.0 200 OK\r\n" + LENGTH + b"\r\n" + BODY, False),
    "of the old kind, kept": (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" + LENGTH + b"\r\n" + BODY, True),
    "to be closed": (OK + b"connection: foo, CLOSE\r\n" + LENGTH + b"\r\n" + BODY, False),
}


@pytest.mark.parametrize("case", WHOLE)
@given(cuts=st.lists(st.integers(0, 400), max_size=8))
def test_a_response_is_the_same_wherever_it_is_cut(case: str, cuts: list[int]) -> None:
    data, persistent = WHOLE[case]
    reader, taken = read(data, cuts)
    assert (reader.complete, reader.persistent, taken.body) == (True, persistent, BODY)
    assert [head.status for head in taken.heads] == [200]


@pytest.mark.parametrize("case", WHOLE)
def test_it_is_complete_at_its_last_byte_and_no_sooner(case: str) -> None:
    data, _ = WHOLE[case]
    for end in range(len(data)):
        reader, _taken = read(data[:end], ends=True)
        assert not reader.complete
    with pytest.raises(NotHttpError):
        read(data + b"H")


def test_without_a_length_the_end_of_the_connection_is_the_end() -> None:
    reader, taken = read(OK + b"\r\n" + BODY)
    assert not reader.complete
    reader.end()
    assert (reader.complete, reader.persistent, taken.body) == (True, False, BODY)


@pytest.mark.parametrize("status", [101, 204, 304])
def test_some_have_no_body(status: int) -> None:
    reader, taken = read(b"HTTP/1.1 %d\r\nContent-Length: 5\r\n\r\n" % status)
    assert (reader.complete, taken.heads[0].status, taken.body) == (True, status, b"")


def test_headers_by_name() -> None:
    _, taken = read(OK + b"Content-Type:text/plain \r\nX-A: 1\r\nx-a: 2\r\nEmpty:\r\nOdd: \xff\xc3\xa9\r\n\r\n")
    assert taken.heads[0].headers == {"content-type": "text/plain", "x-a": "1", "empty": "", "odd": "\udcff\xe9"}


NOT_HTTP = {
    "other protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "first byte": b"h",
    "version": b"HTTP/2.0 200 OK\r\n\r\n",
    "status": b"HTTP/1.1 99 X\r\n\r\n",
    "no colon": OK + b"nonsense\r\n\r\n",
    "space in a name": OK + b"a b: c\r\n\r\n",
    "folded": OK + b"a: b\r\n c\r\n\r\n",
    "NUL": OK + b"a: b\0\r\n\r\n",
    "carriage return": OK + b"a: b\rc: d\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "length and chunks": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "negative length": OK + b"Content-Length: -1\r\n\r\n",
    "length in other digits": OK + "Content-Length: \u0661\r\n\r\n".encode(),
    "length of 20 digits": OK + b"Content-Length: %b\r\n\r\n" % (b"9" * 20),
    "other coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "long head": OK + b"X: " + b"y" * MAX_HEAD_BYTES,
    "long interim head": b"HTTP/1.1 100\r\nX: " + b"y" * MAX_HEAD_BYTES,
    "many headers": OK + b"X: y\r\n" * (MAX_HEADERS + 1) + b"\r\n",
    "more than the length": OK + b"Content-Length: 1\r\n\r\nab",
    "chunk of no size": CHUNKED + b"\r\n",
    "chunk of minus one": CHUNKED + b"-1\r\n",
    "chunk of 2^70": CHUNKED + b"4" + b"0" * 17 + b"\r\n",
    "chunk of a long size": CHUNKED + b"0" * 100 + b"1\r\n",
    "chunk that is too long": CHUNKED + b"1\r\nab\r\n",
    "long trailers": CHUNKED + b"0\r\n" + b"X: y\r\n" * (MAX_HEAD_BYTES // 6 + 1),
}


@pytest.mark.parametrize("case", NOT_HTTP)
@given(cuts=st.lists(st.integers(0, 100), max_size=3))
def test_what_is_no_response_is_refused_wherever_it_is_cut(case: str, cuts: list[int]) -> None:
    with pytest.raises(NotHttpError):
        read(NOT_HTTP[case], cuts)


@given(st.binary(max_size=200), st.sampled_from([b"", OK, CHUNKED]), st.lists(st.integers(0, 300), max_size=4))
def test_any_bytes_are_read_or_refused(data: bytes, first: bytes, cuts: list[int]) -> None:
    def outcome(cuts: list[int]) -> tuple[bool, bytes] | None:
        try:
            reader, taken = read(first + data, cuts, ends=True)
        except NotHttpError:
            return None
        return reader.complete, taken.body

    assert outcome(cuts) == outcome([])


def test_a_flood_of_interim_responses_is_passed_over_in_linear_time() -> None:
    held = AnswerReader(Taken())
    for _ in range(10):
        held.feed(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5_000)
    assert not held.headed
