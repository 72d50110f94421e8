"""What a Frame tells anew with each full second and not with each tick: what is wrong, objectives, and routing, which are of the whole window."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from collectors.diagnose.judging import Judging
from collectors.diagnose.scene import Scene
from collectors.diagnose.verdict import Verdict
from collectors.model.frame import Frame
from collectors.model.routing import Routing
from collectors.model.slo import Slo
from collectors.model.verdict import Diagnosis
from collectors.session.fleet import Worker
from collectors.session.routing_rows import routing
from collectors.session.slo_rows import slo
from collectors.session.source_state import SourceState
from collectors.session.watch import Watch
from collectors.stats.steps import Steps

SECOND_NS: Final = 1_000_000_000
MANY: Final = 100
"""Workers; for each so many more, all of it is told a second more seldom, but every SELDOM seconds."""
SELDOM: Final = 4


class EachSecond:
    def __init__(self) -> None:
        self._watch = Watch()
        self._verdict = Verdict()
        self._told: Frame | None = None
        self._judging: Judging | None = None

    def ticking(
        self,
        frame: Frame,
        fleet: Mapping[str, Worker],
        sources: Sequence[SourceState],
        judging: Judging,
        window_ns: int,
    ) -> Steps[Frame]:
        """The Frame of this tick with all of it, made anew where a second has gone by since it was made, or judging is by something else. In steps."""
        self._watch.tick(sources, frame.tiers)
        yield
        known = self._told
        second = frame.time_ns // SECOND_NS
        diagnosis: Diagnosis | None
        chosen: Routing | None
        judged: Slo | None
        new = known is None or second != known.time_ns // SECOND_NS
        due = known is None or (new and second % min(1 + len(frame.workers) // MANY, SELDOM) == 0)
        if new:
            self._watch.second(fleet, frame.workers, frame.tiers, frame.time_ns)
            yield
        if known is None or due:
            diagnosis = yield from self._verdict.thinking(self._scene(frame, fleet, second))
            chosen = yield from routing(sources)
        else:
            diagnosis, chosen = known.diagnosis, known.routing
        if known is None or due or judging != self._judging:
            judged = yield from slo(fleet, frame.workers, sources, judging, frame.time_ns, window_ns)
        else:
            judged = known.slo
        self._judging = judging
        line = diagnosis.findings[0].line if diagnosis is not None and diagnosis.findings else None
        made = msgspec.structs.replace(frame, verdict=line, diagnosis=diagnosis, routing=chosen, slo=judged)
        self._told = made
        return made

    def _scene(self, frame: Frame, fleet: Mapping[str, Worker], second: int) -> Scene:
        measured = (id_ for id_, one in fleet.items() if one.placed is not None and one.placed.inventory.measured)
        return Scene(
            now=second,
            window_s=frame.window_s,
            targets=frame.targets,
            workers=frame.workers,
            tiers=frame.tiers,
            prompts=frame.prompts,
            reuse=frame.reuse,
            stalls=frame.stalls,
            jitter=frame.jitter,
            requests=frame.requests,
            clocks=frame.clocks,
            beats=self._watch.beats,
            work=self._watch.work,
            dropped=self._watch.dropped,
            measured=frozenset(measured),
        )
