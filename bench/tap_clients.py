"""Clients that know nothing of us, direct against tapped, opt in: `python -m bench tap_clients` with BENCH_PEERS=1, which installs OpenAI's package and NVIDIA's aiperf into a throw-away venv.

Fifty streams at once from an upstream at a steady pace, upstream, tap and client each a process: direct, tapped, and through a bare relay of bytes, which tells what another process
on the way costs on this machine. OpenAI's client has all three at once, asked request by request in turn; aiperf has one address a run, so there rounds are in turn. The first fifty
requests of a round, which have a connection made, are told apart. These are times of processes that share the cores with each other and all else: where the machine was busy before,
there is no verdict. Differences have an interval that 95 % of such benches would have (bootstrap over requests).
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from bench.openai_api import installed, not_asked
from bench.result import Result
from tests.real.models import hugging_face

AT_ONCE: Final = 50
TOKENS: Final = 20
GAP_S: Final = 0.4
"""125 events a second of each address. OpenAI's package takes about a millisecond of a busy core for each: with much more it would measure itself."""
COUNTED: Final = 250
"""Requests of a round, in turn direct and tapped; those before them, until so many are at once, make the connections that all others use, and are told apart."""
ROUNDS: Final = 8
AIPERF_ROUNDS: Final = 4
"""Each takes it half a minute beside the streams."""
EVERY_S: Final = TOKENS * GAP_S / AT_ONCE
"""Between requests, so that so many are at once."""
IDLE: Final = 0.25
"""Of the cores: the load average above which others were there before."""
MEDIAN_S: Final = 0.0003
P99_S: Final = 0.001
DRAWS: Final = 500
CHILD: Final = Path(__file__).with_name("tap_child.py")


@dataclass
class Run:
    """Seconds, as a client timed them; `early` are first pieces of requests that had a connection made."""

    errors: int = 0
    ttft: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    early: list[float] = field(default_factory=list)


@contextmanager
def child(*command: str) -> Iterator[str]:
    """The first line that a process says, which ends with its standard input."""
    arguments = [sys.executable, "-m", *command]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def openai(folder: Path, urls: Sequence[str]) -> list[Run]:
    """A round; a run for each address."""
    numbers = map(str, (AT_ONCE + COUNTED, TOKENS, EVERY_S))
    ran = subprocess.run([folder / "bin/python", CHILD, *numbers, *urls], check=True, capture_output=True, timeout=300)
    runs = [Run() for _ in urls]
    *rows, last = map(json.loads, ran.stdout.splitlines())
    print(f"openai took {last['cpu']:.0%} of a core", file=sys.stderr)
    for number, row in enumerate(rows):
        run = runs[row["of"]]
        if "error" in row:
            run.errors += 1
            print(row["error"], file=sys.stderr)
        else:
            (run.early if number < AT_ONCE * len(urls) else run.ttft).append(row["ttft"])
            run.gap += row["gaps"]
    return runs


def aiperf(folder: Path, urls: Sequence[str]) -> list[Run]:
    """A round for each address."""
    return [_aiperf(folder, url) for url in urls]


def _aiperf(folder: Path, url: str) -> Run:
    """Gaps are each request's mean. It is not to ask for metrics: the tap has some and this upstream has none, and reading them takes it its time."""
    out = folder / f"aiperf-{url.rpartition(':')[2]}"
    # fmt: off
    command: list[str | Path] = [
        folder / "bin/aiperf", "profile", "--model", "tiny", "--url", url, "--endpoint-type", "chat", "--streaming", "--use-server-token-count",
        "--tokenizer", hugging_face(folder / "tokenizer"), "--concurrency", str(AT_ONCE), "--request-rate", str(1 / EVERY_S), "--request-rate-mode", "constant",
        "--request-count", str(AT_ONCE + COUNTED), "--random-seed", "1", "--synthetic-input-tokens-mean", "64", "--output-tokens-mean", str(TOKENS),
        "--output-tokens-stddev", "0", "--artifact-dir", out, "--ui", "none", "--no-auto-plot", "--no-server-metrics",
    ]
    # fmt: on
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    rows = [json.loads(line) for line in (out / "profile_export.jsonl").read_text().splitlines()]
    rows.sort(key=lambda row: int(row["metadata"]["request_start_ns"]))
    run = Run(errors=sum(bool(row.get("error")) for row in rows))
    for number, row in enumerate(rows):
        if not row.get("error"):
            first = float(row["metrics"]["time_to_first_token"]["value"]) / 1e3
            (run.early if number < AT_ONCE else run.ttft).append(first)
            run.gap.append(float(row["metrics"]["inter_token_latency"]["value"]) / 1e3)
    return run


def compared(
    name: str, direct: Sequence[Run], tapped: Sequence[Run], relayed: Sequence[Run], load: float | None
) -> list[Result]:
    """`load`: of a machine that was too busy for a verdict."""
    note = "" if load is None else f"; busy: load {load:.1f}"
    errors = [sum(run.errors for run in runs) for runs in (direct, tapped)]

    def verdict(met: bool) -> bool | None:
        return met if load is None else None

    asked = (AT_ONCE + COUNTED) * len(direct)
    found = f"{errors[1]} of {asked} (direct {errors[0]})"
    results = [Result(f"tap: {name}, errors", "no more than direct", found + note, verdict(errors[1] <= errors[0]))]
    kinds: tuple[tuple[str, Callable[[Run], list[float]]], ...] = (
        ("TTFT", lambda run: run.ttft),
        ("gap", lambda run: run.gap),
    )
    for what, times in kinds:
        n = sum(len(times(run)) for run in tapped)
        for percent, goal_s in ((50, MEDIAN_S), (99, P99_S)):
            before, after = quantile(direct, times, percent), quantile(tapped, times, percent)
            between = "" if what == "gap" else ", 95 %: {:+.2f}…{:+.2f}".format(*interval(direct, tapped, percent))
            found = f"{(after - before) * 1e3:+.2f} ms{between} ({before * 1e3:.2f}, {after * 1e3:.2f}; n {n:,}{note})"
            results.append(
                Result(
                    f"tap: {name}, {what} p{percent} later than direct",
                    f"<= {goal_s * 1e3:g} ms",
                    found,
                    verdict(after - before <= goal_s),
                )
            )
    added = [
        (quantile(relayed, lambda run: run.ttft, percent) - quantile(direct, lambda run: run.ttft, percent)) * 1e3
        for percent in (50, 99)
    ]
    results.append(
        Result(
            f"tap: {name}, TTFT later than direct through a bare relay of bytes",
            "",
            "p50 {:+.2f} ms, p99 {:+.2f} ms".format(*added),
            None,
        )
    )
    before, after = (quantile(runs, lambda run: run.early, 50) for runs in (direct, tapped))
    results.append(
        Result(
            f"tap: {name}, TTFT p50 later than direct where a connection is made",
            "",
            f"{(after - before) * 1e3:+.2f} ms ({before * 1e3:.2f}, {after * 1e3:.2f})",
            None,
        )
    )
    return results


def quantile(runs: Sequence[Run], times: Callable[[Run], list[float]], percent: int) -> float:
    """Of all rounds together: a round has too few for its p99."""
    return statistics.quantiles([one for run in runs for one in times(run)], n=100)[percent - 1]


def interval(direct: Sequence[Run], tapped: Sequence[Run], percent: int) -> tuple[float, float]:
    """Of the difference between two quantiles of TTFT, in milliseconds: what 95 % of samples drawn again from both give. A request's gaps depend on each other; TTFTs are of different ones."""
    draw = np.random.default_rng(1)
    sides = [np.array([one for run in runs for one in run.ttft]) * 1e3 for runs in (tapped, direct)]
    found = [
        np.subtract(*(np.percentile(draw.choice(side, len(side)), percent) for side in sides)) for _ in range(DRAWS)
    ]
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)


def run() -> list[Result]:
    if not_asked():
        return [Result("unmodified clients through the tap", "", "BENCH_PEERS=1 installs and runs them", None)]
    with installed() as folder:
        before = os.getloadavg()[0]
        load = before if before > IDLE * (os.cpu_count() or 1) else None
        results = []
        with child("bench.paced_child", str(GAP_S)) as upstream:
            listen = ("--listen", "127.0.0.1:0", "--exit-with-stdin")
            host, port = upstream.removeprefix("http://").split(":")
            with (
                child("tui", "tap", "--upstream", upstream, *listen) as said,
                child("bench.relay_child", host, port) as relay,
            ):
                urls = upstream, json.loads(said)["tap"], relay
                for name, client, rounds in (("openai", openai, ROUNDS), ("aiperf", aiperf, AIPERF_ROUNDS)):
                    runs = [client(folder, urls) for _ in range(rounds)]
                    direct, tapped, relayed = zip(*runs, strict=True)
                    results += compared(name, direct, tapped, relayed, load)
    return results
