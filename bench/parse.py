"""Exposition text: our reader against prometheus_client's parser on the same pages, in the same process, by turns.

The pages are a captured one of vLLM, and the same as a server with six engines would write it.
"""

import random
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from bench.result import Result
from collectors.wire.exposition import PageReader, SampleKey, parse

CAPTURED: Final = Path(__file__).parents[1] / "tests/fixtures/vllm/under_load.metrics.txt"
ENGINES: Final = 6
SUBSCRIBED: Final = frozenset(
    {
        "vllm:num_requests_running",
        "vllm:num_requests_waiting",
        "vllm:kv_cache_usage_perc",
        "vllm:prompt_tokens_total",
        "vllm:generation_tokens_total",
        "vllm:num_preemptions_total",
        "vllm:request_success_total",
        "vllm:time_to_first_token_seconds",
        "vllm:inter_token_latency_seconds",
        "vllm:request_time_per_output_token_seconds",
        "vllm:e2e_request_latency_seconds",
        "vllm:request_queue_time_seconds",
    }
)
BEGAN: Final = re.compile(rb"_created\b|_start_time_seconds\b")
ROUNDS: Final = 9


def several_engines(page: bytes) -> bytes:
    lines: list[bytes] = []
    for line in page.split(b"\n"):
        labelled = b'engine="0"' in line
        lines += [line.replace(b'engine="0"', b'engine="%d"' % n) for n in range(ENGINES if labelled else 1)]
    return b"\n".join(lines)


def later(page: bytes, share: float, seed: int) -> bytes:
    """The page of a later scrape, with this share of its values risen: counts by whole numbers, sums and times by fractions. When something began stays."""
    rng = random.Random(seed)
    lines = page.split(b"\n")
    for row, line in enumerate(lines):
        if line and not line.startswith(b"#") and rng.random() < share:
            series, _, value = line.rpartition(b" ")
            if BEGAN.search(series):
                continue
            rise = rng.choice((1, 3, 40)) * (1.0 if float(value).is_integer() else 0.0625)
            lines[row] = series + b" " + repr(float(value) + rise).encode()
    return b"\n".join(lines)


def by_turns(actions: dict[str, tuple[Callable[[], object], int]]) -> dict[str, float]:
    """Median CPU seconds of one call of each action, over rounds in which each is called as often as its number says."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(ROUNDS):
        for name, (action, calls) in actions.items():
            start = time.process_time()
            for _ in range(calls):
                action()
            seconds[name].append((time.process_time() - start) / calls)
    return {name: statistics.median(runs) for name, runs in seconds.items()}


def scrapes(pages: list[bytes], wanted: frozenset[str] | None = None) -> Callable[[], object]:
    """A reader that goes round `pages`, of which it has seen the first."""
    reader = PageReader(wanted=wanted.__contains__ if wanted else None)
    reader.read(pages[0])
    turn = 0

    def step() -> None:
        nonlocal turn
        turn += 1
        reader.read(pages[turn % len(pages)])

    return step


def measure(page: bytes) -> dict[str, float]:
    text = page.decode()
    half = [later(page, 0.5, seed) for seed in range(4)]
    full = [later(page, 1, seed) for seed in range(4)]
    grown = page + b'bench_probe{of="layout"} 1\n'
    return by_turns(
        {
            "client": (lambda: list(text_string_to_metric_families(text)), 1),
            "split": (lambda: page.split(b"\n"), 40),
            "half": (scrapes(half), 40),
            "all": (scrapes(full), 40),
            "cold": (lambda: parse(page), 4),
            "layout": (scrapes([page, grown]), 4),
            "subscribed": (scrapes(half, SUBSCRIBED), 40),
            "same": (scrapes([page, bytes(bytearray(page))]), 40),
        }
    )


def run() -> list[Result]:
    small = CAPTURED.read_bytes()
    big = several_engines(small)
    results: list[Result] = []

    def against_client(name: str, seconds: dict[str, float], what: str, goal: float | None) -> None:
        ratio = seconds["client"] / seconds[what]
        results.append(
            Result(
                f"parse, {name}",
                f">= {goal:g}x prometheus_client" if goal else "",
                f"{ratio:,.1f}x  ({seconds[what] * 1e6:,.0f} us)",
                ratio >= goal if goal else None,
            )
        )

    for page in (small, big):
        seconds = measure(page)
        lines = f"{page.count(10):,} lines"
        against_client(f"{lines}, half of the values changed", seconds, "half", 45)
        against_client(f"{lines}, all values changed", seconds, "all", 45)
        against_client(f"{lines}, first page", seconds, "cold", 2.5)
        against_client(f"{lines}, layout changed", seconds, "layout", 2.5)
        against_client(f"{lines}, nothing changed", seconds, "same", None)
        if page is big:
            count = len(subscribed(page))
            against_client(f"{lines}, {len(SUBSCRIBED)} families ({count} series)", seconds, "subscribed", 120)
            ratio = seconds["half"] / seconds["split"]
            results.append(Result(f"parse, {lines}, half changed", "<= 3x one split", f"{ratio:.2f}x", ratio <= 3))
    return results


def subscribed(page: bytes) -> tuple[SampleKey, ...]:
    reader = PageReader(wanted=SUBSCRIBED.__contains__)
    reader.read(page)
    return reader.keys
