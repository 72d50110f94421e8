"""The verdict against every fault that can be emulated, and against none: named rightly, not named, or named wrongly. `python -m bench.verdicts [SEEDS] [healthy] [CASE …]`

Each case is a scenario on its virtual clock, watched over the wire as ever. Right is what the fault is; what follows from it may be listed behind it; and what a healthy run may
say is its load's, and true with a fault as well. Anything else is wrong.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from collectors.model.frame import Frame
from collectors.model.verdict import Kind
from tui.headless import demo_frames

SMALL: Final = "small"
"""A scenario whose memory is so small that blocks do go."""
HEALTHY: Final = ("default", "aggregated", "disaggregated", "portable", "afd", "speculative", "policies", SMALL)
HEALTHY_S: Final = 90.0
SEEDS: Final = 5
LOADED: Final = frozenset({Kind.PREFILL_BURSTS, Kind.QUEUE, Kind.POOL_FULL, Kind.IMBALANCE})
"""What a healthy run may say, where its load is such: it is then true of it."""


class Named(NamedTuple):
    kind: Kind
    worker: str


@dataclass(frozen=True)
class Case:
    """`right`: what the fault is, any of them. `follows`: what it leads to."""

    name: str
    scenario: str
    fault: str
    seconds: float
    right: frozenset[Named]
    follows: frozenset[Kind] = frozenset()


def _case(
    name: str, scenario: str, fault: str, seconds: float, right: Sequence[tuple[Kind, str]], *follows: Kind
) -> Case:
    named = frozenset(Named(kind, worker) for kind, worker in right)
    return Case(name, scenario, fault, seconds, named, frozenset({*follows, *LOADED}))


CASES: Final = (
    _case("straggler", "aggregated", "straggler:gpu-1/0@40s", 75, [(Kind.STRAGGLER, "gpu-1/0")], Kind.SLOW_PREFILL),
    _case("straggler without a peer", "default", "straggler:gpu-1/0@40s", 75, [(Kind.STRAGGLER, "gpu-1/0")], Kind.SLOW_PREFILL),
    _case("straggler that prefills", "disaggregated", "straggler:gpu-0/0@40s", 75, [(Kind.SLOW_PREFILL, "gpu-0/0")]),
    _case("straggler that decodes", "disaggregated", "straggler:gpu-1/0@40s", 75, [(Kind.STRAGGLER, "gpu-1/0")]),
    _case("thermal cap", "aggregated", "thermal-cap:gpu-1/0@40s", 75, [(Kind.SLOW_PREFILL, "gpu-1/0")]),
    _case("thermal cap where prompts are computed", "disaggregated", "thermal-cap:gpu-0/0@40s", 75, [(Kind.SLOW_PREFILL, "gpu-0/0")]),
    _case("link flap", "default", "link-flap:gpu-0/0.egress@40s", 75, [(Kind.SLOW_LINK, "gpu-0/0")]),
    _case("flash stall", "default", "flash-stall:host-0@100s", 140, [(Kind.SLOW_TIER, "host-0")]),
    _case("eviction storm", "aggregated", "eviction-storm:gpu-1/0@40s", 75, [(Kind.THRASH, "gpu-1/0")]),
    _case("eviction storm where prompts are computed", "default", "eviction-storm:gpu-0/0@40s", 75, [(Kind.THRASH, "gpu-0/0")]),
    _case("stale index", "aggregated", "stale-index:router@40s", 75, [(Kind.STALE_INDEX, "router placement")]),
    _case("stale index, little memory", SMALL, "stale-index:router@30s", 75, [(Kind.STALE_INDEX, "router placement")]),
    _case("death and restart", "aggregated", "death:gpu-1/0@30s+10s", 60, [(Kind.DOWN, "gpu-1/0"), (Kind.RESTARTED, "gpu-1/0")], Kind.MIGRATION),
    _case("migration", "aggregated", "migration:gpu-1/0@30s+10s", 50, [(Kind.MIGRATION, "gpu-1/0")]),
    _case("page that stands still", "default", "metrics-lie:gpu-1/0@30s", 55, [(Kind.FROZEN, "gpu-1/0")]),
    _case("page that runs backwards", "default", "metrics-lie:lpu-0/0@30s+10s,how=backwards", 50, [(Kind.BACKWARDS, "lpu-0/0")]),
    _case("page that hangs", "default", "metrics-hang:gpu-1/0@25s+5s", 35, [(Kind.DOWN, "gpu-1/0")], Kind.RESTARTED),
    _case("clock that is wrong", "default", "clock-skew:gpu-1/0@30s", 50, [(Kind.CLOCK, "gpu-1/0")]),
    _case("C2C desync", "default", "c2c-desync:lpu-0/0@30s", 60, [(Kind.DESYNC, "lpu-0/0")]),
)  # fmt: skip


class Said(NamedTuple):
    """`first` were the verdict at some time, `all_` were told at all; `at` is when each was told first."""

    first: frozenset[Named]
    all_: frozenset[Named]
    at: dict[Named, float]


async def watched(scenario: str, seed: int, seconds: float, fault: str = "") -> Said:
    first: set[Named] = set()
    at: dict[Named, float] = {}

    def look(frame: Frame) -> None:
        for place, finding in enumerate(frame.diagnosis.findings if frame.diagnosis else ()):
            named = Named(finding.kind, finding.worker)
            at.setdefault(named, frame.time_ns / 1e9)
            if place == 0:
                first.add(named)

    with tempfile.TemporaryDirectory() as folder:
        name = str(_small(Path(folder))) if scenario == SMALL else scenario
        await demo_frames(name, seed, seconds, None, look, (fault,) if fault else ())
    return Said(frozenset(first), frozenset(at), at)


def _small(folder: Path) -> Path:
    """`aggregated` with a tenth of its memory and nothing behind it."""
    shipped = Path(__file__).parents[1] / "emulators" / "deployments" / "aggregated.toml"
    text = shipped.read_text("utf-8")
    for old, new in (
        ('name = "aggregated"', f'name = "{SMALL}"'),
        ("25_769_803_776", "6_442_450_944"),
        ("dram_bytes = 42_949_672_960", "dram_bytes = 0"),
        ("flash_bytes = 549_755_813_888", "flash_bytes = 0"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    path = folder / f"{SMALL}.toml"
    path.write_text(text, "utf-8")
    return path


def judged(case: Case, said: Said) -> str:
    """`right`, `not named`, or `WRONG: …`."""
    wrong = {one for one in said.first if one not in case.right and one.kind not in LOADED}
    wrong |= {one for one in said.all_ if one not in case.right and one.kind not in case.follows}
    if wrong:
        return f"WRONG: {', '.join(f'{one.kind} at {one.worker}' for one in sorted(wrong))}"
    return "right" if said.first & case.right else "not named"


async def main(arguments: list[str]) -> int:
    seeds = int(arguments.pop(0)) if arguments and arguments[0].isdecimal() else SEEDS
    known = ["healthy", *(case.name for case in CASES)]
    if unknown := [one for one in arguments if one not in known]:
        print(f"unknown case {', '.join(unknown)}; known: {', '.join(known)}", file=sys.stderr)
        return 64
    wrong = 0
    for scenario in HEALTHY if not arguments or "healthy" in arguments else ():
        for seed in range(1, seeds + 1):
            said = await watched(scenario, seed, HEALTHY_S)
            bad = [one for one in said.all_ if one.kind not in LOADED]
            wrong += len(bad)
            told = ", ".join(f"{one.kind} at {one.worker}" for one in sorted(said.all_)) or "nothing"
            print(
                f"{'WRONG' if bad else 'silent' if not said.all_ else 'load'}  healthy {scenario}, seed {seed}: {told}",
                flush=True,
            )
    for case in CASES:
        if arguments and case.name not in arguments:
            continue
        results = []
        for seed in range(1, seeds + 1):
            said = await watched(case.scenario, seed, case.seconds, case.fault)
            result = judged(case, said)
            wrong += result.startswith("WRONG")
            when = min((said.at[one] for one in case.right & said.all_), default=None)
            results.append(result if when is None else f"{result} at {when:.0f} s")
        print(f"{case.name} ({case.fault}, {case.scenario}): {'; '.join(results)}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(sys.argv[1:])))
