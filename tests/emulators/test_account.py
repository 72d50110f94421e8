"""Time by phase, energy of two kinds, and rent: against sums over what has happened."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators import catalogue
from emulators.cluster import Cluster
from emulators.energy import tables
from emulators.gpu import StepModel
from emulators.phases import PHASES, Phases, grown
from emulators.scenarios import build
from tests.emulators.rig import KV, STEPS, WEIGHTS, Rig, play, request
from tests.emulators.test_every_chip import scenario


@given(st.integers(0, 300), st.integers(0, 200), st.integers(0, 400))
def test_attended_tokens_of_steps_in_a_row(context: int, steps: int, window: int) -> None:
    assert grown(context, steps, window) == sum(
        min(context + at, window) if window else context + at for at in range(steps)
    )


@given(st.lists(st.tuples(st.integers(0, 10**9), st.sampled_from(PHASES)), max_size=20))
def test_phases_sum_to_the_time_that_has_passed(entered: list[tuple[int, str]]) -> None:
    phases, now = Phases(), 0
    for after, phase in entered:
        now += after
        phases.enter(now, phase)
    assert sum(phases.seconds(now + 5).values()) == pytest.approx((now + 5) / 1e9)


def test_a_worker_is_busy_while_it_computes() -> None:
    rig = Rig(role="prefill")
    rig.submit(10**9, request(0, prompt=1_600, output=33))
    events = rig.run()
    (prefill,) = [row for row in events.phases if row["phase"] == "prefill"]
    (transfer,) = [row for row in events.phases if row["phase"] == "transfer"]
    end = int(events.deliveries["time_ns"][-1])
    gpu, lpu = (worker.observed.phases.seconds(end) for worker in (rig.gpu, rig.lpu))
    assert gpu["prefill"] == prefill["duration_ns"] / 1e9
    assert gpu["decode"] == gpu["transfer"] == 0
    assert lpu["transfer"] == transfer["duration_ns"] / 1e9
    assert lpu["decode"] == pytest.approx((end - transfer["start_ns"] - transfer["duration_ns"]) / 1e9)
    for seconds in (gpu, lpu):
        assert sum(seconds.values()) == pytest.approx(end / 1e9)


def test_steps_read_weights_and_the_kv_that_they_attend_to() -> None:
    rig = Rig()
    rig.submit(0, request(0, prompt=1_600, output=101))
    rig.run()
    reads = rig.gpu.observed.reads
    # One step for the prompt, which has no prefix, and 100 that decode, with 1,600 tokens of context in the first.
    assert reads.weight_bytes == 101 * STEPS.weight_bytes
    assert reads.kv_bytes == STEPS.kv_bytes_per_token * sum(range(1_600, 1_700))


def test_passes_of_an_lpu_read_theirs() -> None:
    rig = Rig(role="prefill")
    rig.submit(0, request(0, prompt=1_600, output=101))
    rig.run()
    reads = rig.lpu.observed.reads
    assert reads.weight_bytes == 100 * WEIGHTS
    assert reads.kv_bytes == KV * sum(range(1_600, 1_700))


@pytest.mark.parametrize("name", ["gpt-oss-120b", "mixtral-8x7b", "deepseek-r1"])
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.integers(1, 9), st.integers(1, 9))
def test_reads_do_not_depend_on_how_a_run_is_divided(name: str, contexts: list[int], first: int, rest: int) -> None:
    model = StepModel.of(
        catalogue.gpu("H200-SXM"), 8, catalogue.models()[name], catalogue.engines()["vllm-2025"],
        bytes_per_weight=1, bytes_per_kv_value=1,
    )  # fmt: skip
    begun = np.array(contexts)
    whole = model.run_reads(begun, first + rest)
    parts = [model.run_reads(begun, first), model.run_reads(begun + first, rest)]
    assert whole == (parts[0][0] + parts[1][0], parts[0][1] + parts[1][1])


def test_the_truth_tells_both_kinds_of_energy_and_the_rent() -> None:
    cluster = build("default", 7)
    truth = play(cluster, [6.0]).cluster.truth()
    watts = {"gpu-1/0": 700 * 1.0, "lpu-0/0": 64 * 215 * 0.86}
    energy = {row["worker"]: row for row in truth["energy"]}
    assert sum(row["output_tokens"] for row in truth["energy"]) == sum(
        row["tokens"] for row in truth["placements"] if row["primary"]
    )
    for row in truth["energy"]:
        assert sum(row["phase_seconds"].values()) == pytest.approx(6.0)
        for what, size in row["read_bytes"].items():
            joules = size * 8 * tables().pj_per_bit[row["tier"]].value * 1e-12
            assert row["movement_joules"][what] == pytest.approx(joules)
    gpu, lpu = energy["gpu-1/0"], energy["lpu-0/0"]
    assert gpu["drawn_joules"]["prefill"] == pytest.approx(gpu["phase_seconds"]["prefill"] * watts["gpu-1/0"])
    assert lpu["drawn_joules"]["decode"] == pytest.approx(lpu["phase_seconds"]["decode"] * watts["lpu-0/0"])
    # Nobody publishes what an LPU draws while it waits, or what one costs.
    assert lpu["drawn_joules"]["idle"] is None
    assert truth["rent"] == {"usd_per_hour": None, "usd_per_million_output_tokens": None}
    # Reading a memory is part of what the chips draw.
    assert gpu["movement_joules"]["weights"] < sum(gpu["drawn_joules"].values())


def test_phases_agree_with_the_events() -> None:
    played = play(build("default", 7), [6.0])
    spans = {(r["worker"], r["start_ns"], r["duration_ns"]) for r in played.events.phases if r["phase"] == "prefill"}
    for worker in played.cluster.workers[:2]:
        told = sum(duration for slot, _, duration in spans if slot == worker.slot) / 1e9
        counted = worker.account(played.cluster.now_ns).seconds["prefill"]
        # A step under way has not been told.
        assert told <= counted < told + 1.0


def test_however_the_advances_are_split() -> None:
    whole, pieces = build("default", 7), build("default", 7)
    whole.advance(4 * 10**9)
    for end in range(1, 81):
        pieces.advance(end * 50_000_000)
    assert whole.truth() == pieces.truth()


def test_a_fleet_whose_chips_have_prices_has_a_rent() -> None:
    cluster = Cluster(scenario("H100-SXM"), 3)
    cluster.advance(3 * 10**9)
    rent, (row,) = cluster.truth()["rent"], cluster.truth()["energy"]
    assert rent["usd_per_hour"] == pytest.approx(2 * catalogue.prices()["H100-SXM"].per_hour.value)
    assert rent["usd_per_million_output_tokens"] == pytest.approx(
        rent["usd_per_hour"] * 3 / 3_600 / row["output_tokens"] * 1e6
    )
