"""Bodies in whatever pieces they come: the same bytes and the same end, or the same refusal, wherever they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.http_body import MAX_SIZE_BYTES, Chunks, Length, NotHttpError

WHOLE = b"5\r\nup 1\n\r\n8;a=b\r\nup_to 2\n\r\n0\r\nX: y\r\n\r\n"
NEXT = b"GET / HTTP/1.1\r\n"


def read(body: Chunks | Length, data: bytes, cuts: list[int]) -> tuple[bytes, bool, bytes] | None:
    """What came, whether it is all, and what followed; None: refused. Nothing is read after the end."""
    bounds = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    came = b""
    try:
        for begin, end in pairwise(bounds):
            if begin < end:
                came += body.take(data[begin:end])
            if body.complete:
                return came, True, body.rest + data[end:]
    except NotHttpError:
        return None
    return came, False, body.rest


@pytest.mark.parametrize("strict", [True, False])
@given(cuts=st.lists(st.integers(0, 80), max_size=6))
def test_chunks_wherever_they_are_cut(strict: bool, cuts: list[int]) -> None:
    assert read(Chunks(strict=strict), WHOLE + NEXT, cuts) == (b"up 1\nup_to 2\n", True, NEXT)


@given(cuts=st.lists(st.integers(0, 30), max_size=4), length=st.integers(1, 20))
def test_a_length_wherever_it_is_cut(cuts: list[int], length: int) -> None:
    assert read(Length(length), b"x" * 20, cuts) == (b"x" * length, True, b"x" * (20 - length))


LOOSE = {
    "bare line feed after a size": WHOLE.replace(b"5\r\n", b"5\n"),
    "bare line feed after a chunk": WHOLE.replace(b"up 1\n\r\n", b"up 1\n\n"),
    "bare line feed at the end": WHOLE[:-2] + b"\n",
    "bare line feed after a trailer": WHOLE.replace(b"X: y\r\n", b"X: y\n"),
    "bare line feed after a long trailer": WHOLE.replace(b"X: y\r\n", b"X: " + b"y" * 200 + b"\n"),
    "carriage return in an extension": WHOLE.replace(b";a=b", b";a\rb"),
    "space after a size": WHOLE.replace(b"5\r\n", b"5 \r\n"),
    "long extension": WHOLE.replace(b";a=b", b";" + b"a" * MAX_SIZE_BYTES),
}


@pytest.mark.parametrize("case", LOOSE)
@given(cuts=st.lists(st.integers(0, 300), max_size=4))
def test_what_servers_may_write_and_clients_may_not(case: str, cuts: list[int]) -> None:
    found = read(Chunks(), LOOSE[case], cuts)
    assert found == (b"up 1\nup_to 2\n", True, b"")
    assert read(Chunks(strict=True), LOOSE[case], cuts) is None


@given(st.binary(max_size=60), st.sampled_from([b"", WHOLE]), st.booleans(), st.lists(st.integers(0, 90), max_size=4))
def test_any_bytes_are_the_same_at_any_cut(data: bytes, first: bytes, strict: bool, cuts: list[int]) -> None:
    mixed = first[: len(data)] + data + first[len(data) :]
    whole = read(Chunks(strict=strict), mixed, [])
    assert read(Chunks(strict=strict), mixed, cuts) == whole
    if whole is not None:
        strictly = read(Chunks(strict=True), mixed, [])
        assert strictly in (None, read(Chunks(), mixed, []))  # the strict reader understands nothing otherwise
