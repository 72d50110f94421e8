"""Hostile targets beside two healthy ones, in a process of its own: a typed reason on their rows, the others go on, memory is bounded, and no text gets through."""

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commands import ROOT
from tests.hostile.odd import ODD
from tests.hostile.targets import DOWN, EXCHANGES, PAGES, PATIENT, PROMS, REJECTED, STREAMS, UP, Hostile
from tests.hostile.watcher import texts
from tests.loopback import page, says, serving

ALL: dict[str, Hostile] = {**EXCHANGES, **PAGES, **STREAMS, **PROMS, **{name: make() for name, make in ODD.items()}}
FIXTURES = Path(__file__).parent.parent / "fixtures"
HEALTHY = {"vLLM": "vllm/under_load.metrics.txt", "Dynamo": "dynamo/decode_worker1_under_load.metrics.txt"}
MOST_BYTES = 96 << 20
"""What one hostile target may add to the watcher's memory, with bodies of at most 16 MiB."""
MOST_TOGETHER = 512 << 20
"""Of the watcher's whole memory, with all of them at once."""
SLACK_S = 30.0
"""For a machine that is busy with other things."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return asyncio.run(_watched(tmp_path_factory.mktemp("hostile")))


async def _watched(folder: Path) -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        tls = _self_signed(folder)
        healthy, hostile = {}, {}
        for name, fixture in HEALTHY.items():
            server = await stack.enter_async_context(serving(says(page((FIXTURES / fixture).read_bytes()))))
            healthy[name] = f"{server.url}/metrics"
        for name, one in ALL.items():
            server = await stack.enter_async_context(serving(one.handler, tls=tls if one.tls else None))
            hostile[name] = (f"{server.url}/metrics", one.kind, one.limit.endswith("_s"))
        told = {"healthy": healthy, "hostile": hostile, "recording": str(folder / "all.tyard")}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.hostile.watcher",
            cwd=ROOT,
            env={**os.environ, "MALLOC_ARENA_MAX": "2"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            out, _ = await process.communicate(json.dumps(told).encode())
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0
        found: dict[str, Any] = json.loads(out)
        return found


def _self_signed(folder: Path) -> ssl.SSLContext:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=elsewhere.invalid", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize("name", ALL)
def test_the_reason_is_on_its_row(name: str, seen: dict[str, Any]) -> None:
    expected, row = ALL[name], seen["alone"][name]["row"]
    assert row["status"] == expected.status
    assert row["reason"].startswith(expected.reason)
    assert bool(row["reason"]) == bool(expected.reason)
    assert len(row["reason"]) <= 300
    assert row["limits"] == ({expected.limit: 1} if expected.limit else {})


@pytest.mark.parametrize("name", ALL)
def test_memory_and_time_are_bounded(name: str, seen: dict[str, Any]) -> None:
    added, cpu_s, took_s = seen["alone"][name]["cost"]
    assert added < MOST_BYTES
    assert max(cpu_s, took_s) < PATIENT.total_s + SLACK_S  # of all threads: CPU may be more than what passed


def test_all_at_once_are_bounded(seen: dict[str, Any]) -> None:
    assert seen["peak"] < MOST_TOGETHER


def test_all_at_once_each_says_what_it_is(seen: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in seen["frame"]["targets"]}
    assert rows.keys() == {*HEALTHY, *ALL}
    for name, expected in ALL.items():
        # A machine that is busy with all of them may be too slow for a deadline of a fraction of a second.
        if rows[name]["status"] != expected.status:
            if expected.read_at_once and rows[name]["reason"].startswith(expected.read_at_once):
                continue
            assert rows[name]["status"] in (UP, DOWN)
            assert rows[name]["reason"].partition(" (")[0] in ("", "timeout reading", "timeout connecting")
        for limit, count in rows[name]["limits"].items():
            assert limit == expected.limit or limit.endswith("_s")
            assert count >= 1
    assert {row["status"] for row in rows.values()} == {UP, DOWN, REJECTED}


def test_the_healthy_ones_never_notice(seen: dict[str, Any]) -> None:
    for name in HEALTHY:
        statuses = seen["statuses"][name]
        assert len(statuses) >= 5
        assert {(one["status"], one["reason"], one["limit"]) for one in statuses} == {("up", "", "")}
    rows = {row["target"]: row for row in seen["frame"]["workers"] if row["target"] in HEALTHY}
    assert (rows["vLLM"]["running"]["value"], rows["vLLM"]["waiting"]["value"]) == (6, 18)
    assert rows["Dynamo"]["running"]["state"] in ("ok", "zero")


def test_what_is_shown_and_recorded_is_plain_text(seen: dict[str, Any]) -> None:
    for text in (*texts(seen["frame"]), *seen["recorded"]):
        assert text.isprintable()
        assert "owned" not in text
        assert len(text) <= 512
