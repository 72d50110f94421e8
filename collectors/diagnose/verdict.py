"""The verdict: what all rules suspect, held until it is sure, in the order of what leads to what. Pure; its only memory is since when.

Precedence is that of `Kind`: what makes figures untrue (targets, clocks), what is slow by itself (devices, links, tiers), what lacks room, what the router does, and last
what may follow from all of these. One is told; the others are listed.
"""

from collections.abc import Callable, Iterator
from typing import Final

from collectors.diagnose.beats import RECENT_S
from collectors.diagnose.rules import bursts, devices, memory, paths, routing, targets
from collectors.diagnose.scene import Scene, Suspicion
from collectors.model.verdict import ORDER, Diagnosis, Finding, Kind, Knows
from collectors.model.vocabulary import NO_TARGETS, State, TargetStatus
from collectors.stats.steps import Steps, whole

RULES: Final[tuple[Callable[[Scene], Iterator[Suspicion | None]], ...]] = (
    targets.down,
    targets.restarted,
    targets.frozen,
    targets.clock_set,
    devices.off_period,
    devices.stragglers,
    devices.slow_prompts,
    paths.slow_links,
    paths.slow_tiers,
    memory.thrash,
    memory.memory_full,
    routing.stale_index,
    routing.migrations,
    routing.imbalance,
    bursts.prefill_bursts,
)
SURE: Final = 3
"""Seconds in which it has to be suspected, within as many and two."""
HOLD_S: Final = 5
"""How long something is told after it was last suspected."""
MOST: Final = 16

Named = tuple[Kind, str]


class Verdict:
    """Asked once a second."""

    def __init__(self) -> None:
        self._seen: dict[Named, list[int]] = {}
        """Seconds in which it was suspected, since it began."""
        self._last: dict[Named, Suspicion] = {}

    def of(self, scene: Scene) -> Diagnosis:
        return whole(self.thinking(scene))

    def thinking(self, scene: Scene) -> Steps[Diagnosis]:
        """The same in steps, at most a rule each: one that goes through many workers says nothing (None) now and then."""
        for rule in RULES:
            for suspicion in rule(scene):
                if suspicion is None:
                    yield
                    continue
                named = suspicion.kind, suspicion.worker
                self._seen.setdefault(named, []).append(scene.now)
                self._last[named] = suspicion
            yield
        findings = []
        for named, seconds in list(self._seen.items()):
            if scene.now - seconds[-1] > HOLD_S:
                del self._seen[named], self._last[named]
            elif len(seconds) >= SURE:
                findings.append(_finding(self._last[named], seconds[0]))
                del seconds[1:-SURE]
        findings.sort(key=lambda one: (ORDER[one.kind], one.since, one.worker))
        missing = _missing(scene)
        if findings:
            return Diagnosis(Knows.TROUBLE, tuple(findings[:MOST]), missing)
        return Diagnosis(Knows.TOO_LITTLE if missing else Knows.QUIET, (), missing)


def _finding(it: Suspicion, since: int) -> Finding:
    line = f"{it.worker}: {it.said} ({it.figures}) → {it.knob}"
    return Finding(it.kind, it.hop, it.worker, line, it.knob, float(since), it.evidence, it.said, it.figures)


def _missing(scene: Scene) -> str:
    """What a verdict would need and nobody tells; empty where most rules have what they look at."""
    up = [row for row in scene.targets if row.status is TargetStatus.UP and row.backend not in NO_TARGETS]
    if not up:
        return "no target is up"
    if not scene.workers:
        return "no target tells of a worker"
    if scene.now < 2 * RECENT_S:
        return f"observed for {scene.now} s of {2 * RECENT_S}"
    if not any(row.gap.p50.state is State.OK or row.ttft.p50.state is State.OK for row in scene.workers):
        return "no worker tells of gaps or first tokens in the window"
    return ""
