"""Tails are made by what a step holds, not drawn: lengths and rates are in each test. Llama-3.1-70B FP8 on one H200, vLLM of 2025, seed 11, KV 8 bit."""

import numpy as np
import numpy.typing as npt
import pytest

from emulators import catalogue
from emulators.blocks import Context
from emulators.channel import Channel
from emulators.gpu import StepModel, StepNoise, pool_bytes
from emulators.gpu_worker import GpuLimits, GpuWorker, Hooks
from emulators.journal import Journal
from emulators.kv import Pool
from emulators.loop import Loop
from emulators.observed import Observed
from emulators.randomness import generator
from emulators.request import Request

SEED = 11
H200 = catalogue.gpu("H200-SXM")
MODEL = catalogue.models()["llama-3.1-70b"]
ENGINE = catalogue.engines()["vllm-2025"]
STEPS = StepModel.of(H200, 1, MODEL, ENGINE, bytes_per_weight=1, bytes_per_kv_value=1)

Gaps = npt.NDArray[np.float64]


def gaps_ms(arrivals: list[tuple[float, int, int]], *, prefill_first: bool = False) -> Gaps:
    """All gaps of one engine that gets (time in seconds, prompt, output) each, in milliseconds."""
    loop, journal = Loop(), Journal()
    block = STEPS.kv_bytes_per_token * 16
    pool = Pool(0, "HBM", "gpu", 0, pool_bytes(H200, 1, STEPS.weight_bytes, ENGINE) // block, block, journal)
    finished: list[Request] = []
    worker = GpuWorker(
        0,
        "aggregated",
        loop=loop,
        journal=journal,
        model=STEPS,
        noise=StepNoise(generator(SEED, "noise"), ENGINE),
        limits=GpuLimits(8192, 256, prefill_first),
        front_end_ns=0,
        pool=pool,
        sources=lambda request: (),
        egress=Channel(1.0, 0),
        observed=Observed(fast_gaps=False, keep=True),
        hooks=Hooks(lambda request: None, lambda request, worker: None, finished.append),
    )
    for number, (time_s, prompt, output) in enumerate(arrivals):
        context = Context(number)
        context.grow(prompt + output)
        request = Request(f"r-{number}", number, round(time_s * 1e9), prompt, output, output, context, ())
        loop.at(request.received_ns, worker.submit, request)
    loop.run(10**15, lambda: None)
    assert len(finished) == len(arrivals)
    worker.observed.flush()
    gaps = worker.observed.gaps.values
    assert len(gaps) == sum(output - 1 for _, _, output in arrivals)
    return gaps / 1e6


def poisson(rate: float, seconds: float, seed: int) -> list[tuple[float, int, int]]:
    """Arrivals at `rate` per second of prompts of 150 to 180 tokens that generate 200."""
    rng = generator(seed, "arrivals")
    times = np.cumsum(rng.exponential(1 / rate, round(rate * seconds)))
    return [
        (float(time), int(prompt), 200) for time, prompt in zip(times, rng.integers(150, 181, len(times)), strict=True)
    ]


def test_without_prefill_in_the_batch_gaps_are_steady() -> None:
    # 16 requests of 160 + 1,000 tokens that come at once: one prefill step, then decoding only.
    gaps = gaps_ms([(0.0, 160, 1_000)] * 16)
    p50, p99 = np.quantile(gaps, (0.5, 0.99))
    assert p99 / p50 <= 1.05
    # The one that came first waited for the prompts of the other 15; else there are only spikes of the host, at 2e-4 of steps.
    assert np.sort(gaps)[-2] < 9 * p50


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_prefills_that_share_steps_make_a_second_mode(seed: int) -> None:
    # Poisson, 3 requests/s for 200 s, 150 to 180 prompt tokens, 200 output tokens.
    gaps = gaps_ms(poisson(3.0, 200, seed))
    histogram, edges = np.histogram(gaps, bins=np.arange(0, 60, 0.5))
    first = edges[histogram.argmax()] + 0.25
    second_at = edges[:-1] > first + 3.5
    second = edges[:-1][second_at][histogram[second_at].argmax()] + 0.25
    assert 5 <= second - first <= 10
    # A valley lies between them, and the 99th percentile in the second mode.
    valley = histogram[(edges[:-1] > first + 1.5) & (edges[:-1] < second - 1.5)].min()
    assert valley < 0.5 * histogram[second_at].max()
    p50, p99 = np.quantile(gaps, (0.5, 0.99))
    assert abs(p50 - first) < 1.5
    assert 5 <= p99 - first <= 10
    in_second = np.mean((gaps > first + 3.5) & (gaps < first + 12))
    assert 0.03 < in_second < 0.15  # about rate × step: 3/s × 26 ms


def test_prefill_first_under_a_burst_stalls_decoding_by_far() -> None:
    # 24 requests of 160 + 400 tokens at 0 s; from 2 s on, 12 bursts 3 s apart of 4 prompts of 4,000 tokens with one output token each.
    talking = [(0.0, 160, 400)] * 24
    burst = [(2.0 + 3.0 * (n // 4), 4_000, 1) for n in range(48)]
    gaps = gaps_ms(talking + burst, prefill_first=True)
    p50, p99 = np.quantile(gaps, (0.5, 0.99))
    assert p99 >= 20 * p50
    shared = gaps_ms(talking + burst)
    assert np.quantile(shared, 0.99) < 0.7 * p99


def test_a_full_pool_makes_tails_by_preemption() -> None:
    # 40 requests of 8,000 + 2,000 tokens at once: 400,000 tokens of KV where 340,000 fit.
    gaps = gaps_ms([(0.01 * n, 8_000, 2_000) for n in range(40)])
    assert gaps.max() > 1_000
