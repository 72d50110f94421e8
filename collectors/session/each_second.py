"""What a Frame tells anew with each full second and not with each tick: objectives and routing, which are of the whole window."""

from collections.abc import Mapping, Sequence
from typing import Final

from collectors.model.frame import WorkerRow
from collectors.model.routing import Routing
from collectors.model.slo import Slo
from collectors.session.fleet import Worker
from collectors.session.routing_rows import routing
from collectors.session.slo_rows import Judging, slo
from collectors.session.source_state import SourceState

SECOND_NS: Final = 1_000_000_000


class EachSecond:
    def __init__(self) -> None:
        self.routing: Routing | None = None
        self.slo: Slo | None = None
        self._made: tuple[int, Judging] | None = None

    def tick(
        self,
        fleet: Mapping[str, Worker],
        rows: Sequence[WorkerRow],
        sources: Sequence[SourceState],
        judging: Judging,
        tick_ns: int,
        window_ns: int,
    ) -> None:
        due = tick_ns // SECOND_NS, judging
        if due == self._made:
            return
        self._made = due
        self.routing = routing(sources)
        self.slo = slo(fleet, rows, sources, judging, tick_ns, window_ns)
