"""An emulated cluster with faults, stepped and seen through our own collectors: every Frame, for the tests of what faults look like."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from collectors.model.figure import Figure
from collectors.model.frame import Frame, RiverRow, SignalRow, TargetRow, WorkerRow
from collectors.model.requests import RequestRow
from collectors.model.vocabulary import Phase
from collectors.observe import Observation
from collectors.session.clock import TICK_NS, VirtualClock
from collectors.session.session import Session
from collectors.wire.http import HttpClient
from collectors.wire.limits import Limits
from tui.emulator import Emulator

GPUS = """
name = "two"
about = "two GPUs, by turns"
model = "llama-3.1-8b"
migration_limit = 3
[[worker]]
kind = "gpu"
id = "gpu-0/0"
role = "aggregated"
chip = "H100-SXM"
engine = "vllm-2025"
kv_pool_bytes = 8_000_000_000
[[worker]]
kind = "gpu"
id = "gpu-1/0"
role = "aggregated"
chip = "H100-SXM"
engine = "vllm-2025"
kv_pool_bytes = 8_000_000_000
[host]
owner = "host-0"
dram_bytes = 0
flash_bytes = 0
[[rule]]
name = "turns"
labels = []
roles = ["aggregated"]
policy = "round-robin"
"""
LPUS = """
name = "handed on"
about = "a GPU that computes prompts, LPUs that generate, by turns"
model = "llama-3.1-8b"
migration_limit = 3
[[worker]]
kind = "gpu"
id = "gpu-0/0"
role = "prefill"
chip = "H100-SXM"
engine = "vllm-2025"
kv_pool_bytes = 8_000_000_000
[[worker]]
kind = "lpu"
id = "lpu-0/0"
chip = "Groq-LPU-v1"
chips = 64
slots = 16
[[worker]]
kind = "lpu"
id = "lpu-1/0"
chip = "Groq-LPU-v1"
chips = 64
slots = 16
[host]
owner = "host-0"
dram_bytes = 0
flash_bytes = 0
[[rule]]
name = "turns"
labels = []
roles = ["decode"]
policy = "round-robin"
"""


def load(
    name: str,
    *,
    prompt: int,
    output: int,
    rate: float = 0.0,
    standing: int = 0,
    shared: int = 0,
    turns: int = 1,
    pause_s: float = 1.0,
) -> str:
    """Requests that are all alike."""

    def always(value: float) -> str:
        return f"{{ median = {value}, sigma = 0, low = {value}, high = {value} }}"

    return f"""
[[load]]
name = "{name}"
kind = "interactive"
rate = {rate}
turns = {always(turns)}
first_input = {always(prompt)}
next_input = {always(prompt)}
output = {always(output)}
limit = {output}
pause = {always(pause_s)}
shared_tokens = {shared}
standing = {standing}
standing_within_s = 0.2
"""


@dataclass
class Seen:
    """Every Frame, a quarter of a second apart, and what was signalled then."""

    frames: list[Frame] = field(default_factory=list)
    signals: list[tuple[SignalRow, ...]] = field(default_factory=list)

    def at(self, seconds: float) -> Frame:
        return next(frame for frame in self.frames if frame.time_ns == round(seconds * 1e9))

    def worker(self, name: str, seconds: float) -> WorkerRow:
        return next(row for row in self.at(seconds).workers if row.id == name)

    def tokens(self, name: str) -> list[int]:
        """Output tokens of a worker in each quarter of a second."""
        tokens: list[int] = np.frombuffer(self._river(name).tokens, "<u2")[-len(self.frames) :].tolist()
        return tokens

    def late(self, name: str) -> list[int]:
        return list(self._river(name).late)[-len(self.frames) :]

    def _river(self, name: str) -> RiverRow:
        return next(row for row in self.frames[-1].river if row.worker == name)

    def target(self, name: str, seconds: float) -> TargetRow:
        return next(row for row in self.at(seconds).targets if row.name == name)

    def signal(self, target: str, metric: str, seconds: float) -> Figure:
        """What a counter of a page has come to since it was first seen, resets and all."""
        rows = self.signals[round(seconds * 4) - 1]
        (row,) = [one for one in rows if one.target == target and one.metric == metric]
        assert isinstance(row.value, Figure)
        return row.value

    def total(self, target: str, metric: str, seconds: float) -> float:
        value = self.signal(target, metric, seconds).value
        assert value is not None
        return float(value)

    def requests(self) -> list[RequestRow]:
        """The last that any Frame said of each request, in order of when it came."""
        last = {row.id: row for frame in self.frames for row in frame.requests}
        return sorted(last.values(), key=lambda row: row.at or 0.0)

    def phases(self, phase: Phase, worker: str) -> list[tuple[float, float]]:
        """When each such phase began, and how long it took."""
        return [
            (row.at + one.start_s[0], one.duration_s[0])
            for row in self.requests()
            for one in row.phases
            if one.phase is phase and one.worker == worker and one.start_s is not None and row.at is not None
        ]


async def watch(folder: Path, scenario: str, seconds: float, *faults: str, limits: Limits | None = None) -> Seen:
    path, seen, clock = folder / "played.toml", Seen(), VirtualClock()
    path.write_text(scenario)
    session = Session(clock.kind)
    client = HttpClient(limits) if limits else HttpClient()
    async with Emulator(str(path), seed=3, clock="stepped", faults=faults) as emulator, client:
        observation = Observation(session, emulator.sources(client), clock, seen.frames.append)
        await observation.step(0)
        for tick in range(1, round(seconds * 4) + 1):
            await emulator.advance(tick * TICK_NS)
            clock.time_ns = tick * TICK_NS
            await observation.step(clock.time_ns)
            seen.signals.append(session.signals(clock.time_ns))
        await observation.close()
    return seen
