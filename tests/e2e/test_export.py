"""`export`: what other tools read is what the screen counts."""

import asyncio
import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collectors.model.batch import Batch, Deliveries
from collectors.model.frame import Frame
from collectors.recording.reader import Reader
from tests.e2e.commands import tokenyard
from tui.headless import demo_frames

TRUST = 0.01
"""Of a sketch's quantiles (METRICS R24 and the sketch's own error are far below)."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export") / "demo.tyard"


@pytest.fixture(scope="module")
def last(recording: Path) -> Frame:
    frames: list[Frame] = []
    asyncio.run(demo_frames("default", 7, 12.0, recording, frames.append))
    return frames[-1]


def export(recording: Path, form: str, *more: str) -> tuple[list[dict[str, Any]], int]:
    out = recording.with_name(f"{len(list(recording.parent.iterdir()))}.{form}")
    done = tokenyard("export", str(recording), "--to", form, "-o", str(out), *more)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    rows = json.loads(done.stdout)["rows"]
    if form == "csv":
        with out.open(newline="") as file:
            return list(csv.DictReader(file)), rows
    if form == "jsonl":
        return [json.loads(line) for line in out.read_text().splitlines()], rows
    parquet = pytest.importorskip("pyarrow.parquet")
    return parquet.read_table(out).to_pylist(), rows


def test_lines_of_json_are_the_deliveries_and_their_gaps_are_the_screens(recording: Path, last: Frame) -> None:
    rows, said = export(recording, "jsonl")
    with Reader(recording) as reader:
        recorded = [
            part
            for item in reader.items()
            if isinstance(item, Batch)
            for part in item.parts
            if isinstance(part, Deliveries)
        ]
    assert len(rows) == said == sum(len(part.rows) for part in recorded)
    assert sum(row["tokens"] for row in rows) == sum(int(part.rows["tokens"].sum()) for part in recorded)
    assert all(row["emulated"] for row in rows)
    told = 0
    for worker in last.workers:
        gaps = np.array([row["gap_s"] for row in rows if row["worker"] == worker.id and row["gap_s"] is not None])
        assert len(gaps) == worker.gap.n
        for q, quantile in ((0.5, worker.gap.p50), (0.99, worker.gap.p99)):
            if quantile.value is not None:
                exact = np.sort(gaps)[math.ceil(q * len(gaps)) - 1]
                assert quantile.value == pytest.approx(exact, rel=TRUST)
                told += 1
    assert told >= 4


def test_csv_says_the_same(recording: Path, last: Frame) -> None:
    lines, _ = export(recording, "jsonl")
    cells, _ = export(recording, "csv")
    assert len(cells) == len(lines)
    for line, cell in zip(lines[::997], cells[::997], strict=True):
        assert list(line) == list(cell)
        assert (cell["worker"], cell["request"], int(cell["time_ns"])) == (
            line["worker"],
            line["request"],
            line["time_ns"],
        )
        assert (float(cell["gap_s"]) if cell["gap_s"] else None) == line["gap_s"]


def test_parquet_says_the_same(recording: Path, last: Frame) -> None:
    pytest.importorskip("pyarrow")
    lines, _ = export(recording, "jsonl")
    table, _ = export(recording, "parquet")
    assert table == lines


def test_a_part_is_what_lies_in_it_with_the_gaps_that_it_has_in_the_whole(recording: Path, last: Frame) -> None:
    whole, _ = export(recording, "jsonl")
    some, _ = export(recording, "jsonl", "--from", "4s", "--until", "6s")
    wanted = [row for row in whole if 4e9 <= row["time_ns"] < 6e9]
    key = lambda row: (row["request"], row["first_token"])  # noqa: E731
    assert sorted(some, key=key) == sorted(wanted, key=key)


def test_nothing_is_replaced(recording: Path, last: Frame, tmp_path: Path) -> None:
    there = tmp_path / "a.csv"
    there.write_text("mine")
    done = tokenyard("export", str(recording), "--to", "csv", "-o", str(there))
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert there.read_text() == "mine"
