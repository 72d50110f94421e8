"""Targets that cannot be heard or believed: down, restarted, standing still, running backwards, by a clock that was set."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from collectors.diagnose.beats import RECENT_S
from collectors.diagnose.scene import Scene, Suspicion, evidence, total
from collectors.model.verdict import Hop, Kind
from collectors.model.vocabulary import NO_TARGETS, TargetStatus

SILENT_S: Final = 3
"""So long a target may be without an answer."""
TOKENS: Final = 20
"""That a stream tells while a page counts none."""
AGAIN: Final = 3
"""Restarts within a window that are none: nothing that serves begins anew so often."""


def down(scene: Scene) -> Iterator[Suspicion]:
    for row in scene.targets:
        if row.backend in NO_TARGETS or row.status in (TargetStatus.UP, TargetStatus.GONE) or row.heard_ns is None:
            continue
        silent_s = scene.now - row.heard_ns / 1e9
        if silent_s < SILENT_S:
            continue
        what = "does not answer" if row.status is TargetStatus.DOWN else f"is {row.status}"
        yield Suspicion(
            Kind.DOWN,
            Hop.TARGET,
            row.name,
            f"{what}: {row.reason or 'nothing was heard'}",
            f"last heard {silent_s:.0f} s ago",
            "look whether its process runs, and whether this machine reaches it",
            (evidence("since it was heard", silent_s, "s", n=1, window_s=silent_s, emulated=False),),
        )


def restarted(scene: Scene) -> Iterator[Suspicion]:
    """Within the window. Where its stream tells of tokens all the while, or it happens again and again, it was no restart: its counters run backwards."""
    for row in scene.targets:
        if row.reset_at is None or scene.now - row.reset_at > scene.window_s:
            continue
        served = [worker.id for worker in scene.workers if worker.target == row.name and worker.id in scene.beats.index]
        ago_s = int(scene.now - row.reset_at)
        never_stopped = bool(served) and all(_served_throughout(scene, one, ago_s) for one in served)
        backwards = never_stopped or row.resets >= AGAIN
        why = "its stream tells of tokens all the while" if never_stopped else f"{row.resets} times so far"
        yield Suspicion(
            Kind.BACKWARDS if backwards else Kind.RESTARTED,
            Hop.TARGET,
            row.name,
            f"its counters run backwards, and no restart explains it: {why}"
            if backwards
            else "was restarted: its counters began anew",
            f"{ago_s} s ago",
            "do not trust its page: look what else writes these series" if backwards else "look at its log for why",
            (evidence("resets so far", row.resets, "count", n=row.resets, window_s=scene.window_s, emulated=False),),
        )


def _served_throughout(scene: Scene, worker: str, ago_s: int) -> bool:
    """Whether it made tokens in each of the seconds around then."""
    tokens = np.concatenate([scene.before(worker, "tokens"), scene.recent(worker, "tokens")])
    around = tokens[max(len(tokens) - ago_s - 3, 0) : max(len(tokens) - ago_s + 2, 0)]
    return len(around) >= 3 and bool((np.nan_to_num(around) > 0).all())


def frozen(scene: Scene) -> Iterator[Suspicion]:
    """A page that answers, and counts nothing while the stream of the same worker tells of tokens."""
    for row in scene.workers:
        if row.id not in scene.beats.index:
            continue
        pages, tokens = scene.recent(row.id, "page_tokens"), scene.recent(row.id, "tokens")
        made = total(tokens[:-2])  # what came last may not have been on the page yet
        if not np.isfinite(pages).all() or pages[0] != pages[-1] or made < TOKENS or pages[-1] == 0:
            continue
        emulated = row.tokens_per_s.emulated
        yield Suspicion(
            Kind.FROZEN,
            Hop.TARGET,
            row.target,
            f"its page stands still at {pages[-1]:,.0f} output tokens of {row.id}",
            f"{made:,} tokens in its stream meanwhile, {RECENT_S} s",
            "do not trust its page: look what is between (a cache, a stopped exporter)",
            (
                evidence("tokens that its stream told", made, "tokens", n=made, emulated=emulated),
                evidence("tokens that its page counted", 0, "tokens", n=RECENT_S, emulated=emulated),
            ),
        )


def clock_set(scene: Scene) -> Iterator[Suspicion]:
    """A clock whose offset was contradicted within the window. Its row says how often so far; `steps` are told as they happen."""
    for row in scene.clocks:
        if row.steps:
            yield Suspicion(
                Kind.CLOCK,
                Hop.TARGET,
                row.clock,
                f"its clock was set: it is now between {row.low_s * 1e3:.0f} and {row.high_s * 1e3:.0f} ms ahead of {row.of}",
                f"{row.steps} times so far, n {row.n} requests",
                "let NTP or PTP keep it; durations over both clocks are bounds meanwhile",
                (
                    evidence(
                        "times that it was set", row.steps, "count", n=row.n, window_s=scene.window_s, emulated=False
                    ),
                ),
            )
