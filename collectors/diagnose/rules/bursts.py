"""Prompts that share their steps with those who decode."""

from collections.abc import Iterator
from typing import Final

from collectors.diagnose.scene import Scene, Suspicion, evidence, percent, seconds
from collectors.diagnose.stalls import PREFILL
from collectors.model.frame import StallRow
from collectors.model.verdict import Hop, Kind
from collectors.model.vocabulary import State

OBSERVED_S: Final = 20
STALLS: Final = 10
MOST_OF_THEM: Final = 0.6
WIDE: Final = 5.0
"""p99 of the gaps above so many times their p50."""


def prefill_bursts(scene: Scene) -> Iterator[Suspicion]:
    """A worker most of whose stalls have one cause: prompts in the same steps."""
    stalls: dict[str, list[StallRow]] = {}
    for stall in scene.stalls:
        if stall.worker is not None:
            stalls.setdefault(stall.worker, []).append(stall)
    if scene.window_s < OBSERVED_S:
        return
    for row in scene.workers:
        mine = stalls.get(row.id, [])
        by_prompts = [stall for stall in mine if PREFILL in stall.causes[:1]]
        p50, p99 = row.gap.p50, row.gap.p99
        if len(mine) < STALLS or len(by_prompts) < MOST_OF_THEM * len(mine):
            continue
        if State.OK not in (p50.state, p99.state) or not p50.value or not p99.value or p99.value < WIDE * p50.value:
            continue
        emulated, n, share = p99.emulated, row.gap.n, len(by_prompts) / len(mine)
        since_s = scene.now - min(stall.at for stall in mine)
        yield Suspicion(
            Kind.PREFILL_BURSTS,
            Hop.DECODE,
            row.id,
            "prefill bursts stall its decodes",
            f"p99 gap {seconds(p99.value)} against p50 {seconds(p50.value)}, n {n:,}, {scene.window_s:.0f} s; "
            f"{percent(share)} of its newest {len(mine)} stalls",
            "cap the chunk of a prompt that a step may hold (max_num_batched_tokens), or compute prompts elsewhere",
            (
                evidence("p99 of its gaps", p99.value, "s", n=n, window_s=scene.window_s, emulated=emulated),
                evidence("p50 of its gaps", p50.value, "s", n=n, window_s=scene.window_s, emulated=emulated),
                evidence(
                    "of its newest stalls, in steps with prompts",
                    share,
                    "ratio",
                    n=len(mine),
                    window_s=since_s,
                    emulated=emulated,
                ),
            ),
        )
