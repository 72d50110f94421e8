"""`--probe` as a user gives it: a process of its own against a server that counts what it is asked."""

import asyncio
import json
from typing import Any

import jsonschema
import pytest

from tests.e2e.commands import ROOT, tokenyard
from tests.probe.server import Completions, serving

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "snapshot.schema.json").read_text())
PAGE = (ROOT / "tests/fixtures/vllm/under_load.metrics.txt").read_bytes()


async def snapshot(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = await asyncio.to_thread(tokenyard, "snapshot", "--json", *arguments)
    printed = json.loads(done.stdout)
    jsonschema.validate(printed, SCHEMA)
    return done.returncode, printed


async def test_probes_are_told_apart_from_the_page_that_counts_them() -> None:
    async with serving(Completions(metrics=PAGE)) as server:
        code, printed = await snapshot(server.url, "--probe", "1s", "--for", "3s")
    (row,) = printed["probes"]
    assert code == 0
    assert 1 <= row["sent"]["value"] <= len(server.asked) <= 4
    assert (row["ttft"]["n"], row["failures"]) == (row["sent"]["value"], {})
    assert printed["workers"][0]["ttft"]["population"] == "requests with a first token"
    reasons = {target["backend"]: target["reason"] for target in printed["targets"]}
    assert reasons["vllm"].startswith("our own probes are in its figures")
    assert [one["tokens"] for one in printed["placements"] if one["tokens"]["provenance"] != "reported"] == []


async def test_without_it_nothing_is_ever_sent() -> None:
    async with serving(Completions(metrics=PAGE)) as server:
        _, printed = await snapshot(server.url, "--for", "2s")
        assert printed["probes"] == []
        assert await asyncio.to_thread(tokenyard, "doctor", server.url, "--probe", "1s")
    assert server.looks
    assert not server.asked


async def test_a_page_of_devices_is_no_server_of_completions() -> None:
    page = (ROOT / "tests/fixtures/dcgm-exporter/readme-sample.prom").read_bytes()
    async with serving(Completions(metrics=page, models=None)) as server:
        _, printed = await snapshot(server.url, "--probe", "1s", "--for", "3s")
    assert not server.asked
    assert printed["probes"] == []
    assert "not probed: /v1/models: http 404" in [target["reason"] for target in printed["targets"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("h:1", "--probe", "500ms"), "too often"), (("--probe", "5s"), "only what is named is probed")],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    done = tokenyard("snapshot", *arguments)
    assert (done.returncode, said in done.stderr) == (64, True)
