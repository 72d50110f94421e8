"""Scenes for the rules of the verdict: a fleet in which nothing is wrong, of which a test changes one thing."""

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from collectors.diagnose.beats import HISTORY_S, Beats
from collectors.diagnose.scene import Scene
from collectors.diagnose.work import Job, Path, Work
from collectors.model.figure import Figure, Quantile
from collectors.model.frame import TargetRow, WorkerRow
from collectors.model.memory import TierRow
from collectors.model.verdict import Hop
from collectors.model.vocabulary import Device, Provenance, Role, State, TargetStatus, Tier
from collectors.stats.figures import absent, figure, no_distribution
from collectors.stats.fleet import PoolKey

NOW = 200
S = 1_000_000_000
GIB = 1 << 30


def known(value: float, n: int = 1_000) -> Figure:
    return figure(value, Provenance.REPORTED, emulated=False, heard_ns=0, n=n)


def quantile(value: float, n: int = 10_000) -> Quantile:
    return Quantile(value, State.OK, Provenance.DERIVED, False, 0, n, low=value, high=value)


def worker(
    name: str, role: Role = Role.AGGREGATED, device: Device = Device.GPU, *, p50: float = 0.02, p99: float = 0.03
) -> WorkerRow:
    nothing = no_distribution(population="", emulated=False)
    gap = msgspec.structs.replace(nothing, n=10_000, p50=quantile(p50), p99=quantile(p99))
    unknown = absent(emulated=False)
    chip = "H100-SXM" if device is Device.GPU else "Groq-LPU-v1"
    return WorkerRow(
        name,
        name,
        role,
        device,
        chip,
        1,
        "m",
        known(8),
        known(0),
        known(400.0),
        nothing,
        nothing,
        gap,
        nothing,
        unknown,
        unknown,
    )


def target(name: str, **changes: object) -> TargetRow:
    row = TargetRow(name, f"http://{name}", "vllm", TargetStatus.UP, "", NOW * S)
    return msgspec.structs.replace(row, **changes)


def beats(
    workers: Sequence[WorkerRow], recent: Mapping[str, Mapping[str, float]] | None = None, seconds: int = HISTORY_S
) -> Beats:
    """Every second the same: 400 gaps of 20 ms; in the last ten, what `recent` says of a worker by column."""
    usual = {"n": 400.0, "fast": 0.02, "median": 0.02, "p99": 0.03, "longest": 0.04, "slow": 0.0, "running": 8.0, "waiting": 0.0, "active": float(GIB), "tokens": 400.0}  # fmt: skip
    made = Beats()
    for second in range(seconds):
        values = {name: np.full(len(workers), value) for name, value in usual.items()}
        values["page_tokens"] = np.full(len(workers), 400.0 * (second + 1))
        if second >= seconds - 10:
            for name, changed in (recent or {}).items():
                for column, value in changed.items():
                    values[column][[row.id for row in workers].index(name)] = value
        made.put([row.id for row in workers], values)
    return made


def work(path: Path, now: tuple[int, float, int], before: tuple[int, float, int]) -> Work:
    """Pieces on a path: how many, of how many seconds and what size, spread over the recent seconds, and over a minute before."""
    made = Work()
    for (count, seconds, size), begin, length in ((before, NOW - 70, 60), (now, NOW - 10, 10)):
        for number in range(count):
            start_ns = begin * S + number * length * S // max(count, 1)
            end_ns = start_ns + round(seconds * S)
            made.add(path, Job(start_ns // S, start_ns, end_ns, size))
    return made


def pool(owner: str, tier: Tier = Tier.HBM, *, active: float = 0.3, of: str | None = None) -> TierRow:
    return TierRow(
        owner,
        owner if of is None else of,
        tier,
        known(20.0 * GIB),
        known(active * 20 * GIB),
        known(20.0 * GIB),
        known(0),
    )


def scene(workers: Sequence[WorkerRow], **changes: object) -> Scene:
    parts: dict[str, object] = {
        "now": NOW,
        "window_s": 60.0,
        "targets": [target(row.target) for row in workers],
        "workers": workers,
        "beats": beats(workers),
        "work": Work(),
        "dropped": dict[PoolKey, list[float]](),
        "measured": frozenset[str](),
        **dict.fromkeys(("tiers", "prompts", "reuse", "stalls", "jitter", "requests", "clocks"), ()),
    }
    return Scene(**{**parts, **changes})  # type: ignore[arg-type]


def handover(to: str = "d") -> Path:
    return Path(Hop.TRANSFER, "p", to)


NAN = math.nan
