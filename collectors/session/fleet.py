"""One list of workers out of many sources: the same id in a placement stream and on a scraped page is the same worker."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from collectors.model.batch import WorkerInfo
from collectors.model.vocabulary import Device, Role
from collectors.session.kept import Kept
from collectors.session.row_figures import RowFigures
from collectors.session.source_state import SourceState

_UNKNOWN: Final = {"role": Role.UNKNOWN, "device": Device.UNKNOWN, "chip": "", "chips": 0, "model": ""}


@dataclass(slots=True)
class Worker:
    """Who says what of a worker: `placed` is the source of its deliveries and `row` its row there; `scraped` the source of its page.

    Where several pages speak of it (a router's too), its page is the one that says most.
    """

    info: WorkerInfo
    target: str
    placed: SourceState | None = None
    row: int = 0
    scraped: SourceState | None = None
    kept: Kept = field(default_factory=dict)

    @property
    def runs_tokens(self) -> bool:
        """Not so a router: what it counts are the tokens of others."""
        return self.info.role is not Role.ROUTER

    @property
    def makes_output(self) -> bool:
        """Whether what is told of its tokens are output tokens that nobody else counts: a prefill engine's page counts one token of each request, which the
        decode engine's counts again (vLLM's and Dynamo's prefills are requests of one token; SGLang's decode engines count all tokens of a request)."""
        return self.runs_tokens and (self.placed is not None or self.info.role is not Role.PREFILL)

    @property
    def teller(self) -> SourceState:
        """Who tells of its tokens."""
        teller = self.placed or self.scraped
        assert teller is not None
        return teller

    @property
    def emulated(self) -> bool:
        placed, scraped = self.placed, self.scraped
        return (placed is not None and placed.emulated) or (scraped is not None and scraped.emulated)

    @property
    def told(self) -> RowFigures | None:
        """What its deliveries say, where they are seen."""
        return None if self.placed is None else self.placed.figures(emulated=self.emulated)

    def stamp(self, tick_ns: int, window_ns: int) -> Hashable:
        """Of a worker of which there is only a page: that page's."""
        return None if self.placed is not None or self.scraped is None else self.scraped.stamp(tick_ns, window_ns)


class Fleet:
    """The workers of all sources, the same objects until a source tells of others."""

    def __init__(self) -> None:
        self._told: list[object] = []
        self._workers: dict[str, Worker] = {}

    def workers(self, sources: list[SourceState]) -> dict[str, Worker]:
        told: list[object] = []
        for source in sources:
            workers_told = None if source.summary is None else source.summary.workers
            told += source.inventory, source.described, workers_told, source.twice
        if told != self._told:
            self._told, self._workers = told, workers(sources)
        return self._workers


def workers(sources: Iterable[SourceState]) -> dict[str, Worker]:
    """By id, in order of appearance. A scraped page names the target; a stream of deliveries does where there is no page."""
    found: dict[str, Worker] = {}
    for source in sources:
        rows = {} if source.summary is None else {name: row for row, name in enumerate(source.summary.workers)}
        for info in source.inventory.workers:
            worker = found.setdefault(info.id, Worker(info, source.name))
            worker.info = _fuller(worker.info, info)
            if source.summary is not None:
                if worker.placed is None or worker.placed.twice or not source.twice:
                    worker.placed, worker.row = source, rows[info.id]
            elif worker.scraped is None or source.described[info.id] >= worker.scraped.described[info.id]:
                worker.scraped, worker.target = source, source.name
    return found


def _fuller(known: WorkerInfo, other: WorkerInfo) -> WorkerInfo:
    """What one source does not know, another may; what any says counts before what is only assumed."""
    better = {
        field: getattr(other, field)
        for field, unknown in _UNKNOWN.items()
        if getattr(other, field) != unknown
        and (getattr(known, field) == unknown or (field in known.assumed and field not in other.assumed))
    }
    if not better and not other.labels:
        return known
    assumed = [field for field in known.assumed if field not in better]
    assumed += [field for field in better if field in other.assumed]
    labels = {**other.labels, **known.labels}
    return msgspec.structs.replace(known, **better, assumed=tuple(assumed), labels=labels)
