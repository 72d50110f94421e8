"""Runs measured rows through the emulator, several at a time, and reports: what `tokenyard calibrate` does."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from emulators import catalogue
from emulators.calibration.report import Json, Result, report
from emulators.calibration.rows import GpuRow, LpuRow, Row, Skipped, read
from emulators.calibration.simulate import CannotSimulateError, gpu_row, lpu_row

SHIPPED: Final = ("calib_silicon_ttft_tpot.csv", "calib_splitwise_perf_model.csv", "calib_lpu.csv")
MOST_PROCESSES: Final = 8
FEW_ROWS: Final = 16
"""Rows for which starting other processes does not pay."""


def shipped() -> list[Row]:
    """The rows of the files that come with the package."""
    rows: list[Row] = []
    for name in SHIPPED:
        with as_file(files(__package__).joinpath("data", name)) as path:
            rows += read(path)
    return rows


def calibrate(
    rows: Iterable[Row], *, group: str = "", processes: int | None = None, tables: Path | None = None
) -> Json:
    """Simulates the rows whose group has `group` in its name, and reports. `tables`: a user's catalogue file, for other processes to read, too."""
    rows = list(rows)
    # A row that could not be read has no group.
    skipped = [row for row in rows if isinstance(row, Skipped) and not group]
    todo = [row for row in rows if not isinstance(row, Skipped) and group.lower() in row.group.lower()]
    results = []
    for outcome in _outcomes(todo, processes or min(os.cpu_count() or 1, MOST_PROCESSES), tables):
        if isinstance(outcome, Skipped):
            skipped.append(outcome)
        else:
            results.append(outcome)
    return report(results, skipped)


def _outcomes(rows: Sequence[GpuRow | LpuRow], processes: int, tables: Path | None) -> list[Result | Skipped]:
    if processes == 1 or len(rows) <= FEW_ROWS:
        return [_outcome(row) for row in rows]
    with ProcessPoolExecutor(processes, initializer=_prepare, initargs=(tables,)) as pool:
        return list(pool.map(_outcome, rows, chunksize=4))


def _prepare(tables: Path | None) -> None:
    """A process that was forked knows the user's tables already."""
    if tables is not None and not catalogue.added(tables):
        catalogue.add(tables)


def _outcome(row: GpuRow | LpuRow) -> Result | Skipped:
    try:
        return Result(row, lpu_row(row) if isinstance(row, LpuRow) else gpu_row(row))
    except CannotSimulateError as error:
        return Skipped(row.file, row.number, str(error))
