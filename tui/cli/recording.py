"""`record`: what back ends say, into a file, without a screen."""

from pathlib import Path
from typing import Any

import click

from tui.cli.parameters import NEW_FILE, REDACT, Duration, Size, run
from tui.cli.targets import target_options
from tui.cli.watching import plan_of


@click.command()
@target_options
@click.option("-o", "--output", "path", type=NEW_FILE, required=True, help="The new file, NAME.tyard.")
@click.option("--for", "duration", type=Duration(), help="End after so long (default: at SIGTERM or SIGINT).")
@click.option(
    "--file-size", type=Size(), help="Go on in a new file (NAME-0002.tyard, …) after so many bytes: 512M, 2G."
)
@click.option("--file-age", type=Duration(), help="The same after so long: 1h.")
@click.option("--max-disk", type=Size(), help="Remove the oldest of these files when all of them take more than this.")
@REDACT
def record(
    loaded: Any,
    path: Path,
    duration: float | None,
    file_size: int | None,
    file_age: float | None,
    max_disk: int | None,
    redact: bool,
) -> None:
    """Record back ends into a file, without a screen. Ends, with a whole file, on SIGTERM.

    Prints one JSON line with what was written at the end. Exit code 1 if something is missing.
    """
    if max_disk is not None and file_size is None and file_age is None:
        raise click.UsageError("--max-disk needs --file-size or --file-age: only whole files are removed")
    from tui.recording import record_targets

    run(record_targets(plan_of(loaded), path, duration, file_size, file_age, max_disk, redact=redact))
