"""What a router does: what it believes and is not so, whom it sends too much, and requests that changed their worker."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from collectors.diagnose.beats import RECENT_S
from collectors.diagnose.scene import Scene, Suspicion, evidence, middles, percent, seconds
from collectors.model.figure import Figure
from collectors.model.frame import WorkerRow
from collectors.model.verdict import Hop, Kind
from collectors.model.vocabulary import Role, State

MISBELIEVED: Final = 0.05
"""Share of the prompt tokens of which the router believed what was not so."""
ENOUGH: Final = 50
"""Requests."""
QUEUED: Final = 4
"""Requests that wait, in the middle of the recent seconds."""
LONG_S: Final = 1.0


def stale_index(scene: Scene) -> Iterator[Suspicion]:
    """What a router believed the chosen workers to hold and what was not found there: by single requests where these are told, else of the sums.

    What was found though it was not foreseen proves nothing: a prompt that is computed while the next of its kind is on its way is found there by the time that this is admitted.
    """
    for row in scene.reuse:
        prompt, captured, delivered = row.prompt_tokens, row.captured_tokens.value, row.delivered_tokens.value
        if prompt.state is not State.OK or not prompt.value or captured is None or delivered is None:
            continue
        told = row.missing_tokens
        if isinstance(told, Figure):
            lost, n = told.value or 0, told.n if isinstance(told.n, int) else 0
        else:
            lost, n = captured - delivered, row.predicted_ratio.n
        missing = lost / prompt.value
        if n < ENOUGH or missing < MISBELIEVED:
            continue
        window_s, emulated = row.window_s or scene.window_s, prompt.emulated
        yield Suspicion(
            Kind.STALE_INDEX,
            Hop.ROUTE,
            row.router,
            "believes its workers to hold what they do not: its index is behind",
            f"{percent(missing)} of prompt tokens were not there, n {n:,} requests, {window_s:.0f} s",
            "look at the KV events that it hears: dropped, late, or of another block size",
            tuple(
                evidence(what, value, "ratio", n=n, window_s=window_s, emulated=emulated)
                for what, value in (
                    ("of prompt tokens: believed to be there, and not found", missing),
                    ("captured", captured / prompt.value),
                    ("delivered", delivered / prompt.value),
                )
            ),
        )


def imbalance(scene: Scene) -> Iterator[Suspicion]:
    """Requests wait for one worker while others of the same model and role have nothing waiting and room."""
    beats = scene.beats
    known = np.isfinite(beats.recent("waiting")).sum(axis=1) >= RECENT_S - 2
    waits = dict(zip(beats.ids, np.where(known, middles(beats.recent("waiting")), np.nan).tolist(), strict=True))
    runs = dict(zip(beats.ids, middles(beats.recent("running")).tolist(), strict=True))
    kinds: dict[object, list[WorkerRow]] = {}
    for row in scene.workers:
        if row.role is not Role.ROUTER:
            kinds.setdefault((row.role, row.model), []).append(row)
    for row in scene.workers:
        waiting, running = waits.get(row.id, math.nan), runs.get(row.id, math.nan)
        if not waiting >= QUEUED:
            continue
        others = [one.id for one in kinds.get((row.role, row.model), ()) if one.id != row.id]
        idle = [one for one in others if waits.get(one) == 0 and runs.get(one, math.nan) <= running / 2]
        if idle:
            emulated = row.waiting.emulated
            yield Suspicion(
                Kind.IMBALANCE,
                Hop.ROUTE,
                row.id,
                f"requests wait for it while {', '.join(idle[:2])} {'have' if len(idle) > 1 else 'has'} room",
                f"{waiting:.0f} wait and {running:.0f} run, against none and at most half as many, {RECENT_S} s",
                "weigh load more than overlap in the router; look for a session that pins them",
                (evidence("requests waiting", waiting, "count", n=RECENT_S, emulated=emulated),),
            )
        elif not others or all(waits.get(one, 0) >= QUEUED / 2 for one in others):
            queue = row.queue.p50
            if queue.state is not State.OK or queue.value is None or (queue.low or queue.value) < LONG_S:
                continue
            emulated = row.waiting.emulated
            yield Suspicion(
                Kind.QUEUE,
                Hop.PREFILL if row.role in (Role.PREFILL, Role.AGGREGATED) else Hop.DECODE,
                row.id,
                "more comes than it can take",
                f"{waiting:.0f} wait, half of them longer than {seconds(queue.value)}, n {row.queue.n:,}, {scene.window_s:.0f} s",
                "add a worker of its kind, or admit less",
                (
                    evidence("requests waiting", waiting, "count", n=RECENT_S, emulated=emulated),
                    evidence(
                        "p50 of the queue", queue.value, "s", n=row.queue.n, window_s=scene.window_s, emulated=emulated
                    ),
                ),
            )


def migrations(scene: Scene) -> Iterator[Suspicion]:
    """Requests whose tokens others went on to make."""
    left: Counter[str] = Counter()
    to: dict[str, set[str]] = {}
    emulated = False
    for request in scene.requests:
        if scene.now - request.heard_ns / 1e9 > scene.window_s or request.probe:
            continue
        for move in request.migrations:
            left[move.worker] += 1
            to.setdefault(move.worker, set()).add(move.to or "nobody that is named")
            emulated |= request.emulated
    for worker, count in left.most_common():
        yield Suspicion(
            Kind.MIGRATION,
            Hop.ROUTE,
            worker,
            f"requests were taken from it in mid-stream, and went on at {', '.join(sorted(to[worker])[:2])}",
            f"{count} in {scene.window_s:.0f} s",
            "find out why it gave them up: its log, and whether it was restarted",
            (
                evidence(
                    "requests that changed their worker",
                    count,
                    "count",
                    n=count,
                    window_s=scene.window_s,
                    emulated=emulated,
                ),
            ),
        )
