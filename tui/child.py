"""A `tokenyard` command as a child process that says on its first line of stdout where it listens, and is gone when we are gone."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

START_TIMEOUT_S: Final = 30.0


class Child:
    """`what` it is called in errors; it ends by itself when its stdin is closed, that is, when we end however we do."""

    def __init__(self, what: str, *arguments: str) -> None:
        self._what = what
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        # No pipe: what it still has to say when we have ended must not be its end.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as this

    def begin(self) -> None:
        """Has it come up while others still load; `start` waits for it."""
        if self._process is None:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "tui", *self._arguments, "--exit-with-stdin"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
            )

    async def start(self) -> bytes:
        """Its first line. Raises ClickException where there is none."""
        self.begin()
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await asyncio.to_thread(self._process.stdout.readline)
        except TimeoutError:
            line = b""
        except asyncio.CancelledError:
            self._process.kill()  # else the thread would read on
            raise
        if line:
            return line
        raise click.ClickException(f"{self._what} did not start: {await self.last_words()}")

    async def stop(self, within_s: float, *, then_kill: bool = True) -> None:
        """Tells it to end and waits so long; without `then_kill` it may go on for as long as it needs to end."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, within_s)
        except subprocess.TimeoutExpired:
            if then_kill:
                process.kill()
                await asyncio.to_thread(process.wait)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    async def last_words(self) -> str:
        """Ends it; the last line of its stderr."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no reason given"


def chapters_in(scenario: str) -> bool:
    """Whether its file seems to have chapters, which is enough to know by which clock it will be played."""
    file = (
        Path(scenario) if scenario.endswith(".toml") else files("emulators.deployments") / f"{Path(scenario).name}.toml"
    )
    try:
        return "[[chapter]]" in file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def emulating(scenario: str, *, seed: int, clock: str, faults: Sequence[str] = ()) -> Child:
    """The emulators of a scenario, on any free ports. Light: it may begin before anything else is loaded."""
    given = (f"--fault={fault}" for fault in faults)
    settings = ("--seed", str(seed), "--clock", clock, "--port-base", "0", "--no-kv-events")
    return Child("the emulator", "emulate", scenario, *settings, *given)
