"""The servers over real sockets on loopback, around a cluster that simulates nothing."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from emulators.doors import ServeError
from emulators.emulation import SLICE_NS, ClockKind, Emulation
from emulators.events import Row
from emulators.server import Addresses, listening, run
from emulators.wire import BINARY_TYPE, NDJSON_TYPE
from tests.emulators.fake import MS, FakeCluster

DEADLINE_S = 20.0


class Client:
    """A client of one running emulator."""

    def __init__(self, emulation: Emulation, addresses: Addresses, http: aiohttp.ClientSession) -> None:
        self.emulation = emulation
        self.addresses = addresses
        self.http = http
        self.router: str = addresses["router"]

    async def get(self, path: str) -> Row:
        async with self.http.get(self.router + path) as response:
            assert response.status == 200
            assert response.content_type == "application/json"
            body: Row = json.loads(await response.read())
            return body

    async def advance(self, body: object, status: int = 200) -> Row:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(f"{self.router}/clock/advance", data=data) as response:
            assert response.status == status
            assert response.content_type == "application/json"
            answer: Row = json.loads(await response.read())
            return answer

    @asynccontextmanager
    async def stream(self, accept: str | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self.http.get(
            f"{self.router}/placement/v1/stream", headers={"Accept": accept} if accept else {}
        ) as response:
            yield response


@asynccontextmanager
async def emulator(
    cluster: FakeCluster | None = None, *, clock: ClockKind = "stepped", backlog_bytes: int = 1 << 22
) -> AsyncIterator[Client]:
    emulation = Emulation(cluster or FakeCluster(), clock=clock, clock_id="fake/0", backlog_bytes=backlog_bytes)
    stop = asyncio.Event()
    async with asyncio.timeout(DEADLINE_S), listening(emulation, 0) as addresses, aiohttp.ClientSession() as http:
        running = asyncio.create_task(run(emulation, speed=1.0, stop=stop))
        try:
            yield Client(emulation, addresses, http)
        finally:
            stop.set()
            await running


async def read_until(response: aiohttp.ClientResponse, time_ns: int) -> list[Row]:
    """The messages of an NDJSON stream up to the watermark of `time_ns`."""
    messages: list[Row] = []
    async for line in response.content:
        messages.append(json.loads(line))
        if messages[-1]["type"] == "watermark" and messages[-1]["time_ns"] == time_ns:
            return messages
    raise AssertionError("the stream ended")


async def test_every_worker_has_its_own_page_and_the_router_says_what_it_offers() -> None:
    async with emulator() as client:
        workers = client.addresses["workers"]
        assert [worker["id"] for worker in workers] == ["gpu-0/0", "lpu-0/0"]
        for worker in workers:
            async with client.http.get(worker["url"]) as response:
                page = await response.text()
                assert response.headers["Content-Type"].startswith("text/plain; version=")
            assert "tokenyard_emulated 1.0" in page
            assert f'worker="{worker["id"]}"' in page
        async with client.http.get(f"{client.router}/metrics") as response:
            assert "tokenyard_emulated 1.0" in await response.text()
        index = await client.get("/")
        assert index["emulated"] is True
        assert "GET /placement/v1/stream" in index["endpoints"]
        assert "POST /clock/advance" in index["endpoints"]


async def test_only_loopback_listens() -> None:
    async with emulator() as client:
        urls = [client.router, *(worker["url"] for worker in client.addresses["workers"])]
        assert all(url.startswith("http://127.0.0.1:") for url in urls)
        assert len(set(urls)) == 3


@pytest.mark.parametrize(
    ("accept", "expected"), [(None, NDJSON_TYPE), ("text/html", NDJSON_TYPE), (BINARY_TYPE, BINARY_TYPE)]
)
async def test_the_stream_is_in_the_encoding_that_was_asked_for(accept: str | None, expected: str) -> None:
    async with emulator() as client, client.stream(accept) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == expected
        start = await response.content.readexactly(20)
        assert start.startswith(b'{"type":"hello"') if expected == NDJSON_TYPE else start[4] == 1


async def test_by_the_answer_everything_is_on_its_way_to_every_reader() -> None:
    async with emulator() as client, client.stream() as one, client.stream() as two:
        assert await client.advance({"until_ns": 200 * MS}) == {"now_ns": 200 * MS}
        first, second = await read_until(one, 200 * MS), await read_until(two, 200 * MS)
        assert first == second
        tokens = sum(sum(message["tokens"]) for message in first if message["type"] == "deliveries")
        assert tokens == (await client.get("/truth"))["tokens"] > 0
        assert await client.get("/clock") == {"now_ns": 200 * MS, "kind": "virtual", "clock": "stepped"}


async def test_a_late_reader_sees_the_living_and_then_the_rest() -> None:
    async with emulator() as client:
        await client.advance({"until_ns": 42 * MS})
        async with client.stream() as late:
            opening = await read_until(late, 42 * MS)
            assert [message["type"] for message in opening] == ["hello", "requests", "occupancy", "watermark"]
            assert [row["request"] for row in opening[1]["rows"]] == ["r-2", "r-3", "r-4"]
            await client.advance({"until_ns": 60 * MS})
            rest = await read_until(late, 60 * MS)
            assert (
                min(time for message in rest if message["type"] == "deliveries" for time in message["time_ns"])
                == 42 * MS
            )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "until_ns"),
        (b"not json", "until_ns"),
        (b"\xff\xfe", "until_ns"),
        (b"[]", "until_ns"),
        ({}, "until_ns"),
        ({"until_ns": "5"}, "until_ns"),
        ({"until_ns": 1.5}, "until_ns"),
        ({"until_ns": 5, "and": 6}, "and"),
        ({"until_ns": 10**40}, "in steps"),
        ({"until_ns": -1}, "cannot go back"),
        ({"until_ns": 49 * MS}, "cannot go back"),
        ({"until_ns": 10**18}, "in steps"),
        (b'{"until_ns": 5}' + b" " * 10_000, "4096 bytes"),
    ],
)
async def test_a_wrong_advance_is_refused_with_the_reason(body: object, says: str) -> None:
    async with emulator() as client:
        await client.advance({"until_ns": 50 * MS})
        answer = await client.advance(body, status=400)
        assert says in answer["error"]
        assert client.emulation.cluster.now_ns == 50 * MS


async def test_a_paced_clock_moves_by_itself_and_not_by_hand() -> None:
    async with emulator(clock="paced") as client, client.stream() as response:
        answer = await client.advance({"until_ns": 10**9}, status=409)
        assert "--clock stepped" in answer["error"]
        marks: list[int] = []
        while len(marks) < 5:
            message = json.loads(await response.content.readline())
            if message["type"] == "watermark":
                marks.append(message["time_ns"])
        assert marks == sorted(marks)
        assert marks[-1] > marks[0]


async def test_other_requests_are_answered_during_a_long_advance() -> None:
    async with emulator() as client:
        advancing = asyncio.create_task(client.advance({"until_ns": 2_000 * SLICE_NS}))
        seen = 0
        while not 0 < seen < 2_000 * SLICE_NS:
            seen = (await client.get("/clock"))["now_ns"]
        assert not advancing.done()
        assert await advancing == {"now_ns": 2_000 * SLICE_NS}


async def test_a_client_that_does_not_read_is_cut_and_the_emulation_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async with emulator(FakeCluster(tokens_per_ms=2_000), backlog_bytes=1 << 20) as client:
        port = int(client.router.rpartition(":")[2])
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            slow.connect(("127.0.0.1", port))
            slow.sendall(f"GET /placement/v1/stream HTTP/1.1\r\nHost: x\r\nAccept: {BINARY_TYPE}\r\n\r\n".encode())
            until_ns = 0
            while not caplog.messages:
                until_ns += SLICE_NS
                await client.advance({"until_ns": until_ns})
            assert "cut" in caplog.messages[0]
            assert str(slow.getsockname()[1]) in caplog.messages[0]
            assert client.emulation.stream.readers == 0
        async with client.stream() as other:
            await client.advance({"until_ns": until_ns + MS})
            await read_until(other, until_ns + MS)


async def test_a_client_that_goes_away_is_forgotten() -> None:
    async with emulator() as client:
        async with client.stream() as response:
            await response.content.readline()
            assert client.emulation.stream.readers == 1
        while client.emulation.stream.readers:
            await client.advance({"until_ns": client.emulation.cluster.now_ns + MS})


async def test_a_silent_stream_has_a_heartbeat() -> None:
    async with emulator() as client, client.stream() as response:
        await read_until(response, 0)
        beat = json.loads(await response.content.readline())
        assert (beat["type"], beat["time_ns"]) == ("watermark", 0)


async def test_stopping_ends_the_streams() -> None:
    async with emulator() as client:
        response = await client.http.get(f"{client.router}/placement/v1/stream")
        await read_until(response, 0)
    assert client.emulation.stream.readers == 0


def two_ports() -> tuple[socket.socket, socket.socket]:
    """Listeners on adjacent ports, lower first."""
    while True:
        upper = socket.create_server(("127.0.0.1", 0))
        try:
            return socket.create_server(("127.0.0.1", upper.getsockname()[1] - 1)), upper
        except OSError:
            upper.close()


async def test_a_port_in_use_is_a_clear_error_and_leaves_nothing_behind() -> None:
    lower, upper = two_ports()
    with lower, upper:
        port = lower.getsockname()[1]
        emulation = Emulation(FakeCluster(), clock="stepped", clock_id="fake/0")
        with pytest.raises(ServeError, match=f"port {port} of 127.0.0.1 is in use"):
            async with listening(emulation, port):
                pass
        # Now the router's port is free and that of the first worker is not: the router must not go on listening.
        lower.close()
        with pytest.raises(ServeError, match=f"port {port + 1} of 127.0.0.1 is in use"):
            async with listening(emulation, port):
                pass
        with socket.create_server(("127.0.0.1", port)):
            pass


async def test_ports_beyond_the_last_are_a_clear_error() -> None:
    with pytest.raises(ServeError, match="3 ports from 65534"):
        async with listening(Emulation(FakeCluster(), clock="stepped", clock_id="fake/0"), 65_534):
            pass


async def test_a_simulation_that_breaks_ends_the_run_with_its_error() -> None:
    emulation = Emulation(FakeCluster(fail_at_ns=50 * MS), clock="paced", clock_id="fake/0")
    with pytest.raises(RuntimeError, match="the simulation broke"):
        async with asyncio.timeout(DEADLINE_S):
            await run(emulation, speed=10.0, stop=asyncio.Event())
