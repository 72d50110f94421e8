"""`tokenyard calibrate`: the command's arguments to the emulators' calibration, and its errors to messages."""

from pathlib import Path
from typing import Any

import click

from emulators import catalogue
from emulators.calibration.rows import RowsError, read
from emulators.calibration.silicon import calibrate, shipped


def silicon(rows: Path | None, group: str, tables: Path | None) -> dict[str, Any]:
    """The report on a user's rows, or on those that come with the package."""
    try:
        if tables is not None:
            catalogue.add(tables)
        return calibrate(shipped() if rows is None else read(rows), group=group, tables=tables)
    except (RowsError, catalogue.CatalogueError) as error:
        raise click.ClickException(str(error)) from error


def cache(trace: Path, capacity_blocks: str | None, policy: str) -> dict[str, Any]:
    """Hit rates over a trace at each capacity."""
    if capacity_blocks is None:
        raise click.UsageError("--cache needs --capacity-blocks")
    try:
        capacities = [int(part) for part in capacity_blocks.split(",")]
    except ValueError:
        raise click.UsageError(f"{capacity_blocks!r} is not a list of numbers such as 1000,10000") from None
    if min(capacities) < 1:
        raise click.UsageError("--capacity-blocks: a capacity is at least 1")
    from emulators.calibration.cache import report

    try:
        return dict(report(trace, capacities, policy))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
