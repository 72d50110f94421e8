"""What a session remembers of one source: its status, its inventory, and the statistics that its parts call for."""

from collections import Counter, deque
from collections.abc import Hashable, Mapping
from typing import Final, assert_never

from collectors.diagnose.stalls import Evidence
from collectors.model.batch import (
    Batch,
    Blocks,
    Decisions,
    Deliveries,
    Inventory,
    Layout,
    Occupancy,
    Part,
    Past,
    Phases,
    Probing,
    Requests,
    Samples,
    Status,
    Watermark,
)
from collectors.model.traces import Accounts
from collectors.model.vocabulary import Counted, TargetStatus
from collectors.session.kept import Kept
from collectors.session.naming import Naming
from collectors.session.row_figures import RowFigures
from collectors.stats.churn import Churn, Churned
from collectors.stats.deliveries import DeliveryStats, HearEnd
from collectors.stats.earlier import Earlier, earlier
from collectors.stats.figures import Row, outdated
from collectors.stats.fleet import PoolKey
from collectors.stats.gaps import Hear, Keep
from collectors.stats.lives import Life
from collectors.stats.residency import Residency, Resident
from collectors.stats.scraped import ScrapedStats
from collectors.stats.steps import Steps, whole
from collectors.stats.summary import Summary
from collectors.stats.workers_said import Move

PROBE_WINDOW_S: Final = 900
"""Of probes, which are few."""
MAX_RESETS: Final = 1_024
"""That wait for a tick; a recording may have any number of samples between two."""


class SourceState:
    """Statistics exist only where a part asked for them: `placed` for a source of deliveries, `scraped` for one of samples, `residency` for pools whose blocks
    are all told of.
    """

    def __init__(
        self,
        name: str,
        window_s: int,
        keep: Keep | None = None,
        hear: Hear | None = None,
        hear_end: HearEnd | None = None,
    ) -> None:
        """`keep` and `hear` take its single deliveries, `hear_end` how its requests ended."""
        self.name = name
        self._keep = keep
        self._hear = hear
        self._hear_end = hear_end
        self.status = Status(url="", backend="", status=TargetStatus.DOWN, reason="not heard yet")
        self._naming = Naming()
        self.heard_ns: int | None = None
        """Session time of the newest batch that brought more than bad news."""
        self.answers = 0
        """Samples or watermarks so far."""
        self.placed: DeliveryStats | None = None
        self.scraped: ScrapedStats | None = None
        self.residency: Residency | None = None
        self.residents: dict[PoolKey, Resident] = {}
        self.churn: Churn | None = None
        self.churned: dict[PoolKey, Churned] = {}
        self.earlier: list[Earlier] = []
        self.described: Counter[str] = Counter()
        """How many series the source's page has of each worker."""
        self.evidence = Evidence()
        self.summary: Summary | None = None
        self.over_limits: dict[str, int] = {}
        """How often it was over each limit. Frames hold it: a new one is made for every change."""
        self.kept: Kept = {}
        self.resets = 0
        """How often counters of its page were seen to have begun anew, or its process to have been restarted."""
        self.reset_ns: int | None = None
        """Session time of the sample that showed it last."""
        self.twice = ""
        """Another source that tells of all its requests as well, and counts in its place."""
        self.gone_ns: int | None = None
        """Since when it is no longer listed."""
        self._window_s = window_s
        self._inventory_ns = 0
        self._inventories = 0
        self._new_resets: deque[int] = deque(maxlen=MAX_RESETS)
        self._stamped: tuple[int, int, Hashable] | None = None
        self._figures: dict[bool, RowFigures] = {}

    @property
    def inventory(self) -> Inventory:
        return self._naming.inventory

    @property
    def told(self) -> Inventory:
        """With the names that it has for workers itself."""
        return self._naming.told

    @property
    def emulated(self) -> bool:
        return self.inventory.emulated

    @property
    def probing(self) -> Probing | None:
        """What is asked, where all that it tells of are requests of our own."""
        return self.inventory.probe

    @property
    def connected(self) -> bool:
        return self.status.status in (TargetStatus.UP, TargetStatus.STALE)

    @property
    def gone(self) -> bool:
        return self.gone_ns is not None

    def dated(self, row: Row) -> Row:
        """What its stream told, stale where it is not heard now."""
        return row if self.status.status is TargetStatus.UP else outdated(row)

    def figures(self, *, emulated: bool) -> RowFigures | None:
        """Of its summary's workers, as they are `emulated` or not; None without one. The same object until something is fed or a tick is made."""
        if self.summary is not None and emulated not in self._figures:
            self._figures[emulated] = RowFigures(
                self.summary,
                measured=self.inventory.measured,
                emulated=emulated,
                heard_ns=self.heard_ns,
                heard=self.status.status is TargetStatus.UP,
            )
        return self._figures.get(emulated)

    def stamp(self, tick_ns: int, window_ns: int) -> Hashable:
        """Of the statistics of its page and whether it is heard, which is all that there is of it: deliveries and blocks come so often that nothing is kept."""
        if self._stamped is None or self._stamped[:2] != (tick_ns, window_ns):
            stamp: Hashable = None
            if self.scraped is not None and self.placed is None and self.residency is None:
                stamp = self._inventories, self.connected, self.scraped.stamp(tick_ns, window_ns)
            self._stamped = tick_ns, window_ns, stamp
        return self._stamped[2]

    def feed(self, batch: Batch) -> None:
        whole(self.feeding(batch))

    def feeding(self, batch: Batch) -> Steps[None]:
        """The same in steps, a part each."""
        self._stamped, self._figures = None, {}
        for part in batch.parts:
            if self.placed is not None:
                yield from self.placed.preparing(part)
            self._take(part, batch.time_ns)
            yield
        if self.connected and any(not isinstance(part, Status | Past) for part in batch.parts):
            taken = [part.time_ns for part in batch.parts if isinstance(part, Samples) and part.time_ns is not None]
            self.heard_ns = max(taken, default=batch.time_ns)

    def call(self, names: Mapping[str, str]) -> None:
        """What an observer calls so, in the keys, is called as the values are. What others call themselves stays."""
        for before, after in self._naming.call(names) if self.told.measured else ():
            if self.placed is not None:
                self.placed.rename(before, after)

    def taken_over(self, request: str, named: str, move: Move, life: Life | None, by: str, tick_ns: int) -> bool:
        """Tokens of a request are of who took it over, as `by` says, whatever the source goes on naming. Whether request and worker are known here."""
        slot = self._naming.slot(named)
        if self.placed is None or slot is None or move.to is None:
            return False
        to = self._naming.slot(move.to)
        if to is None:
            to = self._naming.lend(move.to, by)
            self.placed.lend(self.inventory)
        return to is not None and self.placed.taken_over(request, slot, to, move.after_tokens, life, tick_ns)

    def tick(self, tick_ns: int) -> None:
        """Brings the statistics of deliveries and of blocks up to this tick."""
        whole(self.ticking(tick_ns))

    def ticking(self, tick_ns: int) -> Steps[None]:
        """The same in steps, between which nothing may be fed."""
        self._figures = {}
        if self.residency is not None:
            self.residents = self.residency.tick(tick_ns)
        if self.churn is not None:
            self.churned = self.churn.tick(tick_ns)
        if self.placed is not None:
            self.summary = yield from self.placed.ticking(tick_ns)
            self.evidence.forget(tick_ns - self.inventory.clock_offset_ns - int(2e9) * self._window_s)

    def _take(self, part: Part, time_ns: int) -> None:
        match part:
            case Status():
                was_connected, self.status = self.connected, part
                if part.status is not TargetStatus.GONE:
                    self.gone_ns = None
                elif self.gone_ns is None:
                    self.gone_ns = time_ns
                if was_connected and not self.connected and self.placed is not None:
                    self.placed.lost(time_ns if self.heard_ns is None else self.heard_ns)
                if not self.connected and self.scraped is not None:
                    self.scraped.interrupted()
                if part.limit:
                    self.over_limits = {**self.over_limits, part.limit: self.over_limits.get(part.limit, 0) + 1}
            case Samples():
                self.answers += 1
                if self.scraped is not None:
                    self.scraped.samples(part, time_ns if part.time_ns is None else part.time_ns)
                    self._see_reset(self.scraped.reset_ns)
            case Inventory():
                part, self._inventory_ns = self._naming.learn(part), time_ns
                self._inventories += 1
                if self.churn is not None:
                    self.churn.inventory(part.pools)
                if self.placed is not None:
                    self.placed.inventory(part, time_ns)
                if self.residency is None and any(pool.counted is not Counted.NO for pool in part.pools):
                    self.residency = Residency(self._window_s)
                if self.residency is not None:
                    self.residency.inventory(part, time_ns)
            case Layout():
                if self.scraped is None:
                    self.scraped = ScrapedStats()
                self.scraped.layout(part)
                self.described = Counter(one.worker for one in part.series)
            case Past():
                self.earlier = earlier(part)
            case Deliveries():
                self._deliveries().deliveries(part, time_ns)
            case Requests():
                self._deliveries().requests(part, time_ns)
            case Decisions():
                self._deliveries().decisions(part, time_ns)
            case Phases():
                self.evidence.add(part.rows)
                self._deliveries().phases(part, time_ns)
            case Occupancy():
                self._deliveries().occupancy(part)
            case Watermark():
                self.answers += 1
                self._deliveries().watermark(part, time_ns)
            case Blocks():
                if self.churn is None:
                    self.churn = Churn(self._window_s)
                    self.churn.inventory(self.inventory.pools)
                self.churn.blocks(part, time_ns)
                if self.residency is not None:
                    self.residency.blocks(part, time_ns)
            case Accounts():
                pass  # of requests, which are no one source's
            case _:
                assert_never(part)

    def new_resets(self) -> list[int]:
        """When resets were seen since this was last asked."""
        new = list(self._new_resets)
        self._new_resets.clear()
        return new

    def _see_reset(self, reset_ns: int | None) -> None:
        if reset_ns is not None and reset_ns != self.reset_ns:
            self.resets += 1
            self.reset_ns = reset_ns
            self._new_resets.append(reset_ns)

    def _deliveries(self) -> DeliveryStats:
        if self.placed is None:
            window_s = self._window_s if self.probing is None else PROBE_WINDOW_S
            self.placed = DeliveryStats(window_s, keep=self._keep, hear=self._hear, hear_end=self._hear_end)
            self.placed.inventory(self.inventory, self._inventory_ns)
        return self.placed
