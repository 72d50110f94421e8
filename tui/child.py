"""A `tokenyard` command as a child process that says on its first line of stdout where it listens, and is gone when we are gone."""

import asyncio
import contextlib
import sys
import tempfile
from typing import Final

import click

START_TIMEOUT_S: Final = 30.0


class Child:
    """`what` it is called in errors; it ends by itself when its stdin is closed, that is, when we end however we do."""

    def __init__(self, what: str, *arguments: str) -> None:
        self._what = what
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        # No pipe: what it still has to say when we have ended must not be its end.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as this

    async def start(self) -> bytes:
        """Its first line. Raises ClickException where there is none."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tui", *self._arguments, "--exit-with-stdin"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._said,
        )
        assert self._process.stdout is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_TIMEOUT_S):
                if line := await self._process.stdout.readline():
                    return line
        raise click.ClickException(f"{self._what} did not start: {await self.last_words()}")

    async def stop(self, within_s: float, *, then_kill: bool = True) -> None:
        """Tells it to end and waits so long; without `then_kill` it may go on for as long as it needs to end."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(within_s):
                await process.wait()
        except TimeoutError:
            if then_kill:
                process.kill()
                await process.wait()

    async def last_words(self) -> str:
        """Ends it; the last line of its stderr."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no reason given"
