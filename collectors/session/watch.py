"""What the rules of the verdict look back on: fed each tick with what sources told, second by second. No rule here."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from collectors.diagnose.beats import HISTORY_S, Beats
from collectors.diagnose.work import Job, Path, Work
from collectors.model.frame import WorkerRow
from collectors.model.memory import TierRow
from collectors.model.signals import Signal
from collectors.model.verdict import Hop
from collectors.model.vocabulary import Phase, State, Tier
from collectors.session.fleet import Worker
from collectors.session.source_state import SourceState
from collectors.stats.columns import Key
from collectors.stats.fleet import PoolKey
from collectors.stats.paces import Piece
from collectors.stats.sketch import Floats

SECOND_NS: Final = 1_000_000_000
RIVER_TICKS: Final = 4
MOST_REQUESTS: Final = 16_384
"""Of which it is remembered who computed their prompt."""


class Watch:
    def __init__(self) -> None:
        self.beats = Beats()
        self.work = Work()
        self.dropped: dict[PoolKey, deque[float]] = {}
        """By pool, second by second: by how much its resident bytes fell from tick to tick, as a share of its capacity."""
        self._prefilled: dict[str, str] = {}
        self._used: dict[PoolKey, float] = {}
        self._drops: dict[PoolKey, float] = {}

    def tick(self, sources: Sequence[SourceState], tiers: Sequence[TierRow]) -> None:
        """Each tick: what came since the last one."""
        owners = {row.tier: row.owner for row in tiers if row.worker is None}
        for source in sources:
            if source.summary is not None and not source.twice:
                for piece in source.summary.pieces:
                    self._take(piece, source.summary.workers, owners)
        for row in tiers:
            used, capacity = row.used_bytes, row.capacity_bytes.value
            key = PoolKey(row.owner, row.tier)
            if used.value is None or used.state is State.STALE or not capacity:
                self._used.pop(key, None)
                continue
            fall = (self._used.get(key, used.value) - used.value) / capacity
            self._used[key] = used.value
            self._drops[key] = self._drops.get(key, 0.0) + max(fall, 0.0)

    def second(
        self,
        fleet: Mapping[str, Worker],
        rows: Sequence[WorkerRow],
        tiers: Sequence[TierRow],
        tick_ns: int,
    ) -> None:
        """Each full second, after `tick`."""
        self.work.expire(tick_ns // SECOND_NS)
        for key in self._used:
            self.dropped.setdefault(key, deque(maxlen=HISTORY_S)).append(self._drops.pop(key, 0.0))
        for key in [key for key in self.dropped if key not in self._used]:
            del self.dropped[key]
        active = {
            row.worker: row.active_bytes.value for row in tiers if row.worker and row.active_bytes.value is not None
        }
        workers = [fleet[row.id] for row in rows]
        values: dict[str, Floats] = {
            "running": _numbers(row.running.value for row in rows),
            "waiting": _numbers(row.waiting.value for row in rows),
            "active": _numbers(active.get(row.id) for row in rows),
            "tokens": _numbers(map(_tokens, workers)),
            "page_tokens": _numbers(_counted(worker, tick_ns) for worker in workers),
        }
        paced = np.full((6, len(rows)), np.nan)
        places = {id_: place for place, id_ in enumerate(row.id for row in rows)}
        for source in {id(worker.placed): worker.placed for worker in workers if worker.placed is not None}.values():
            summary = source.summary
            if summary is None or not summary.paces:
                continue
            pace = summary.paces[-1]
            if pace.second != tick_ns // SECOND_NS - 1:
                continue
            columns = zip(pace.rows.tolist(), pace.n.tolist(), pace.values.tolist(), pace.slow.tolist(), strict=True)
            for row, n, quantiles, slow in columns:
                place = places.get(summary.workers[row])
                if place is not None and workers[place].placed is source:
                    paced[:, place] = n, *quantiles, slow
        values |= dict(zip(("n", "fast", "median", "p99", "longest", "slow"), paced, strict=True))
        self.beats.put([row.id for row in rows], values)

    def _take(self, piece: Piece, workers: Sequence[str], owners: Mapping[Tier, str]) -> None:
        second, row, span = piece
        to, phase, tier, size = workers[row], span.phase, Tier.UNKNOWN, span.bytes
        if phase is Phase.PREFILL:
            hop, source, size = Hop.PREFILL, to, span.tokens
            self._prefilled.pop(span.request, None)
            self._prefilled[span.request] = to
            if len(self._prefilled) > MOST_REQUESTS:
                del self._prefilled[next(iter(self._prefilled))]
        elif phase is Phase.TRANSFER:
            hop, source = Hop.TRANSFER, self._prefilled.get(span.request, "")
        else:
            hop, source, tier = Hop.TIER, owners.get(span.tier, ""), span.tier
        if size:
            job = Job(second, span.start_ns, span.start_ns + span.duration_ns, size)
            self.work.add(Path(hop, source, to, tier), job)


def _numbers(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _tokens(worker: Worker) -> float | None:
    """Output tokens in the last full second, as its deliveries tell."""
    if worker.placed is None or worker.placed.summary is None:
        return None
    ticks = worker.placed.summary.river_tokens[worker.row][-RIVER_TICKS:]
    return None if (ticks == 0xFFFF).any() else float(ticks.sum())


def _counted(worker: Worker, tick_ns: int) -> float | None:
    """What its page has counted so far, if it was heard of late."""
    stats = None if worker.scraped is None else worker.scraped.scraped
    if stats is None:
        return None
    found = stats.total(tick_ns, Key(worker.info.id, Signal.GENERATION_TOKENS))
    return None if found.value is None or found.state is State.STALE else float(found.value)
