"""A trace through the whole simulation: open loop, deterministic, and with the hit rate that its blocks and the size of the memory make."""

from dataclasses import replace
from pathlib import Path

import pytest

from emulators.calibration.cache import hit_rate, read
from emulators.cluster import Cluster
from emulators.policy import order
from emulators.router import Rule
from emulators.scenario_file import ScenarioError
from emulators.scenarios import DEFAULT, UnknownScenarioError, build, scenario
from emulators.specs import GpuSpec, HostSpec, Scenario
from emulators.traces import SHIPPED, Trace
from emulators.traces.lines import TraceError
from tests.emulators.rig import digest, play

KV_BYTES = 131_072
"""Of a token of llama-3.1-8b in 16 bits."""


def one_gpu(trace: Trace, kv_tokens: int, chips: int = 8) -> Scenario:
    """A GPU with room for so many tokens and no memory behind it."""
    gpu = GpuSpec("g", "aggregated", "B200-SXM", "vllm-2025", chips, kv_pool_bytes=kv_tokens * KV_BYTES)
    rules = (Rule("all", frozenset(), frozenset({"aggregated"})),)
    return replace(DEFAULT, workers=(gpu,), host=HostSpec("h", 0, 0), rules=rules, load=(), trace=trace)


def test_calls_do_not_wait_for_answers() -> None:
    times = []
    for chips, tokens in ((8, 4_000_000), (1, 60_000)):
        cluster = Cluster(one_gpu(Trace("mooncake", scale=0.2), tokens, chips), 1)
        played = play(cluster, [60.0])
        times.append([row["time_ns"] for row in played.rows("received")])
        columns = cluster.requested()
        assert columns["intended_ns"] == columns["received_ns"] == times[-1]
        assert set(columns["workload"]) == {"trace"}
    assert times[0] == times[1]
    assert len(times[0]) == 160


def test_the_same_seed_replays_the_same() -> None:
    one, other, third = (
        digest(play(build("trace:mooncake", seed), ends).events)
        for seed, ends in ((3, [9.0, 40.0]), (3, [40.0]), (4, [40.0]))
    )
    assert one == other != third


@pytest.mark.parametrize(("kv_tokens", "fit"), [(400_000, 187), (200_000, 187), (100_000, 184)])
def test_hit_rate_against_capacity(kv_tokens: int, fit: int) -> None:
    """What the emulated worker found in memory, against the policy's definition over the trace's own blocks, of the calls that fit into it."""
    asked = [names for names in read(SHIPPED["agentic"]) if len(names) * 64 <= kv_tokens]
    assert len(asked) == fit
    cluster = Cluster(one_gpu(Trace("agentic"), kv_tokens), 1, keep_gaps=False)
    play(cluster, [2_000.0])
    (prompts,) = cluster.truth()["prompts"]
    assert cluster.truth()["requests"] == {"received": 187, "finished": 187, "live": 0}
    found = sum(prompts["hit_tokens"].values()) / prompts["prompt_tokens"]
    assert found == pytest.approx(hit_rate(asked, kv_tokens // 64, order("lru"), last_first=True), abs=0.02)


def test_an_answer_whose_text_comes_again_in_the_next_prompt_is_not_held_twice() -> None:
    cluster = Cluster(one_gpu(Trace("agentic"), 4_000_000), 1)
    play(cluster, [2_000.0])
    (pool,) = [row for row in cluster.truth()["pools"] if row["tier"] == "HBM"]
    names = {name for prompt in read(SHIPPED["agentic"]) for name in prompt}
    # Four blocks of ours for one of the trace's, and what a prompt has beyond its last one.
    assert len(names) * 4 <= pool["used_bytes"] // (16 * KV_BYTES) <= len(names) * 4 + 187 * 4
    assert pool["active_bytes"] == 0


def test_the_curve_falls() -> None:
    prompts = read(SHIPPED["agentic"])
    rates = [
        hit_rate(prompts, tokens // 64, order("lru"), last_first=True)
        for tokens in (4_000_000, 200_000, 100_000, 50_000)
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0.9
    assert rates[-1] < 0.5


FILE = """
deployment = "default"
[workload]
trace = "{trace}"
scale = 0.5
limit = 20
"""


def test_a_scenario_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(SHIPPED["azure-code"].read_bytes())
    path = tmp_path / "mine.toml"
    for trace in ("azure-code", "mine.csv"):
        path.write_text(FILE.format(trace=trace))
        mine = scenario(str(path))
        assert mine.name == "mine"
        assert mine.workers == DEFAULT.workers
        assert not mine.load
        played = play(build(str(path), 1), [60.0])
        assert len(played.received) == 20
        assert played.rows("received")[1]["time_ns"] == 26_000_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("deployment = 'default'\n[workload]\n", r"at least one [[load]]"),
        ("deployment = 'default'\n[workload]\ntrcae = 'mooncake'", "[workload]: unknown key 'trcae'"),
        ("deployment = 'rush'\n[workload]\ntrace = 'mooncake'", "unknown deployment 'rush'; known: "),
        ("deployment = 'default'\nmodel = 'm'\n[workload]\ntrace = 'mooncake'", "'model' is a part of the deployment"),
        ("deployment = 'default'\n[workload]\ntrace = 'mooncake'\nscale = 0", "[workload]: trace 'mooncake': scale"),
        ("deployment = 'default'\n[workload]\ntrace = 'mine.csv'", "neither a file nor one of azure-chat"),
    ],
)
def test_a_file_that_cannot_be(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        scenario(str(path))
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_names_that_are_none() -> None:
    with pytest.raises(UnknownScenarioError, match="trace:NAME"):
        scenario("rush")
    with pytest.raises(TraceError, match="neither a file nor one of azure-chat"):
        scenario("trace:nothing")
