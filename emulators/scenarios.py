"""Scenarios: which workers, with what memory, by which rules, under what load. A scenario is one row of the registry.

Data only; `emulators.cluster` makes it run. Those beside the default are the files in `emulators/deployments`, read as a user's own is (`emulators.scenario_file`).
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Final

from emulators.cluster import Cluster
from emulators.faults.fault import written
from emulators.router import Rule, Weights
from emulators.scenario_file import load, parse
from emulators.specs import GpuSpec, HostSpec, LpuSpec, Scenario
from emulators.traces import Trace
from emulators.workload import Archetype, Spread

GIB: Final = 1 << 30
TRACE: Final = "trace:"
"""What the name of a scenario begins with that replays a trace on the default deployment."""


class UnknownScenarioError(ValueError):
    """No scenario has that name; the message names those there are."""


DEFAULT: Final = Scenario(
    name="default",
    about="1 prefill GPU, 1 aggregated GPU, 2 LPU decoders; interactive, agent and batch load",
    model="llama-3.1-8b",
    workers=(
        GpuSpec("gpu-0/0", role="prefill", chip="H100-SXM", engine="vllm-2025", kv_pool_bytes=24 * GIB),
        GpuSpec("gpu-1/0", role="aggregated", chip="H100-SXM", engine="vllm-2025", kv_pool_bytes=20 * GIB),
        LpuSpec("lpu-0/0", chip="Groq-LPU-v1", chips=64, slots=16, context_tokens=32_768),
        LpuSpec("lpu-1/0", chip="Groq-LPU-v1", chips=64, slots=16, context_tokens=32_768),
    ),
    host=HostSpec("host-0", dram_bytes=40 * GIB, flash_bytes=512 * GIB),
    rules=(
        Rule("batch-to-aggregated", frozenset({"batch"}), frozenset({"aggregated"})),
        Rule("interactive-to-lpu", frozenset({"interactive", "short-context"}), frozenset({"decode"})),
        Rule("long-context-by-score", frozenset({"interactive", "long-context"}), frozenset({"decode", "aggregated"})),
        Rule("by-score", frozenset(), frozenset({"decode", "aggregated"})),
    ),
    weights=Weights(),
    load=(
        Archetype(
            name="chat",
            kind="interactive",
            rate=2.4,
            turns=Spread(4, 0.7, 1, 12),
            first_input=Spread(180, 1.0, 8, 4_000),
            next_input=Spread(90, 0.9, 4, 2_000),
            output=Spread(280, 0.6, 24, 1_024),
            limit=1_024,
            pause=Spread(9, 0.7, 2, 60),
            shared_tokens=640,
            applications=3,
            standing=100,
            standing_within_s=12.0,
            target_ttft_s=0.2,
        ),
        Archetype(
            name="agent",
            kind="interactive",
            rate=0.06,
            turns=Spread(45, 0.8, 6, 160),
            first_input=Spread(5_000, 0.5, 1_000, 12_000),
            next_input=Spread(420, 1.0, 20, 6_000),
            output=Spread(130, 0.8, 16, 512),
            limit=512,
            pause=Spread(1.4, 0.3, 0.5, 3),
            away=0.06,
            away_pause=Spread(25, 0.8, 5, 120),
            shared_tokens=3_072,
            applications=2,
            standing=12,
            standing_within_s=15.0,
            workflow=True,
            target_ttft_s=0.5,
        ),
        Archetype(
            name="summarise",
            kind="batch",
            rate=0.66,
            turns=Spread(1, 0, 1, 1),
            first_input=Spread(6_000, 0.4, 2_000, 14_000),
            next_input=Spread(1, 0, 1, 1),
            output=Spread(220, 0.4, 60, 512),
            limit=512,
            pause=Spread(1, 0, 1, 1),
            shared_tokens=256,
            burst=3,
        ),
        Archetype(
            name="report",
            kind="batch",
            rate=1.0,
            turns=Spread(1, 0, 1, 1),
            first_input=Spread(400, 0.5, 60, 2_000),
            next_input=Spread(1, 0, 1, 1),
            output=Spread(700, 0.4, 150, 2_048),
            limit=2_048,
            pause=Spread(1, 0, 1, 1),
            shared_tokens=128,
            standing=14,
            standing_within_s=1.0,
        ),
    ),
)


def _shipped() -> list[Scenario]:
    texts = [one for one in files("emulators.deployments").iterdir() if one.name.endswith(".toml")]
    default = {DEFAULT.name: DEFAULT}
    return [parse(one.read_text("utf-8"), one.name, default) for one in sorted(texts, key=lambda one: one.name)]


SCENARIOS: Final[dict[str, Scenario]] = {scenario.name: scenario for scenario in (DEFAULT, *_shipped())}


def scenario(name: str) -> Scenario:
    """One that is shipped, that of a file `….toml`, or of a trace, `trace:NAME` or `trace:PATH`.

    UnknownScenarioError if there is none of that name, ScenarioError if the file is wrong, TraceError if there is no such trace: all ValueErrors.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    if name.startswith(TRACE):
        return replace(DEFAULT, name=name, load=(), trace=Trace.of(name.removeprefix(TRACE)))
    if name.endswith(".toml"):
        return load(Path(name), SCENARIOS)
    known = ", ".join(sorted(SCENARIOS))
    raise UnknownScenarioError(
        f"unknown scenario {name!r}; known: {known}, a file of your own (NAME.toml), or {TRACE}NAME"
    )


def build(name: str, seed: int, *, keep_gaps: bool = True, faults: Sequence[str] = ()) -> Cluster:
    """A cluster at time 0 that plays the scenario. `seed` is not negative; `keep_gaps` as for `Cluster`; `faults` beside the scenario's, as they are written on a command line."""
    played = scenario(name)
    more = tuple(written(text) for text in faults)
    return Cluster(replace(played, faults=played.faults + more), seed, keep_gaps=keep_gaps)
