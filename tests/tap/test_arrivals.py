"""The time of a read is when the event loop hands it over, not when somebody comes to take it."""

import asyncio
import time
from pathlib import Path

import aiohttp

from collectors.model.batch import Deliveries, Watermark
from collectors.tap.arrivals import Arrivals, StampedConnector
from collectors.tap.book import Book
from collectors.tap.readers import Reader
from collectors.wire.placement_json import JsonDecoder
from tests.loopback import Request, head, serving
from tests.tap.test_proxy import CHAT, END, EVENTS, TOKEN, around, until, value


class Ticks:
    """A clock that is one further each time it is asked."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 1
        return self.now


def oldest(arrivals: Arrivals) -> int | None:
    return arrivals.oldest_ns


async def test_reads_that_are_taken_together_keep_their_own_times() -> None:
    """This fails where aiohttp is made differently inside: then all times are those of taking."""
    go = asyncio.Event()

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head("Content-Length: 9") + b"ab")
        await go.wait()
        for piece in (b"cde", b"fghi"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)  # so that they are two reads

    clock = Ticks()
    async with (
        serving(handler) as server,
        aiohttp.ClientSession(connector=StampedConnector(clock)) as session,
        session.get(server.url) as response,
    ):
        arrivals = Arrivals(response)
        first = await response.content.readany()
        assert arrivals.taken(first, 99) == [(1, b"ab")]
        go.set()
        await until(lambda: response.content.total_bytes == 9)
        assert oldest(arrivals) == 2
        both = await response.content.readany()
        assert both == b"cdefghi"
        assert arrivals.taken(both[:1], 99) == [(2, b"c")]
        assert arrivals.taken(both[1:5], 99) == [(2, b"de"), (3, b"fg")]
        assert oldest(arrivals) == 3
        assert arrivals.taken(both[5:], 99) == [(3, b"hi")]


async def test_a_response_on_a_connection_that_was_used_before_has_times_of_its_own() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
        writer.close()

    clock = Ticks()
    async with await asyncio.start_server(handler, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with aiohttp.ClientSession(connector=StampedConnector(clock)) as session:
            for time_ns in (1, 2):
                async with session.get(url) as response:
                    assert Arrivals(response).taken(await response.content.readany(), 99) == [(time_ns, b"abc")]


async def test_what_a_slow_client_holds_up_is_timed_when_it_came_and_no_watermark_passes_it() -> None:
    held = asyncio.Event()
    big = b": " + b"x" * (1 << 20) + b"\n\n"

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(EVENTS) + TOKEN)
        while not held.is_set():
            writer.write(big)
            try:
                await asyncio.wait_for(writer.drain(), 0.3)
            except TimeoutError:
                held.set()
        writer.write(TOKEN + END)

    async with around(handler) as (_, tap, url):
        told = Reader(lambda: None)
        tap.readers.join(told, 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]), limit=1)
        writer.write(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
        await asyncio.wait_for(held.wait(), 20)
        before = time.monotonic_ns()
        assert tap.proxy.look() < before
        while await reader.read(1 << 20):
            pass
        writer.close()
        await until(lambda: value(tap, "requests_total", outcome="stop") == 1)
        tap.flush(anyhow=True)
        complete_ns, deliveries = 0, 0
        for part in JsonDecoder().feed(await told.take()):
            if isinstance(part, Watermark):
                assert part.time_ns >= complete_ns
                complete_ns = part.time_ns
            elif isinstance(part, Deliveries):
                deliveries += len(part.rows)
                assert part.rows["time_ns"].min() >= complete_ns
        assert deliveries >= 2
        assert complete_ns >= before


def test_a_book_says_no_more_than_what_it_is_complete_to() -> None:
    book, decoder = Book("clock"), JsonDecoder()
    decoder.feed(book.opening(0))
    assert [part for part in decoder.feed(book.take(9, 7)) if isinstance(part, Watermark)] == [Watermark(7)]
    late = JsonDecoder()
    assert [part for part in late.feed(book.opening(10)) if isinstance(part, Watermark)] == [Watermark(7)]


def test_only_one_module_builds_on_the_insides_of_aiohttp() -> None:
    sources = Path(__file__).parents[2].glob("collectors/tap/*.py")
    assert [path.name for path in sources if "_factory" in path.read_text()] == ["arrivals.py"]
