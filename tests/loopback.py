"""Servers on loopback that say exactly the bytes a test wants, faults included."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field

Handler = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Request:
    line: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return self.line.split(" ")[1]


@dataclass
class Server:
    """`url` without a path; `requests` in the order in which they came, the first of which sets `asked`."""

    port: int
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def serving(handler: Handler, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """One request a connection; the connection ends with the handler, and the handler with the server."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            named = (line.split(": ", 1) for line in head[1:] if line)
            request = Request(head[0], {name.lower(): value for name, value in named})
            server.requests.append(request)
            server.asked.set()
            await handler(request, writer)
            await writer.drain()
        writer.close()
        tasks.discard(task)

    listening = await asyncio.start_server(connected, "127.0.0.1", port, ssl=tls)
    server = Server(listening.sockets[0].getsockname()[1], "https" if tls else "http")
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def head(*headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *headers, "", ""]).encode()


def page(body: bytes, *headers: str, status: str = "200 OK", kind: str = "text/plain; version=0.0.4") -> bytes:
    """A whole response with a length."""
    return head(f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers, status=status) + body


def says(data: bytes, *, then_hangs: bool = False) -> Handler:
    """Answers any request with these bytes, then closes, or never does."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        if then_hangs:
            await writer.drain()
            await asyncio.Event().wait()

    return handler


def says_in_turn(answers: Iterable[bytes]) -> Handler:
    """Another answer for each request; the last one again and again."""
    left = list(answers)

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return handler


def by_path(**handlers: Handler) -> Handler:
    """Keywords are last parts of paths; any other path is 404."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        chosen = handlers.get(request.path.rpartition("/")[2], says(page(b"no\n", status="404 Not Found")))
        await chosen(request, writer)

    return handler


def drips(data: bytes, every_s: float) -> Handler:
    """Says `data` again and again, without an end."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head("Content-Type: text/plain"))
        while True:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(every_s)

    return handler


async def unused_port() -> int:
    """A port that nobody listens on."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
