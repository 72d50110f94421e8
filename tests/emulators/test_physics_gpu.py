"""Step times against arithmetic done by hand, and the gaps that the scheduler makes of them."""

import numpy as np
import pytest

from emulators import catalogue
from emulators.channel import Channel
from emulators.fetching import Source
from emulators.gpu import StepModel, StepNoise, pool_bytes
from emulators.kv import Pool
from emulators.randomness import generator
from tests.emulators.rig import BLOCK, ENGINE, H100, MODEL, STEPS, Rig, request

MS = 1e-3
H200 = catalogue.gpu("H200-SXM")
# vLLM of 2025, 32 layers: 1 ms of host and 40 µs a layer; 0.76 µs for each sequence in each layer.
FIXED = 1 * MS + 32 * 40e-6
SEQUENCE = 32 * 0.76e-6


def test_a_decode_step_streams_weights_and_kv() -> None:
    # 16.06 GB of weights and 1,000 tokens of 128 KiB, at 0.8 · 3.35 TB/s, beside what does not depend on either.
    weights_s = (16_060_522_496 + 1_000 * 131_072) / (0.8 * 3.35e12)
    assert STEPS.seconds(10, 1_000) == pytest.approx(FIXED + 10 * SEQUENCE + weights_s)


def test_a_large_chunk_is_bound_by_arithmetic() -> None:
    flops = 2 * 8_030_261_248 * 8_192 + 4 * 32 * 4_096 * 8_192 * (1_000 + 4_096)
    assert STEPS.seconds(0, 0, [(8_192, 1_000)]) == pytest.approx(FIXED + flops / (0.65 * 989e12))


def test_a_small_chunk_hides_under_the_weights() -> None:
    alone = STEPS.seconds(8, 8_000)
    shared = STEPS.seconds(8, 8_000, [(150, 0)])
    assert shared == pytest.approx(alone)
    assert STEPS.seconds(8, 8_000, [(1_000, 0)]) > alone + 10 * MS


def test_a_chunk_reads_the_kv_of_its_prefix() -> None:
    size = 16_060_522_496 + 100_000 * 131_072
    assert STEPS.seconds(0, 0, [(16, 100_000)]) == pytest.approx(FIXED + size / (0.8 * 3.35e12))


def test_tensor_parallelism_divides_work_and_adds_two_collectives_a_layer() -> None:
    four = StepModel.of(H100, 4, MODEL, ENGINE, bytes_per_weight=2, bytes_per_kv_value=2)
    ring_s = 2 * 3 / 4 * 1 * 4_096 * 2 / 450e9
    streaming_s = 16_060_522_496 / (4 * 0.8 * 3.35e12)
    assert four.seconds(1, 0) == pytest.approx(FIXED + SEQUENCE + streaming_s + 2 * 32 * (5e-6 + ring_s))


@pytest.mark.parametrize("name", ["llama-3.1-8b", "gpt-oss-120b", "deepseek-r1", "gemma-3-27b"])
def test_a_run_is_its_steps_one_by_one(name: str) -> None:
    model = StepModel.of(H200, 8, catalogue.models()[name], ENGINE, bytes_per_weight=1, bytes_per_kv_value=1)
    contexts = np.array([3, 100, 127, 900, 5_000])
    run = model.run_seconds(contexts, 40)
    one_by_one = [model.seconds(5, model.attended(contexts + at)) for at in range(40)]
    assert run == pytest.approx(np.array(one_by_one), rel=1e-12)


def test_a_step_reads_the_experts_that_its_tokens_are_sent_to() -> None:
    mixtral = catalogue.models()["mixtral-8x7b"]
    model = StepModel.of(H200, 1, mixtral, ENGINE, bytes_per_weight=1, bytes_per_kv_value=1)
    bandwidth = 0.8 * 4.8e12
    assert model.seconds(1, 0) == pytest.approx(FIXED + SEQUENCE + mixtral.active / bandwidth)
    many = model.seconds(100, 0) - FIXED - 100 * SEQUENCE
    assert many == pytest.approx(mixtral.parameters / bandwidth, rel=1e-6)


def test_windowed_layers_read_the_window_only() -> None:
    oss = catalogue.models()["gpt-oss-120b"]
    model = StepModel.of(H200, 1, oss, ENGINE, bytes_per_weight=1, bytes_per_kv_value=2)
    assert model.attended(np.array([100])) == 100
    assert model.attended(np.array([10_128])) == (10_128 + 128) / 2


def test_time_beside_the_work_goes_with_the_layers() -> None:
    few, many = (
        StepModel.of(H200, 1, catalogue.models()[name], ENGINE, bytes_per_weight=1, bytes_per_kv_value=1)
        for name in ("llama-3.1-8b", "llama-3.1-70b")
    )
    assert few.host_s == pytest.approx(FIXED)
    assert many.host_s == pytest.approx(1 * MS + 80 * 40e-6)
    assert many.sequence_s / few.sequence_s == pytest.approx(80 / 32)


def test_sixteen_bits_come_nearer_to_their_peak_and_unpacking_costs_both_rates() -> None:
    def model(chip: str, size: float) -> StepModel:
        return StepModel.of(catalogue.gpu(chip), 1, MODEL, ENGINE, bytes_per_weight=size, bytes_per_kv_value=1)

    assert model("H200-SXM", 2).flops_per_s == pytest.approx(0.65 * 989e12)
    assert model("H200-SXM", 1).flops_per_s == pytest.approx(0.5 * 1_978e12)
    assert model("H200-SXM", 0.6).flops_per_s == pytest.approx(0.7 * 0.65 * 989e12)
    assert model("H200-SXM", 0.6).bytes_per_s == pytest.approx(0.7 * 0.8 * 4.8e12)
    assert model("B200-SXM", 0.6).bytes_per_s == pytest.approx(0.8 * 7.7e12)


def test_launching_kernels_one_by_one_is_a_floor() -> None:
    old = catalogue.engines()["vllm-2023"]
    steps = {
        chips: StepModel.of(
            H100, chips, catalogue.models()["llama-2-70b"], old, bytes_per_weight=2, bytes_per_kv_value=2
        )
        for chips in (4, 8)
    }
    floor = (old.host_s.value + 80 * old.sequence_layer_s.value + 15 * MS) / MS
    # 8 GPUs stream twice as fast as 4, and are no faster: NCCL takes 5 µs for each other chip, 160 times.
    assert steps[8].seconds(1, 512) / MS == pytest.approx(floor + 160 * 7 * 5e-3, rel=0.01)
    assert steps[4].seconds(1, 512) / MS == pytest.approx(floor + 160 * 3 * 5e-3, rel=0.01)


def test_prefill_first_decodes_nothing_beside_prompts() -> None:
    rig = Rig(prefill_first=True)
    talking = rig.submit(0, request(0, prompt=100, output=200))
    rig.submit(10**9, request(1, prompt=20_000, output=2))
    events = rig.run()
    chunks = [row for row in events.phases if row["phase"] == "prefill" and row["request"] == "r-1"]
    assert [row["tokens"] for row in chunks] == [8_192, 8_192, 20_000 - 2 * 8_192]
    begin, end = chunks[0]["start_ns"], chunks[-1]["start_ns"] + chunks[-1]["duration_ns"]
    mine = events.deliveries[events.deliveries["stream"] == talking.stream]
    assert not np.any((mine["time_ns"] > begin) & (mine["time_ns"] <= end))
    assert len(mine) == 200


def test_an_arrival_cuts_a_run_after_the_step_it_falls_in() -> None:
    rig = Rig()
    rig.submit(0, request(0, prompt=100, output=400))
    late = rig.submit(2_003_000_000, request(1, prompt=160, output=2))
    events = rig.run()
    mine = events.deliveries[events.deliveries["stream"] == 0]
    (begun,) = [row["start_ns"] for row in events.phases if row["phase"] == "prefill" and row["request"] == late.id]
    ends = mine["time_ns"]
    assert begun == ends[np.searchsorted(ends, 2_003_000_000)]
    # The noise that was drawn for the rest of the run is used by the steps that came instead: what came before is the same without the arrival.
    alone = Rig()
    alone.submit(0, request(0, prompt=100, output=400))
    times = alone.run().deliveries["time_ns"]
    before = ends <= begun
    assert ends[before].tolist() == times[: before.sum()].tolist()


def test_pool_is_what_weights_leave() -> None:
    assert pool_bytes(H100, 1, STEPS.weight_bytes, ENGINE) == int(85_899_345_920 * 0.9) - 16_060_522_496
    with pytest.raises(ValueError, match="leave no room"):
        pool_bytes(H100, 1, 80 * 10**9, ENGINE)


def test_noise_is_narrow_and_spikes_come_at_the_stated_rate() -> None:
    noise = StepNoise(generator(3, "noise"), ENGINE)
    factors = noise.peek(200_000)
    spikes = factors > 2
    assert 20 <= spikes.sum() <= 65  # 2e-4 of 200,000 is 40, give or take four standard deviations
    assert factors[spikes].min() > 4.7
    assert factors.max() < 8.4
    assert np.median(factors) == pytest.approx(1, abs=2e-3)
    assert np.std(np.log(factors[~spikes])) == pytest.approx(0.01, rel=0.05)


def test_decoding_alone_is_steady() -> None:
    rig = Rig()
    for number in range(4):
        rig.submit(0, request(number, prompt=200, output=700))
    rig.run()
    # All prompts fit into one step, before the first gap; contexts that grow by 700 tokens slow the last steps by 1.2 %.
    p50, p99 = np.quantile(rig.gpu.observed.gaps.values, (0.5, 0.99))
    assert len(rig.gpu.observed.gaps.values) == 4 * 699
    assert p50 == pytest.approx(STEPS.seconds(4, 4 * 550) * 1e9, rel=0.01)
    assert p99 / p50 < 1.05


def test_a_prefill_burst_stalls_decodes() -> None:
    rig = Rig()
    talking = rig.submit(0, request(0, prompt=100, output=400))
    for number in range(1, 4):
        rig.submit(2 * 10**9, request(number, prompt=8_000, output=2))
    events = rig.run()
    mine = events.deliveries[events.deliveries["stream"] == talking.stream]
    gaps = np.diff(mine["time_ns"])
    during = (mine["time_ns"][1:] > 2.0e9) & (mine["time_ns"][1:] < 3.0e9)
    assert gaps[during].max() > 20 * np.median(gaps)
    # The chunk budget bounds a step: 8,192 tokens take about 300 ms, all three prompts would take three times that.
    assert gaps[~during].max() < 9 * np.median(gaps)
    assert gaps.max() < 450e6
    assert sum(gaps > 5 * np.median(gaps)) >= 3


def test_prompts_are_computed_in_chunks_within_the_budget() -> None:
    rig = Rig()
    rig.submit(0, request(0, prompt=20_000, output=5))
    rig.submit(0, request(1, prompt=3_000, output=5))
    events = rig.run()
    steps: dict[int, int] = {}
    for row in events.phases:
        if row["phase"] == "prefill":
            steps[row["start_ns"]] = steps.get(row["start_ns"], 0) + row["tokens"]
    # First come, first served; what the first prompt leaves of its last step goes to the second.
    assert list(steps.values()) == [8_192, 8_192, 20_000 + 3_000 - 2 * 8_192]
    assert rig.first == ["r-0", "r-1"]


def test_a_full_pool_preempts_the_last_and_computes_it_again() -> None:
    # Room for 100 blocks: each request grows from 40 to 60, so that two cannot end together.
    rig = Rig(blocks=100)
    for number in range(2):
        rig.submit(number, request(number, prompt=640, output=320))
    events = rig.run()
    assert rig.finished == ["r-0", "r-1"]
    again = [row for row in events.requests if row.get("again")]
    assert {row["request"] for row in again} == {"r-1"}
    assert len(again) == rig.gpu.observed.stats.preemptions > 0
    for number in range(2):
        mine = events.deliveries[events.deliveries["stream"] == number]
        assert mine["first_token"].tolist() == list(range(320))
        assert np.all(np.diff(mine["time_ns"]) > 0)
    for row in again:
        said = events.deliveries["time_ns"][events.deliveries["stream"] == 1] <= row["time_ns"]
        assert row["computed_tokens"] + sum(tokens for _, tokens in row["hits"]) == 640 + said.sum()
    computed = sum(row["tokens"] for row in events.phases if row["phase"] == "prefill")
    stats = rig.gpu.observed.stats
    assert computed == rig.gpu.observed.prefilled_tokens == stats.computed_tokens + stats.recomputed_tokens
    assert stats.recomputed_tokens > 0
    assert stats.prompt_tokens == stats.computed_tokens == 1_280
    preempted = [row for row in events.phases if row["phase"] == "preempted"]
    assert len(preempted) == len(again)
    # The gap over the preemption is part of the request's gaps.
    assert np.diff(events.deliveries[events.deliveries["stream"] == 1]["time_ns"]).max() >= preempted[0]["duration_ns"]
    assert rig.hbm.active == 0


def test_a_second_turn_finds_its_prefix_in_the_pool() -> None:
    rig = Rig()
    first = request(0, prompt=1_000, output=33)
    rig.submit(0, first)
    rig.run(10**10)
    second = request(0, prompt=1_000 + 33 + 200, output=4)
    rig.submit(2 * 10**10, second)
    events = rig.run()
    (row,) = [row for row in events.requests if row["event"] == "admitted"]
    # KV exists for 1,032 tokens (the last one sampled was not computed upon): 64 full blocks.
    assert row["hits"] == [[0, 1_024]]
    assert row["computed_tokens"] == 1_233 - 1_024


def test_a_fetched_prefix_delays_its_prompt_and_nobody_elses() -> None:
    rig = Rig()
    dram = Pool(2, "DRAM", "host", None, 1_000, BLOCK, rig.journal)
    cached = request(0, prompt=1_601, output=3)
    dram.adopt(0, cached.context.runs(0, 100))
    rig.sources = (Source(dram, (Channel(14e9, 10_000),)),)
    rig.submit(0, cached)
    rig.submit(1, request(1, prompt=200, output=3))
    rig.run(1_000_000)
    assert (dram.active, dram.used) == (100, 100)
    assert (rig.gpu.running, rig.gpu.waiting) == (1, 1)
    events = rig.run()
    assert rig.first == ["r-1", "r-0"]
    (fetch,) = [row for row in events.phases if row["phase"] == "fetch"]
    assert (fetch["tier"], fetch["bytes"]) == ("DRAM", 100 * BLOCK)
    assert fetch["duration_ns"] == pytest.approx(10_000 + 100 * BLOCK / 14, abs=1)
    starts = {row["request"]: row["start_ns"] for row in events.phases if row["phase"] == "prefill"}
    assert starts["r-0"] >= fetch["start_ns"] + fetch["duration_ns"]
    assert (dram.active, dram.used) == (0, 100)
    assert rig.hbm.prefix(cached.context.runs(0, 101)) == 100, "a copy stays in the faster tier"


def test_the_whole_prompt_is_never_a_hit() -> None:
    rig = Rig()
    rig.submit(0, request(0, prompt=160, output=20))
    rig.run(10**10)
    rig.submit(2 * 10**10, request(0, prompt=160, output=20))
    events = rig.run()
    (row,) = [row for row in events.requests if row["event"] == "admitted"]
    assert row["hits"] == [[0, 144]]
    assert row["computed_tokens"] == 16


def test_block_bytes_are_those_of_the_model() -> None:
    assert MODEL.kv_bytes_per_token(2) * 16 == BLOCK
