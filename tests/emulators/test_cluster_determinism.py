"""The same seed gives the same events, byte for byte, in any process and however the clock is moved."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.cluster import Cluster
from emulators.scenarios import DEFAULT, UnknownScenarioError, build, scenario
from tests.emulators.rig import digest, play

ROOT = Path(__file__).parents[2]
PROGRAM = """
from emulators.scenarios import build
from tests.emulators.rig import digest, play
played = play(build("default", 7), [5.0])
print(digest(played.events), played.cluster.truth())
"""


def test_two_processes_agree() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    played = play(build("default", 7), [5.0])
    assert outputs[0] == outputs[1] == f"{digest(played.events)} {played.cluster.truth()}\n"


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 3_000_000_000), max_size=40))
def test_any_split_says_the_same(ends_ns: list[int]) -> None:
    ends = [*sorted(ends_ns), 3_000_000_000]
    played = play(build("default", 7), [end / 1e9 for end in ends])
    assert digest(played.events) == DIGEST
    assert played.cluster.truth() == TRUTH
    assert [worker.stats.histograms["inter_token_latency_seconds"].sum for worker in played.cluster.workers] == SUMS


WHOLE = play(build("default", 7), [3.0])
DIGEST, TRUTH = digest(WHOLE.events), WHOLE.cluster.truth()
SUMS = [worker.stats.histograms["inter_token_latency_seconds"].sum for worker in WHOLE.cluster.workers]


def test_seeds_differ() -> None:
    assert digest(play(build("default", 8), [3.0]).events) != DIGEST


def test_the_clock_cannot_go_back() -> None:
    cluster = build("default", 7)
    cluster.advance(10**9)
    with pytest.raises(ValueError, match="go back"):
        cluster.advance(10**9 - 1)
    events = cluster.advance(10**9)
    assert not len(events.deliveries)
    assert not events.requests


def test_the_next_event_is_known() -> None:
    cluster = build("default", 7)
    first = cluster.next_event_ns()
    assert first is not None
    assert not cluster.advance(first).requests
    assert cluster.advance(first + 1).requests
    assert cluster.live_requests()


def test_an_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(UnknownScenarioError, match=r"'rush'.*default") as caught:
        build("rush", 1)
    assert isinstance(caught.value, ValueError)
    assert scenario("default") is DEFAULT


def test_gaps_need_not_be_kept() -> None:
    cluster = build("default", 7, keep_gaps=False)
    played = play(cluster, [1.0, 3.0])
    assert digest(played.events) == DIGEST
    truth = cluster.truth()
    assert truth["gaps"][1] == {"worker": "gpu-1/0", "n": None, "p50_s": None, "p99_s": None, "max_s": None}
    assert truth["placements"] == TRUTH["placements"]
    assert [worker.stats.histograms["inter_token_latency_seconds"].sum for worker in cluster.workers] == SUMS


def test_a_request_that_fits_nowhere_ends_in_error() -> None:
    (chat,) = (one for one in DEFAULT.load if one.name == "chat")
    huge = replace(chat, limit=10_000_000, most_tokens=20_000_000, standing=0)
    cluster = Cluster(replace(DEFAULT, load=(huge,)), 1)
    played = play(cluster, [5.0])
    assert played.finished
    assert played.finished.keys() == played.received.keys()
    assert {(row["reason"], row["output_tokens"]) for row in played.finished.values()} == {("error", 0)}
    assert not played.events.decisions
    assert not cluster.live_requests()
