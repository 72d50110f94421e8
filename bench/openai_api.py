"""Clients that know nothing of us against `tokenyard emulate`, opt in: `python -m bench openai_api` with BENCH_PEERS=1, which installs OpenAI's package and NVIDIA's aiperf into a throw-away venv.

What they measure, from another process, is held against `/truth/tokens`. They can agree only where the emulator is given the CPU time that it needs: a token that the simulation is late with
is late for them.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.result import Result
from tests.real.models import hugging_face

PACKAGES: Final = ("openai==3.57.0", "aiperf==0.13.0")
MODEL: Final = "llama-3.1-8b"
REQUESTS: Final = 40
AT_ONCE: Final = 4
"""Of OpenAI's package. Four streams of an LPU are 2,800 events a second, about all that it reads on one core. aiperf's are one after another."""
PROMPT: Final = 1_000
"""Tokens. These clients take milliseconds of their own for a request and its first piece, which are in their TTFT: 2 and a half where nothing else runs."""
WITHIN: Final = "5 % + 1 ms"
CHILD: Final = Path(__file__).with_name("openai_child.py")


@dataclass(frozen=True)
class Timed:
    """Seconds of requests: TTFT, and the mean gap of each."""

    ttft: list[float]
    gap: list[float]


@contextmanager
def emulating() -> Iterator[str]:
    """The address of an emulator in a process of its own."""
    command = [sys.executable, "-m", "tui", "emulate", "default", "--port-base", "0", "--exit-with-stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["router"]
        finally:
            process.stdin.close()


def truth(url: str, begun_ns: int) -> dict[str, tuple[int, list[int]]]:
    """When each request from outside was received after `begun_ns`, and when its tokens were made, by its id."""
    with urllib.request.urlopen(f"{url}/truth/tokens?after_ns={begun_ns}") as response:
        columns = json.load(response)["tokens"]
    found: dict[str, tuple[int, list[int]]] = {}
    for name, received, time_ns in zip(columns["request"], columns["received_ns"], columns["time_ns"], strict=True):
        if name.startswith("h-"):
            found.setdefault(name, (received, []))[1].append(time_ns)
    return found


def timed(tokens: Sequence[tuple[int, list[int]]]) -> Timed:
    return Timed(
        [(times[0] - received) / 1e9 for received, times in tokens],
        [(times[-1] - times[0]) / (len(times) - 1) / 1e9 for _, times in tokens],
    )


def openai(python: Path, url: str) -> tuple[Timed, Timed, list[float], list[float]]:
    """Streams as the client and the simulation timed them, then whole times of the other requests, likewise."""
    begun_ns = now_ns(url)
    command: list[str | Path] = [python, CHILD, url, MODEL, str(REQUESTS), str(AT_ONCE), str(PROMPT)]
    ran = subprocess.run(command, check=True, capture_output=True)
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    true = truth(url, begun_ns)
    if any(row["tokens"] != len(true[row["id"].partition("-")[2]][1]) for row in rows):
        raise RuntimeError("the client counts other tokens than the simulation")
    streams = [row for row in rows if "ttft" in row]
    others = [row for row in rows if "ttft" not in row]
    said = Timed([row["ttft"] for row in streams], [statistics.fmean(row["gaps"]) for row in streams])
    made = [true[row["id"].partition("-")[2]] for row in others]
    whole = [(times[-1] - received) / 1e9 for received, times in made]
    return said, timed([true[row["id"].partition("-")[2]] for row in streams]), [row["whole"] for row in others], whole


def aiperf(folder: Path, url: str) -> tuple[Timed, Timed]:
    """As aiperf and as the simulation timed the same requests, one after another."""
    begun_ns = now_ns(url)
    out = folder / "aiperf"
    # fmt: off
    command: list[str | Path] = [
        folder / "bin/aiperf", "profile", "--model", MODEL, "--url", url, "--endpoint-type", "chat", "--streaming", "--use-server-token-count",
        "--tokenizer", hugging_face(folder / "tokenizer"), "--concurrency", "1", "--request-count", str(REQUESTS), "--random-seed", "1",
        "--synthetic-input-tokens-mean", str(4 * PROMPT), "--output-tokens-mean", "64", "--artifact-dir", out, "--ui", "none", "--no-auto-plot",
    ]
    # fmt: on
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    rows = [json.loads(line)["metrics"] for line in (out / "profile_export.jsonl").read_text().splitlines()]

    def column(name: str) -> list[float]:
        return [float(row[name]["value"]) / 1e3 for row in rows]

    true = list(truth(url, begun_ns).values())
    return Timed(column("time_to_first_token"), column("inter_token_latency")), timed(true[-len(rows) :])


def now_ns(url: str) -> int:
    with urllib.request.urlopen(f"{url}/clock") as response:
        answer: dict[str, Any] = json.load(response)
    return int(answer["now_ns"])


def agree(name: str, said: Sequence[float], true: Sequence[float]) -> Result:
    """Request by request: by how much the client's figure is off in the median, and for how many it is within the goal."""
    off = [theirs - ours for theirs, ours in zip(said, true, strict=True)]
    most = [0.05 * ours + 0.001 for ours in true]
    within = sum(abs(one) <= bound for one, bound in zip(off, most, strict=True))
    typical, median = statistics.median(off), statistics.median(true)
    found = f"{typical * 1e3:+.2f} of {median * 1e3:.2f} ms; {within} of {len(off)} within"
    return Result(name, WITHIN, found, abs(typical) <= 0.05 * median + 0.001)


def not_asked() -> bool:
    return not os.environ.get("BENCH_PEERS")


@contextmanager
def installed() -> Iterator[Path]:
    """A virtual environment with these clients: a throw-away one, or BENCH_VENV."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(os.environ.get("BENCH_VENV") or name)
        python = folder / "bin/python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        command: list[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *PACKAGES,
        ]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        yield folder


def run() -> list[Result]:
    if not_asked():
        return [Result("unmodified clients on the emulated API", "", "BENCH_PEERS=1 installs and runs them", None)]
    with installed() as folder, emulating() as url:
        said, true, whole, made = openai(folder / "bin/python", url)
        results = [
            agree("openai: TTFT", said.ttft, true.ttft),
            agree("openai: gap", said.gap, true.gap),
            agree("openai: time of a whole answer", whole, made),
        ]
        said, true = aiperf(folder, url)
        return [
            *results,
            agree("aiperf: TTFT", said.ttft, true.ttft),
            agree("aiperf: gap", said.gap, true.gap),
        ]
