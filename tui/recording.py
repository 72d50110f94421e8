"""`record`: observes targets without a screen, into files. Never loads Textual."""

import asyncio
import contextlib
import json
from contextlib import closing
from pathlib import Path

import click

from collectors.model.frame import Frame
from collectors.observe import Observation
from collectors.recording.errors import RecordingError
from collectors.recording.redaction import LEVEL, Redactor
from collectors.recording.rotation import Rotating
from collectors.recording.spool import Spool
from collectors.session.clock import LiveClock
from collectors.session.session import Session
from collectors.wire.access import Clients
from tui.config.resolve import Plan
from tui.recorded import WRITER
from tui.stopping import told_to_stop
from tui.targets import opened

LOOK_S = 0.5
"""How often it is looked at whether the file can still be written."""


async def record_targets(
    plan: Plan,
    path: Path,
    duration_s: float | None,
    file_bytes: int | None = None,
    file_s: float | None = None,
    max_disk_bytes: int | None = None,
    *,
    redact: bool = False,
) -> None:
    """Until told to stop, or for `duration_s`. Raises `click.ClickException` where anything that was seen is not in the files."""
    clock = LiveClock()
    try:
        files = Rotating(
            path,
            clock=clock.kind,
            version=WRITER,
            redaction=LEVEL if redact else "none",
            file_bytes=file_bytes,
            file_s=file_s,
            max_disk_bytes=max_disk_bytes,
        )
    except RecordingError as error:
        raise click.ClickException(str(error)) from error
    stop = told_to_stop(with_stdin=False)
    ticks = 0

    def count(frame: Frame) -> None:
        nonlocal ticks
        ticks += 1

    click.echo(f"recording {plan.title} into {path}", err=True)
    with closing(Spool([files])) as spool:
        async with Clients() as clients:
            observation = Observation(
                Session(clock.kind, judging=plan.judged.judging),
                [opened(plan, clients)],
                clock,
                count,
                spool,
                Redactor().batch if redact else None,
            )
            live = asyncio.create_task(observation.live())
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(duration_s):
                        await _until(stop, live, files)
            finally:
                live.cancel()
                await asyncio.gather(live, return_exceptions=True)
                await observation.close()
    click.echo(json.dumps({"files": [str(one) for one in files.paths], "ticks": ticks, "error": files.error}))
    if files.error is not None:
        raise click.ClickException(files.error)


async def _until(stop: asyncio.Event, live: "asyncio.Task[None]", files: Rotating) -> None:
    """Returns when told to stop, or when the files cannot be written any more; raises what ends the observation."""
    stopping = asyncio.create_task(stop.wait())
    try:
        while files.error is None and not stopping.done():
            await asyncio.wait({stopping, live}, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            if live.done():
                await live
    finally:
        stopping.cancel()
