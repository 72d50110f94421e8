"""How fast this machine is beside the one that goals in milliseconds and in shares of a core are of, by kernels that were timed there.

That one has 2 cores of an AMD EPYC at 2.6 GHz and Python 3.11.7, drifts by a factor of 1.8 itself, and did what follows in the seconds that stand beside it. None of it is ours.
"""

import json
import statistics
import time
from collections.abc import Callable
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from bench.parse import CAPTURED, several_engines
from bench.result import Result

EVENT: Final = (
    '{"ts":1790000000.123456,"request":"req-00012345","token":1234,"phase":"decode","worker":"lpu-decode-012",'
    '"device":"LPU","tier":"SRAM","reason":"kv overlap"}'
)
"""An event with names, of 149 bytes or hardly more."""
EVENTS: Final = 20_000
EVENT_S: Final = 1 / 0.43e6
"""`json.loads` of one."""
LINE_S: Final = 37.6e-3 / 2_866
"""prometheus_client's parser, for a line of a page of vLLM with six engines."""
ROUNDS: Final = 5


def _loads() -> float:
    for _ in range(EVENTS):
        json.loads(EVENT)
    return EVENTS * EVENT_S


def _parser() -> Callable[[], float]:
    page = several_engines(CAPTURED.read_bytes()).decode()

    def parse() -> float:
        for _ in text_string_to_metric_families(page):
            pass
        return page.count("\n") * LINE_S

    return parse


def slower() -> dict[str, float]:
    """How many times as long as that machine this one takes now, by kernel: medians, alternating."""
    kernels = {"json.loads of events": _loads, "prometheus_client's parser": _parser()}
    times: dict[str, list[float]] = {name: [] for name in kernels}
    for _ in range(ROUNDS):
        for name, kernel in kernels.items():
            begun = time.process_time()
            there_s = kernel()
            times[name].append((time.process_time() - begun) / there_s)
    return {name: statistics.median(some) for name, some in times.items()}


def run() -> list[Result]:
    return [
        Result(f"Beside the goals' machine: {name}", "", f"{by:.2f}× the time", None) for name, by in slower().items()
    ]
