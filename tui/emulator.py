"""The emulator as a child process: started for a demo, watched over loopback like any back end, gone when we are gone."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import click
import msgspec

from collectors.sources.detect import open_target
from collectors.sources.source import Source
from collectors.wire.http import HttpClient
from tui.child import Child, emulating

STOP_TIMEOUT_S: Final = 3.0


class Worker(msgspec.Struct, frozen=True):
    id: str
    url: str


class Addresses(msgspec.Struct, frozen=True):
    """What `tokenyard emulate` prints when it listens."""

    router: str
    workers: tuple[Worker, ...]


class Emulator:
    """`async with Emulator("default", seed=7, clock="stepped") as emulator`: its addresses, and its clock when stepped."""

    def __init__(
        self, scenario: str, *, seed: int, clock: str, faults: Sequence[str] = (), child: Child | None = None
    ) -> None:
        """`child`: one that has begun already."""
        self._child = child or emulating(scenario, seed=seed, clock=clock, faults=faults)
        self._http: aiohttp.ClientSession | None = None
        self.addresses = Addresses("", ())

    async def __aenter__(self) -> Self:
        line = await self._child.start()
        try:
            self.addresses = msgspec.json.decode(line, type=Addresses)
        except msgspec.DecodeError:
            raise click.ClickException(f"the emulator did not start: {await self._child.last_words()}") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()
        await self._child.stop(STOP_TIMEOUT_S)

    def sources(self, client: HttpClient) -> list[Source]:
        """What to watch: the router, then each worker's page, by the names of the scenario."""
        router = open_target(self.addresses.router, client, "router")
        return [router, *(open_target(worker.url, client, worker.id) for worker in self.addresses.workers)]

    async def advance(self, until_ns: int) -> None:
        """Runs the emulated cluster up to this virtual time."""
        await self.ask("clock/advance", {"until_ns": until_ns})

    async def ask(self, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The answer of the control port to a GET, or to a POST of `body`. Raises ClickException with its reason."""
        if self._http is None:
            self._http = aiohttp.ClientSession()
        method = "GET" if body is None else "POST"
        try:
            async with self._http.request(method, f"{self.addresses.router}/{path}", json=body) as response:
                text, status = await response.read(), response.status
        except aiohttp.ClientError as error:
            raise click.ClickException(f"the emulator does not answer: {error}") from None
        if status != 200:
            raise click.ClickException(f"the emulator: {text.decode(errors='replace')[:200]}")
        return msgspec.json.decode(text, type=dict[str, Any])
