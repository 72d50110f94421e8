"""Following a response that does not end; waiting between failures; decompressing in pieces."""

import asyncio
import contextlib
import errno
import gzip
import socket
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.vocabulary import TargetStatus
from collectors.wire.decoding import PIECE, ContentError, decoder
from collectors.wire.fault import broken_off
from collectors.wire.http import Backoff, FetchError, HttpClient, Stream
from collectors.wire.limits import Limits
from tests.loopback import Handler, Request, head, page, says, serving

NDJSON = "application/x-ndjson"
QUICK = Limits(idle_s=0.5, total_s=1.0, connect_s=0.5)


@contextlib.asynccontextmanager
async def following(handler: Handler, limits: Limits = QUICK) -> AsyncIterator[Stream]:
    async with (
        serving(handler) as server,
        HttpClient(limits) as client,
        client.stream(server.url, accept="*/*") as stream,
    ):
        yield stream


async def collect(stream: Stream, seen: list[bytes]) -> None:
    async for data in stream:
        seen.append(data)  # noqa: PERF401  what came before a fault counts


async def test_bytes_are_handed_over_as_they_come() -> None:
    taken = asyncio.Queue[None]()

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(f"Content-Type: {NDJSON}; charset=utf-8"))
        for line in (b"one\n", b"two\n"):
            writer.write(line)
            await taken.get()  # the next only after this one has arrived

    seen = []
    async with serving(handler) as server, HttpClient() as client, client.stream(server.url, accept=NDJSON) as stream:
        assert stream.content_type == NDJSON
        async for data in stream:
            seen.append(data)
            taken.put_nowait(None)
    assert seen == [b"one\n", b"two\n"]
    assert server.requests[0].headers["accept"] == NDJSON


async def test_a_compressed_stream_is_decompressed_as_it_comes() -> None:
    coder = zlib.compressobj(wbits=31)
    first = coder.compress(b"one\n") + coder.flush(zlib.Z_SYNC_FLUSH)
    answer = head("Content-Encoding: gzip") + first
    async with following(says(answer, then_hangs=True)) as stream:
        assert stream.content_type == ""
        assert await anext(aiter(stream)) == b"one\n"


async def test_a_stream_has_no_total_deadline_but_an_idle_one() -> None:
    steps = 30

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head("Content-Type: text/plain"))
        for _ in range(steps):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)
        await asyncio.Event().wait()

    seen: list[bytes] = []
    async with following(handler, Limits(idle_s=0.5, total_s=0.3, connect_s=0.2)) as stream:
        with pytest.raises(FetchError, match=r"^timeout reading$"):
            await collect(stream, seen)
    assert b"".join(seen) == b"x" * steps


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page(b"", status="404 Not Found"), "http 404"),
        (b"", "closed without an answer"),
        (head("Location: http://127.0.0.2/", status="302 Found"), "redirect to another origin"),
    ],
)
async def test_no_stream_without_a_good_answer(answer: bytes, reason: str) -> None:
    async with serving(says(answer)) as server, HttpClient(QUICK) as client:
        with pytest.raises(FetchError) as caught:
            async with client.stream(server.url, accept=NDJSON):
                pytest.fail("there is no stream")
    assert caught.value.reason == reason


async def test_a_stream_that_breaks_off() -> None:
    answer = head("Transfer-Encoding: chunked") + b"4\r\none\n\r\n"
    seen: list[bytes] = []
    async with following(says(answer)) as stream:
        with pytest.raises(FetchError, match=r"^truncated$"):
            await collect(stream, seen)
    assert seen == [b"one\n"]


def resets(data: bytes) -> Handler:
    """Says these bytes, and then the connection is no more."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return handler


@pytest.mark.parametrize(
    ("data", "follow", "reason"),
    [
        (b"", False, "closed without an answer: reset"),
        (b"", True, "closed without an answer: reset"),
        (head("Content-Length: 99") + b"one\n", False, "truncated: reset"),
        (head("Content-Length: 99") + b"one\n", True, "truncated"),
    ],
)
async def test_a_connection_that_was_reset_is_told_from_one_that_was_closed(
    data: bytes, follow: bool, reason: str
) -> None:
    async def followed() -> None:
        async with client.stream(server.url, accept=NDJSON) as stream:
            await collect(stream, [])

    async with serving(resets(data)) as server, HttpClient(QUICK) as client:
        with pytest.raises(FetchError) as caught:
            await (followed() if follow else client.get(server.url))
    assert (caught.value.reason, caught.value.status) == (reason, TargetStatus.DOWN)


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (None, ""),
        (ConnectionError(), ""),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), ": reset"),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), ": connection timed out"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), ": unreachable"),
        (ssl.SSLError(1, "bad record mac"), ": tls broke off"),
    ],
)
def test_how_an_answer_was_broken_off_is_said_where_it_is_known(error: Exception | None, how: str) -> None:
    assert broken_off(error, headed=False).reason == f"closed without an answer{how}"
    assert broken_off(error, headed=True).reason == f"truncated{how}"


async def test_the_reader_s_own_errors_stay_its_own() -> None:
    async with serving(says(head() + b"x", then_hangs=True)) as server, HttpClient(QUICK) as client:
        with pytest.raises(UnicodeDecodeError):
            async with client.stream(server.url, accept=NDJSON):
                b"\xff".decode()


@given(st.text(), st.floats(0.01, 60.0), st.integers(1, 80))
def test_backoff_doubles_up_to_its_longest(seed: str, first_s: float, failures: int) -> None:
    backoff, again = Backoff(seed, first_s), Backoff(seed, first_s)
    waits = [backoff.next_s() for _ in range(failures)]
    assert waits == [again.next_s() for _ in range(failures)]
    for number, wait in enumerate(waits):
        full = min(first_s * 2.0**number, 30.0)
        assert full / 2 * 0.999 <= wait <= full * 1.001
    backoff.reset()
    assert backoff.next_s() <= min(first_s, 30.0)


def test_backoff_spreads_those_that_failed_together() -> None:
    waits = {Backoff(f"gpu-{number}:8000", 1.0).next_s() for number in range(100)}
    assert len(waits) == 100


CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "deflate": lambda data: zlib.compress(data, 1),
    "identity": lambda data: data,
}


@given(st.sampled_from(sorted(CODERS)), st.binary(max_size=2_000), st.integers(1, 400), st.lists(st.integers(0, 5_000)))
def test_decoding_does_not_depend_on_how_the_data_is_cut(name: str, data: bytes, times: int, cuts: list[int]) -> None:
    data *= times
    coded = CODERS[name](data)
    edges = sorted({0, len(coded), *(cut for cut in cuts if cut < len(coded))})
    decode = decoder(name)
    pieces = [piece for start, end in pairwise(edges) for piece in decode.feed(coded[start:end])]
    decode.finish()
    assert b"".join(pieces) == data
    if name != "identity":
        assert all(len(piece) <= PIECE for piece in pieces)


@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(name: str, data: bytes) -> None:
    decode = decoder(name)
    try:
        b"".join(decode.feed(data))
        decode.finish()
    except ContentError as error:
        assert name in str(error)  # noqa: PT017  either outcome is right


def test_what_comes_is_at_most_a_piece_ahead() -> None:
    pieces = decoder("gzip").feed(gzip.compress(bytes(64 << 20), 1))
    assert [len(next(pieces)) for _ in range(4)] == [PIECE] * 4


def test_a_wait_can_be_shorter_this_time() -> None:
    backoff = Backoff("gpu-0:8000", 1.0)
    assert all(backoff.next_s(5.0) <= 5.0 for _ in range(20))
    assert max(backoff.next_s() for _ in range(20)) > 5.0
