"""The time of a read is when the event loop hands it over, not when somebody comes to take it."""

import asyncio
import threading
import time
from collections.abc import Sequence

import aiohttp
import pytest

from collectors.exchanges.book import Book
from collectors.model.batch import Deliveries, Watermark
from collectors.tap.client import Client
from collectors.tap.measuring import Measuring
from collectors.tap.readers import Reader
from collectors.tap.turns import Turns
from collectors.wire.http_answer import Head
from collectors.wire.placement_json import JsonDecoder
from tests.loopback import Request, head
from tests.tap.test_proxy import CHAT, END, EVENTS, TOKEN, around, until, value


async def test_reads_of_one_turn_are_timed_before_any_is_passed_on_and_looked_at_after_all_are() -> None:
    turns, done = Turns(), list[str]()

    class Reading:
        def __init__(self, name: str) -> None:
            self.name = name

        def read(self) -> None:
            done.append(f"read {self.name}")
            turns.add(self)

        def pass_on(self) -> None:
            done.append(f"pass {self.name}")

        def look(self) -> None:
            done.append(f"look {self.name}")

    loop = asyncio.get_running_loop()
    for name in "ab":
        loop.call_soon(Reading(name).read)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done == ["read a", "read b", "pass a", "pass b", "look a", "look b"]


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


async def test_a_head_that_comes_alone_is_looked_at_after_what_follows_it_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    send, look = Client.send, Measuring.look

    def sent(self: Client, data: bytes) -> None:
        done.append("pass")
        send(self, data)

    def looked(self: Measuring, head: Head | None, came: Sequence[tuple[int, bytes]]) -> None:
        done.append("look" if head is None else "look at the head")
        look(self, head, came)

    monkeypatch.setattr(Client, "send", sent)
    monkeypatch.setattr(Measuring, "look", looked)

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(EVENTS))
        await asyncio.sleep(0.02)
        writer.write(TOKEN)
        await asyncio.sleep(0.02)
        writer.write(END)

    async with around(handler) as (_, _, url), aiohttp.ClientSession() as session, session.post(url + CHAT) as answer:
        assert (await answer.read()).startswith(TOKEN)
    assert done[:3] == ["pass", "pass", "look at the head"]


async def test_while_the_page_of_metrics_is_made_requests_are_passed_on() -> None:
    begun, go = threading.Event(), threading.Event()

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(EVENTS) + TOKEN + END)

    async with around(handler) as (_, tap, url), aiohttp.ClientSession() as session:
        make = tap.meters.page

        def slowly() -> bytes:
            begun.set()
            go.wait(20)
            return make()

        tap.meters.page = slowly  # type: ignore[method-assign]
        page = asyncio.create_task(session.get(f"{url}/metrics"))
        await until(begun.is_set)
        async with asyncio.timeout(20), session.post(url + CHAT) as answer:
            assert (await answer.read()).startswith(TOKEN)
        assert not page.done()
        go.set()
        async with asyncio.timeout(20), await page as answer:
            assert b"tokenyard_tap_requests_total" in await answer.read()


async def test_a_page_of_metrics_that_cannot_be_made_ends_its_connection_and_no_other() -> None:
    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(EVENTS) + TOKEN + END)

    def broken() -> bytes:
        raise ZeroDivisionError

    async with around(handler) as (_, tap, url), aiohttp.ClientSession() as session:
        tap.meters.page = broken  # type: ignore[method-assign]
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"{url}/metrics")
        async with session.post(url + CHAT) as answer:
            assert (await answer.read()).startswith(TOKEN)
