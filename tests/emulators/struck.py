"""A quiet cluster, requests to it, and faults, for the tests of what faults do."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emulators.asking import Asked
from emulators.cluster import Cluster
from emulators.events import Row
from emulators.faults.fault import written
from emulators.prompts import Part, Prompts, names
from emulators.router import Rule
from emulators.scenarios import DEFAULT
from emulators.specs import GpuSpec, LpuSpec, Scenario
from emulators.stats import Ints
from tests.emulators.rig import Played

SECOND = 1_000_000_000
QUIET = replace(DEFAULT, load=())
"""Batch goes to gpu-1/0, interactive through gpu-0/0 to the LPUs."""
TWO = replace(
    QUIET,
    workers=(
        GpuSpec("gpu-0/0", role="aggregated", chip="H100-SXM", engine="vllm-2025", kv_pool_bytes=1 << 30),
        GpuSpec("gpu-1/0", role="aggregated", chip="H100-SXM", engine="vllm-2025", kv_pool_bytes=1 << 30),
    ),
    rules=(Rule("all", frozenset(), frozenset({"aggregated"})),),
)
"""Two GPUs that do everything, with room for 8,192 tokens each."""
LPUS = replace(
    QUIET,
    workers=(
        GpuSpec("gpu-0/0", role="prefill", chip="H100-SXM", engine="vllm-2025", kv_pool_bytes=4 << 30),
        LpuSpec("lpu-0/0", chip="Groq-LPU-v1", chips=64, slots=4),
        LpuSpec("lpu-1/0", chip="Groq-LPU-v1", chips=64, slots=4),
    ),
    rules=(Rule("all", frozenset(), frozenset({"decode"})),),
)
PROMPTS = Prompts()


def struck(scenario: Scenario, *faults: str, seed: int = 1) -> Cluster:
    return Cluster(replace(scenario, faults=scenario.faults + tuple(written(one) for one in faults)), seed)


def ask(
    cluster: Cluster, name: str, at_s: float, prompt: int, output: int, kind: str = "interactive", say: str = ""
) -> Asked:
    """A request whose prompt is that of all that `say` the same."""
    text = [
        Part("user", (say or name).ljust(4).encode()[:4] * prompt),
        Part("assistant", name.ljust(4).encode()[:4] * output),
    ]
    asked = Asked(name, prompt, output, output, PROMPTS.context(names(text)), kind)
    cluster.ask(round(at_s * 1e9), asked)
    return asked


def gaps(played: Played, stream: int = 0) -> tuple[Ints, Ints]:
    """When each token of a stream but the first came, and how long after the one before."""
    rows = played.events.deliveries
    times = rows["time_ns"][rows["stream"] == stream].astype(np.int64)
    return times[1:], np.diff(times)


def between(times: Ints, values: Ints, from_s: float, to_s: float) -> Ints:
    chosen: Ints = values[(times >= from_s * 1e9) & (times < to_s * 1e9)]
    return chosen


def phases(played: Played, phase: str, request: str | None = None) -> Sequence[Row]:
    return [row for row in played.events.phases if row["phase"] == phase and request in (None, row["request"])]


def output_tokens(played: Played) -> int:
    return int(played.events.deliveries["tokens"].sum())
