"""Requests from outside, and those of them that are given up: wherever it happens, nothing is left behind and nobody else is touched."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.asking import Asked
from emulators.cluster import Cluster
from emulators.events import STORED
from emulators.prompts import Part, Prompts, names
from emulators.scenarios import DEFAULT
from emulators.specs import GpuSpec, LpuSpec, Scenario
from tests.emulators.rig import Played, play

MS = 1_000_000
SECOND = 1_000_000_000
QUIET = replace(DEFAULT, load=())
TIGHT = replace(
    QUIET,
    workers=(
        GpuSpec("gpu-0/0", role="prefill", chip="H100-SXM", engine="vllm-2025", kv_pool_bytes=600 << 20),
        GpuSpec("gpu-1/0", role="aggregated", chip="H100-SXM", engine="vllm-2025", kv_pool_bytes=600 << 20),
        LpuSpec("lpu-0/0", chip="Groq-LPU-v1", chips=38, slots=2),
    ),
    host=replace(QUIET.host, dram_bytes=400 << 20, flash_bytes=1 << 30),
)
"""No pool holds more than a few requests, so that they wait, are fetched, preempted and evicted."""


def asked(name: str, prompt: int, output: int, prompts: Prompts, kind: str) -> Asked:
    text = [Part("user", b"tell" * prompt), Part("assistant", name.ljust(8).encode()[:8] * output)]
    return Asked(name, prompt, output, output, prompts.context(names(text)), kind)


def left(cluster: Cluster) -> tuple[list[int], list[int]]:
    """Requests at each worker, and bytes in each pool that requests refer to."""
    pools = cluster.truth()["pools"]
    return [w.stats.running + w.stats.waiting for w in cluster.workers], [pool["active_bytes"] for pool in pools]


def nothing(scenario: Scenario) -> tuple[list[int], list[int]]:
    return [0] * len(scenario.workers), [0] * (len(scenario.workers) + 2)


@pytest.mark.parametrize("at_ms", [0, 10, 29, 31, 60, 120, 180, 190, 200, 230, 300])
@pytest.mark.parametrize("kind", ["interactive", "batch"])
def test_what_is_given_up_ends_wherever_it_is(kind: str, at_ms: int) -> None:
    cluster = Cluster(QUIET, 7)
    one = asked("h-1", 4_000, 500, Prompts(), kind)
    cluster.ask(0, one)
    cluster.give_up(at_ms * MS, one)
    played = play(cluster, [30.0])
    (end,) = played.rows("finished")
    assert end["reason"] == "abort"
    assert end["output_tokens"] == played.events.deliveries["tokens"].sum() < 500
    # At the latest when what it is in the middle of is over: a step with all of its prompt, or the way of its KV.
    assert at_ms <= end["time_ns"] / MS <= at_ms + 200
    assert one.ended
    assert left(cluster) == nothing(QUIET)
    assert cluster.truth()["requests"] == {"received": 1, "finished": 1, "live": 0}
    assert [w.stats.finished["abort"] for w in cluster.workers].count(1) == 1


def test_what_was_computed_before_is_found_by_the_next() -> None:
    cluster, prompts = Cluster(QUIET, 7), Prompts()
    first, again = (asked(name, 4_000, 300, prompts, "batch") for name in ("h-1", "h-2"))
    cluster.ask(0, first)
    cluster.give_up(400 * MS, first)
    cluster.ask(1_000 * MS, again)
    played = play(cluster, [30.0])
    assert [row["reason"] for row in played.rows("finished")] == ["abort", "length"]
    assert [row["computed_tokens"] for row in played.rows("admitted")] == [
        4_000,
        16,
    ]  # the last block is computed for its token


requests = st.lists(
    st.tuples(
        st.integers(0, 300),  # when it is asked for, in ms
        st.integers(1, 2_000),  # prompt
        st.integers(1, 200),  # output
        st.one_of(st.none(), st.integers(0, 700)),  # after how many ms it is given up
        st.sampled_from(["interactive", "batch"]),
    ),
    min_size=1,
    max_size=24,
)


@settings(max_examples=60, deadline=None)
@given(requests, st.sampled_from([QUIET, TIGHT]))
def test_any_of_many(asks: list[tuple[int, int, int, int | None, str]], scenario: Scenario) -> None:
    cluster, prompts = Cluster(scenario, 3), Prompts()
    every = {}
    for number, (at, prompt, output, lasts, kind) in enumerate(asks):
        one = every[f"h-{number}"] = asked(f"h-{number}", prompt, output, prompts, kind)
        cluster.ask(at * MS, one)
        if lasts is not None:
            cluster.give_up((at + lasts) * MS, one)
    every["last"] = asked("last", 16, 1, prompts, "interactive")
    cluster.ask(59 * SECOND, every["last"])
    played = play(cluster, [0.25, 0.6, 60.0])
    assert left(cluster) == nothing(scenario)
    # The router knows that nobody is anywhere.
    assert [row["terms"] | {"load": 1.0, "queue": 0.5} for row in played.events.decisions[-1]["candidates"]] == [
        row["terms"] for row in played.events.decisions[-1]["candidates"]
    ]
    tokens = delivered(played)
    for row in played.finished.values():
        one = every.pop(row["request"])
        assert one.ended
        assert row["output_tokens"] == tokens[row["request"]]
        if row["reason"] == "length":
            assert row["output_tokens"] == one.output
        else:
            assert row["reason"] == "abort"
            assert row["output_tokens"] <= one.output
    assert not every
    stored_is_resident(played)


def delivered(played: Played) -> dict[str, int]:
    """Tokens by request; each stream's are counted from its request's reception to its end."""
    rows = played.events.deliveries
    counts = {}
    for name, row in played.received.items():
        own = rows[(rows["stream"] == row["stream"]) & (rows["time_ns"] > row["time_ns"])]
        own = own[own["time_ns"] <= played.finished[name]["time_ns"]]
        assert own["first_token"].tolist() == list(range(len(own)))
        counts[name] = int(own["tokens"].sum())
    assert sum(counts.values()) == rows["tokens"].sum()
    return counts


def stored_is_resident(played: Played) -> None:
    """Replaying the block events gives what each pool holds."""
    held: dict[int, dict[int, int]] = {}
    for row in played.events.blocks:
        blocks = held.setdefault(int(row["pool"]), {})
        if row["op"] == STORED:
            assert int(row["hash"]) not in blocks
            blocks[int(row["hash"])] = int(row["bytes"])
        else:
            del blocks[int(row["hash"])]
    occupied = {int(row["pool"]): int(row["used_bytes"]) for row in played.events.occupancy}
    truth = {pool["slot"]: pool["used_bytes"] for pool in played.cluster.truth()["pools"]}
    assert {pool: sum(blocks.values()) for pool, blocks in held.items()} == {pool: truth[pool] for pool in held}
    assert occupied == {pool: truth[pool] for pool in occupied}
