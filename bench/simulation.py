"""Simulation only, on one core: one hour of 9 GPU workers of 8 H100 each and 8 LPU workers under an agentic load. No server, no reader.

Run in a process of its own, so that its memory is its own. Utilisation is the share of time in which a GPU worker has a request
running, and the share of LPU slots that are taken, sampled once a second.
"""

import json
import resource
import subprocess
import sys
import time
from typing import Final

from bench.result import Result
from emulators.cluster import Cluster
from emulators.router import Rule, Weights
from emulators.specs import GpuSpec, HostSpec, LpuSpec, Scenario
from emulators.workload import Archetype, Spread

HOUR_S: Final = 3_600
STEP_NS: Final = 1_000_000_000
GIB: Final = 1 << 30
SLOTS: Final = 4
"""Requests in an LPU group's pipeline at most: an assumption, small so that 60 % of it can be reached."""
LOAD: Final = (0.95, 0.20)
"""New sessions a second that decode on LPUs, and on GPUs."""
STANDING_S: Final = 150
"""Sessions under way at the start, in seconds of arrivals: about how long a session lasts, so that the first minutes are as busy as the others."""


def scenario(*, agents_per_s: float, background_per_s: float) -> Scenario:
    """9 workers of 8 H100 (4 prefill, 5 aggregated) and 8 LPU groups, Llama-3.1-70B; sessions of 45 calls with growing contexts, as coding agents make them."""
    return Scenario(
        name="hour",
        about="simulation speed",
        model="llama-3.1-70b",
        workers=(
            *(
                GpuSpec(f"p-{i}", role="prefill", chip="H100-SXM", engine="vllm-2025", chips=8, bytes_per_weight=1)
                for i in range(4)
            ),
            *(
                GpuSpec(f"a-{i}", role="aggregated", chip="H100-SXM", engine="vllm-2025", chips=8, bytes_per_weight=1)
                for i in range(5)
            ),
            *(LpuSpec(f"lpu-{i}", chip="Groq-LPU-v1", chips=704, slots=SLOTS) for i in range(8)),
        ),
        host=HostSpec("host-0", dram_bytes=512 * GIB, flash_bytes=2_048 * GIB),
        rules=(
            Rule("agents-to-lpu", frozenset({"interactive"}), frozenset({"decode"})),
            Rule("others-by-score", frozenset(), frozenset({"aggregated"})),
        ),
        weights=Weights(),
        load=(
            _agents("agent", "interactive", agents_per_s),
            _agents("background-agent", "batch", background_per_s),
        ),
    )


def _agents(name: str, kind: str, rate: float) -> Archetype:
    return Archetype(
        name=name,
        kind=kind,
        rate=rate,
        turns=Spread(45, 0.8, 6, 160),
        first_input=Spread(8_000, 0.5, 1_000, 20_000),
        next_input=Spread(420, 1.0, 20, 6_000),
        output=Spread(216, 0.9, 16, 2_048),
        limit=2_048,
        pause=Spread(1.4, 0.3, 0.5, 3),
        away=0.06,
        away_pause=Spread(25, 0.8, 5, 120),
        shared_tokens=3_072,
        applications=2,
        standing=round(STANDING_S * rate),
        standing_within_s=30.0,
        workflow=True,
    )


def measure(seconds: int, agents_per_s: float, background_per_s: float) -> dict[str, float]:
    """CPU seconds, peak memory, tokens and utilisation of so long a simulation in this process."""
    cluster = Cluster(scenario(agents_per_s=agents_per_s, background_per_s=background_per_s), 1, keep_gaps=False)
    gpus = [worker for worker in cluster.workers if worker.device == "GPU"]
    lpus = [worker for worker in cluster.workers if worker.device == "LPU"]
    tokens = stepping = taken = samples = 0
    start = time.process_time()
    for at in range(STEP_NS, seconds * 1_000_000_000 + 1, STEP_NS):
        tokens += len(cluster.advance(at).deliveries)
        samples += 1
        stepping += sum(worker.stats.running > 0 for worker in gpus)
        taken += sum(worker.stats.running for worker in lpus)
    cpu = time.process_time() - start
    requests = cluster.truth()["requests"]
    return {
        "cpu_s": cpu,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "tokens": tokens,
        "steps": sum(worker.stats.steps for worker in gpus),
        "gpu": stepping / samples / len(gpus),
        "lpu": taken / samples / SLOTS / len(lpus),
        "finished": requests["finished"],
        "live": requests["live"],
    }


def run() -> list[Result]:
    """The whole hour, in a process of its own."""
    command = [sys.executable, "-m", "bench.simulation", str(HOUR_S), *map(str, LOAD)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    cpu, memory = found["cpu_s"], found["rss_mb"]
    used = f"GPU {found['gpu']:.0%}, LPU slots {found['lpu']:.0%}, {found['finished'] / HOUR_S:.0f} requests/s"
    return [
        Result("simulate an hour: 9 H100-TP8, 8 LPU", "< 60 s CPU (aim 20)", f"{cpu:.0f} s CPU; {used}", cpu < 60),
        Result("its memory at most", "< 500 MB", f"{memory:.0f} MB", memory < 500),
    ]


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))))
