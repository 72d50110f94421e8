"""The emulator as a child process: started for a demo, watched over loopback like any back end, gone when we are gone."""

import asyncio
import contextlib
import sys
from types import TracebackType
from typing import Final, Self

import aiohttp
import click
import msgspec

from collectors.sources.detect import open_target
from collectors.sources.source import Source
from collectors.wire.http import HttpClient

START_TIMEOUT_S: Final = 30.0
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

    def __init__(self, scenario: str, *, seed: int, clock: str) -> None:
        self._arguments = (
            scenario,
            "--seed",
            str(seed),
            "--clock",
            clock,
            "--port-base",
            "0",
            "--no-kv-events",
            "--exit-with-stdin",
        )
        self._process: asyncio.subprocess.Process | None = None
        self._http: aiohttp.ClientSession | None = None
        self.addresses = Addresses("", ())

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tui", "emulate", *self._arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await self._process.stdout.readline()
            self.addresses = msgspec.json.decode(line, type=Addresses)
        except (TimeoutError, msgspec.DecodeError):
            raise click.ClickException(f"the emulator did not start: {await self._last_words()}") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()

    def sources(self, client: HttpClient) -> list[Source]:
        """What to watch: the router, then each worker's page, by the names of the scenario."""
        router = open_target(self.addresses.router, client, "router")
        return [router, *(open_target(worker.url, client, worker.id) for worker in self.addresses.workers)]

    async def advance(self, until_ns: int) -> None:
        """Runs the emulated cluster up to this virtual time."""
        if self._http is None:
            self._http = aiohttp.ClientSession()
        url = f"{self.addresses.router}/clock/advance"
        async with self._http.post(url, json={"until_ns": until_ns}) as response:
            if response.status != 200:
                raise click.ClickException(f"the emulator's clock: {(await response.text())[:200]}")
            await response.read()

    async def _last_words(self) -> str:
        """The last line of the child's stderr."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        _, err = await self._process.communicate()
        lines = err.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no reason given"
