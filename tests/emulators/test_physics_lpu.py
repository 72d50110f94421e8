"""An LPU's tokens come at one interval whatever runs beside them; what varies is how long a request waits to begin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators import catalogue
from emulators.lpu import DeviceClock, context_bucket, sram_left, token_gap_ns
from emulators.randomness import generator
from tests.emulators.rig import GAP_NS, MODEL, Rig, request

CHIP = catalogue.lpu("Groq-LPU-v1")


def pass_gaps(rig: Rig) -> np.ndarray:
    """Gaps between tokens of the device: those to a request's second token are left out, as they hold transfer and queue."""
    rows = rig.run().deliveries
    rows = rows[rows["worker"] == 1]
    gaps = []
    for stream in np.unique(rows["stream"]):
        times = rows["time_ns"][rows["stream"] == stream]
        gaps.append(np.diff(times))
    return np.concatenate(gaps)


def test_the_gap_is_that_of_published_rates() -> None:
    gap_s = token_gap_ns(CHIP, 64, MODEL, 4_096, 2) / 1e9
    assert gap_s == pytest.approx(32 * 41.7e-6, rel=0.03)
    assert 1 / gap_s == pytest.approx(750, rel=0.03)


@pytest.mark.parametrize(
    ("chip", "chips", "model", "rate"),
    [
        ("Groq-LPU-v1", 576, "llama-2-70b", 300),
        ("Groq-LPU-v1", 64, "llama-2-7b", 750),
        ("WSE-3", 4, "llama-3.1-70b", 450),
        ("WSE-3", 1, "llama-3.1-8b", 1_800),
    ],
)
def test_published_rates(chip: str, chips: int, model: str, rate: float) -> None:
    gap_ns = token_gap_ns(catalogue.lpu(chip), chips, catalogue.models()[model], 4_096, 2)
    assert 1e9 / gap_ns == pytest.approx(rate, rel=0.03)


def test_width_and_bandwidth_do_not_make_the_gap_but_context_adds_to_it() -> None:
    gaps = [token_gap_ns(CHIP, 64, MODEL, context, 2) for context in (1, 4_096, 65_536)]
    kv_s = 65_536 * 131_072 / (64 * 80e12 / 32)
    assert gaps[2] - gaps[0] == pytest.approx(kv_s * 1e9, rel=1e-3)
    assert gaps[1] < 1.01 * gaps[0]


@pytest.mark.parametrize(("tokens", "bucket"), [(1, 4_096), (4_096, 4_096), (4_097, 8_192), (100_000, 131_072)])
def test_context_buckets(tokens: int, bucket: int) -> None:
    assert context_bucket(tokens, 4_096) == bucket


@pytest.mark.parametrize("load", [0.5, 4.0, 30.0])
def test_gaps_of_a_program_differ_by_less_than_a_microsecond_at_any_load(load: float) -> None:
    # Poisson arrivals at `load` per second, prompts of 100 to 6,000 tokens, 300 output tokens, 16 slots, 20 s: buckets of 4,096 and 8,192.
    rng = generator(4, "arrivals")
    rig = Rig(role="prefill", sram_blocks=8_000, programs=True)
    times = np.cumsum(rng.exponential(1 / load, round(20 * load)))
    prompts = rng.integers(100, 6_000, len(times))
    for number, (time, prompt) in enumerate(zip(times, prompts, strict=True)):
        rig.submit(round(time * 1e9), request(number, prompt=int(prompt), output=300))
    rows = rig.run().deliveries
    rows = rows[rows["worker"] == 1]
    rows = rows[np.lexsort((rows["first_token"], rows["stream"]))]
    same = rows["stream"][1:] == rows["stream"][:-1]
    gaps, streams = np.diff(rows["time_ns"])[same], rows["stream"][1:][same]
    assert len(gaps) == len(times) * 298
    long = prompts[streams] + 300 > 4_096
    for program in (gaps[long], gaps[~long]):
        if len(program):
            assert program.max() - program.min() < 1_000
    assert gaps[long].min(initial=10**9) > gaps[~long].min()


@pytest.mark.parametrize("requests", [1, 16, 60])
def test_load_does_not_move_the_gap(requests: int) -> None:
    rig = Rig(role="prefill", sram_blocks=100_000)
    for number in range(requests):
        rig.submit(number * 20_000_000, request(number, prompt=300 + 7 * number, output=400))
    gaps = pass_gaps(rig)
    assert len(gaps) == requests * 398
    assert gaps.min() >= GAP_NS
    assert gaps.max() < GAP_NS + 1_000
    assert np.mean(gaps == GAP_NS) > 0.95


def test_without_realignment_there_is_no_jitter_at_all() -> None:
    rig = Rig(role="prefill", realign_ns=0)
    for number in range(10):
        rig.submit(number * 1_234_567, request(number, prompt=500, output=300))
    assert set(pass_gaps(rig)) == {GAP_NS}


def test_slots_are_a_limit_and_are_taken_in_phase() -> None:
    rig = Rig(role="prefill", slots=4, realign_ns=0, sram_blocks=100_000)
    for number in range(6):
        rig.submit(0, request(number, prompt=64, output=500))
    rig.run(300_000_000)
    assert (rig.lpu.running, rig.lpu.waiting) == (4, 2)
    rig.run()
    assert len(rig.finished) == 6


def test_requests_begin_at_their_slots_phase() -> None:
    rig = Rig(role="prefill", slots=4, realign_ns=0)
    for number in range(4):
        rig.submit(0, request(number, prompt=64 + number, output=50))
    rows = rig.run().deliveries
    rows = rows[rows["worker"] == 1]
    phases = {int(stream): set(rows["time_ns"][rows["stream"] == stream] % GAP_NS) for stream in range(4)}
    assert phases == {number: {number * GAP_NS // 4} for number in range(4)}


def test_sram_is_a_hard_limit() -> None:
    # Each request may need 70 blocks: two fit into 150, the third waits although 16 slots are there.
    rig = Rig(role="prefill", sram_blocks=150)
    for number in range(3):
        rig.submit(0, request(number, prompt=20 * 16, output=30 * 16, limit=50 * 16))
    rig.run(400_000_000)
    assert (rig.lpu.running, rig.lpu.waiting) == (2, 1)
    assert rig.sram.active + rig.sram.reserved == 140
    events = rig.run()
    assert len(rig.finished) == 3
    assert rig.sram.reserved == rig.sram.active == rig.hbm.active == 0
    queued = [row["duration_ns"] for row in events.phases if row["phase"] == "queue" and row["worker"] == 1]
    assert max(queued) > 100_000_000


def test_kv_is_moved_before_decoding_and_only_what_is_missing() -> None:
    rig = Rig(role="prefill")
    rig.submit(0, request(0, prompt=1_600, output=33))
    events = rig.run(5 * 10**9)
    (transfer,) = [row for row in events.phases if row["phase"] == "transfer"]
    assert transfer["bytes"] == 100 * (2 << 20)
    assert transfer["duration_ns"] == pytest.approx(1_000_000 + transfer["bytes"] / 36e9 * 1e9, abs=2)
    rows = events.deliveries
    assert rows["worker"].tolist() == [0] + [1] * 32
    assert rows["first_token"].tolist() == list(range(33))
    assert rows["time_ns"][1] >= transfer["start_ns"] + transfer["duration_ns"] + GAP_NS
    assert rig.hbm.active == 0
    rig.submit(10**10, request(0, prompt=1_600 + 33 + 47, output=20))
    (transfer,) = [row for row in rig.run().phases if row["phase"] == "transfer"]
    # 1,632 tokens were left in SRAM in full blocks, of 105 that the new prompt fills.
    assert transfer["bytes"] == (105 - 102) * (2 << 20)


def test_what_is_delivered_at_the_end_of_an_advance_is_not_in_it() -> None:
    whole, cut = (Rig(role="prefill") for _ in range(2))
    for rig in (whole, cut):
        # Late enough for the clock to have been realigned: its time is not program time.
        rig.submit(2 * 10**9, request(0, prompt=100, output=40))
    times = whole.run().deliveries["time_ns"]
    assert cut.run(int(times[20])).deliveries["time_ns"].tolist() == times[:20].tolist()
    assert cut.run(int(times[20]) + 1).deliveries["time_ns"].tolist() == [times[20]]


def test_sram_left_is_what_weights_leave() -> None:
    assert sram_left(CHIP, 64, MODEL, 1) == 64 * 230_000_000 - 8_030_261_248
    with pytest.raises(ValueError, match="do not fit"):
        sram_left(CHIP, 32, MODEL, 1)


@given(
    now=st.integers(0, 200_000),
    phase=st.integers(0, 2_999),
    most=st.integers(0, 1_000),
)
def test_next_in_phase_is_the_first_that_is_not_over(now: int, phase: int, most: int) -> None:
    # A short period, so that realignments fall between a pass and the time that is asked for.
    clock = DeviceClock(generator(5, "realign"), period_ns=4_000, most_ns=most)
    program = clock.next_in_phase(now, phase, 3_000)
    assert program % 3_000 == phase
    assert clock.time_ns(program) >= now
    assert program < 3_000 or clock.time_ns(program - 3_000) < now


def test_the_clock_says_the_same_in_whatever_order_it_is_asked() -> None:
    times = np.arange(0, 300 * 10**9, 10**8)
    at_once = DeviceClock(generator(5, "realign"), period_ns=100_000_000, most_ns=1_000).times_ns(times)
    clock = DeviceClock(generator(5, "realign"), period_ns=100_000_000, most_ns=1_000)
    assert [clock.time_ns(int(time)) for time in times] == at_once.tolist()
    assert np.all(np.diff(at_once - times) < 1_000)
    assert np.all(np.diff(at_once - times) >= 0)
