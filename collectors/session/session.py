"""A run of observation: batches in, one Frame a tick out. No I/O, no clock of its own: the same batches and ticks give the same Frames."""

from typing import Final

from collectors.diagnose.judging import Judging
from collectors.diagnose.objectives import Profile
from collectors.model.batch import Batch
from collectors.model.frame import Frame, JitterRow, SignalRow, WorkerRow
from collectors.model.signals import Signal
from collectors.model.vocabulary import Role
from collectors.session.backfill import Backfill, backfill
from collectors.session.detail import Detail
from collectors.session.device_rows import Devices, host_rows
from collectors.session.each_second import EachSecond
from collectors.session.fleet import Fleet, Worker
from collectors.session.flow_rows import flow_rows, handover_rows
from collectors.session.gap_rows import GapRows
from collectors.session.hit_rates import with_hit_rates
from collectors.session.hop_rows import hop_rows
from collectors.session.kept import kept
from collectors.session.placement_rows import (
    decision_summary,
    placement_rows,
    river_rows,
    stall_rows,
)
from collectors.session.probe_rows import probe_rows
from collectors.session.prompt_rows import prompt_rows, reuse_rows
from collectors.session.ranks import Ranks
from collectors.session.requests import RequestBook
from collectors.session.signal_rows import signal_rows
from collectors.session.source_state import SourceState
from collectors.session.target_rows import target_rows
from collectors.session.tier_past import TierPasts
from collectors.session.tier_rows import tier_rows
from collectors.session.timeline import Timeline
from collectors.session.total_rate import total_rate
from collectors.session.worker_rows import all_ttft, jitter_row, worker_row
from collectors.stats.columns import Key
from collectors.stats.steps import ROWS, Steps, whole

WINDOW_S: Final = 60
GONE_S: Final = 600
"""How long a target that is no longer listed, and its workers, are shown as gone."""
MAX_GONE: Final = 64
_SECOND_NS: Final = 1_000_000_000


class Session:
    """`clock` is the kind of clock that its times are of: `live` or `virtual`."""

    def __init__(
        self, clock: str, window_s: int = WINDOW_S, judging: Judging | None = None, detail: Detail | None = None
    ) -> None:
        """`detail` is given the single deliveries, requests and decisions, where anybody will ask for them."""
        self.judging = judging or Judging()
        """May be changed between two ticks."""
        self._clock = clock
        self._window_s = window_s
        self._sources: dict[str, SourceState] = {}
        self._timeline = Timeline()
        self._told: list[object] = []
        """What the backfill was made of."""
        self._backfill = Backfill()
        self._fleet = Fleet()
        self._ranks = Ranks()
        self._spreads: dict[str, tuple[WorkerRow, JitterRow]] = {}
        self._devices = Devices()
        self._each_second = EachSecond()
        self._gaps = GapRows()
        self._tier_pasts = TierPasts()
        self._requests = RequestBook(detailed=detail is not None)
        self._detail = detail

    def judge(self, profile: Profile) -> None:
        """Hold requests against this profile from the next tick on."""
        self.judging = self.judging._replace(profile=profile)

    def feed(self, batch: Batch) -> None:
        """Takes a batch. Batches come in order of their times, and before the first tick that is later."""
        whole(self.feeding(batch))

    def feeding(self, batch: Batch) -> Steps[None]:
        """The same in steps, between which nothing else may be fed, and no tick made."""
        source = self._sources.get(batch.source)
        if source is None:
            source = self._sources[batch.source] = SourceState(
                batch.source,
                self._window_s,
                None if self._detail is None else self._detail.kept.keeper(batch.source),
            )
        yield from source.feeding(batch)
        yield from self._requests.feeding(batch)
        if self._detail is not None and source.placed is not None:
            self._requests.number(batch.source, source.placed.begun())

    def knows(self, source: str) -> bool:
        """Whether anything was heard of a source, good or bad."""
        return source in self._sources

    def answers(self, source: str) -> int | None:
        """How often a source has answered with data so far; None if it is not up."""
        found = self._sources.get(source)
        return None if found is None or not found.connected else found.answers

    def tick(self, time_ns: int, utc_s: float | None = None) -> Frame:
        """The Frame at `time_ns`, a multiple of the tick later than the last one."""
        return whole(self.ticking(time_ns, utc_s))

    def ticking(self, time_ns: int, utc_s: float | None = None) -> Steps[Frame]:
        """The same in steps. Details may be asked for between them, of earlier ticks; nothing may be fed before the last."""
        window_ns = self._window_s * _SECOND_NS
        self._forget(time_ns)
        sources = list(self._sources.values())
        self._ranks.tick(sources)
        self._requests.correct(self._sources, time_ns)
        for source in sources:
            yield from source.ticking(time_ns)
            yield
        requests, clocks = self._requests.tick(sources, time_ns)
        if self._detail is not None:
            self._detail.tick(sources, self._requests, time_ns)
        yield
        probes = probe_rows(self._sources, time_ns)
        targets = target_rows(sources)
        sources = [source for source in sources if source.probing is None]  # what is ours is no figure of the fleet
        fleet = self._fleet.workers(sources)
        self._look_back(sources, fleet)
        made: list[WorkerRow] = []
        for worker in fleet.values():
            made.append(worker_row(worker, time_ns, window_ns))
            if not len(made) % ROWS:
                yield
        rows = tuple(made)
        tokens_per_s, tellers = total_rate(zip(fleet.values(), rows, strict=True))
        devices = self._devices.rows(fleet, sources, time_ns, window_ns)
        yield
        prompts = prompt_rows(fleet.values(), time_ns, window_ns)
        yield
        tiers = with_hit_rates(tier_rows(sources, time_ns, window_ns), prompts, sources)
        yield
        stalls, long_stalls = stall_rows(sources, time_ns)
        placements = placement_rows(fleet, sources, time_ns, window_ns)
        yield
        jitter = self._jitter(rows)
        ttft = all_ttft(list(fleet.values()), sources, time_ns, window_ns)
        yield
        river = river_rows(fleet.values())
        timeline = self._timeline.tick(sources, fleet, self._backfill.levels, time_ns)
        yield
        reuse = reuse_rows(fleet.values(), sources, time_ns, window_ns)
        flows = flow_rows(fleet.values(), sources, time_ns, window_ns)
        yield
        handovers = handover_rows(fleet.values(), time_ns, window_ns)
        hops = hop_rows(fleet.values(), time_ns, window_ns)
        yield
        gaps = self._gaps.tick(sources, fleet, time_ns, window_ns)
        tier_pasts = self._tier_pasts.tick(tiers, time_ns)
        yield
        frame = Frame(
            time_ns=time_ns,
            utc_s=utc_s,
            clock=self._clock,
            window_s=_observed_s(sources, fleet, time_ns, window_ns),
            emulated=any(source.emulated for source in self._sources.values()),
            targets=targets,
            workers=self._devices.with_power(rows, devices),
            tiers=tiers,
            placements=placements,
            decisions=decision_summary(sources, time_ns),
            jitter=jitter,
            stalls=stalls,
            long_stalls=long_stalls,
            tokens_per_s=tokens_per_s,
            tokens_per_s_workers=tellers,
            ttft=ttft,
            river=river,
            timeline=timeline,
            backfill=self._backfill.rows,
            prompts=prompts,
            reuse=reuse,
            flows=flows,
            handovers=handovers,
            hops=hops,
            devices=devices,
            hosts=host_rows(sources, time_ns, window_ns),
            requests=requests,
            clocks=clocks,
            probes=probes,
            tier_pasts=tier_pasts,
            gaps=gaps,
        )
        return (yield from self._each_second.ticking(frame, fleet, sources, self.judging, window_ns))

    def signals(self, time_ns: int) -> tuple[SignalRow, ...]:
        """Everything that pages say, at the last tick. Not in a Frame: there may be a hundred of a worker."""
        return signal_rows(self._sources.values(), time_ns, self._window_s * _SECOND_NS)

    def _jitter(self, rows: tuple[WorkerRow, ...]) -> tuple[JitterRow, ...]:
        """Without routers, which mix the gaps of others. Of a row that is the last tick's, so is its spread."""
        known = self._spreads
        self._spreads = {
            row.id: last if (last := known.get(row.id)) and last[0] is row else (row, jitter_row(row))
            for row in rows
            if row.role is not Role.ROUTER
        }
        return tuple(spread for _, spread in self._spreads.values())

    def _look_back(self, sources: list[SourceState], fleet: dict[str, Worker]) -> None:
        told: list[object] = [source.earlier for source in sources if source.earlier]
        told += [fleet] if told else []
        if len(told) != len(self._told) or any(one is not two for one, two in zip(told, self._told, strict=True)):
            self._told = told
            self._backfill = backfill([(source.earlier, source.emulated) for source in sources], fleet)

    def _forget(self, time_ns: int) -> None:
        """Targets come and go: those that went are shown for a while, the newest of them."""
        gone = sorted((one.gone_ns, one.name) for one in self._sources.values() if one.gone_ns is not None)
        for index, (gone_ns, name) in enumerate(gone):
            if time_ns - gone_ns > GONE_S * _SECOND_NS or index < len(gone) - MAX_GONE:
                del self._sources[name]


def _observed_s(sources: list[SourceState], fleet: dict[str, Worker], time_ns: int, window_ns: int) -> float:
    """Effective length of the window: the longest over which any source was observed."""
    lengths = [source.summary.window_s for source in sources if source.summary is not None]
    lengths += [_seconds(worker, time_ns, window_ns) for worker in fleet.values()]
    return max(lengths, default=0.0)


@kept
def _seconds(worker: Worker, time_ns: int, window_ns: int) -> float:
    if worker.placed is not None or worker.scraped is None or worker.scraped.scraped is None:
        return 0.0
    key = Key(worker.info.id, Signal.GENERATION_TOKENS)
    return worker.scraped.scraped.increase(time_ns, window_ns, key).seconds or 0.0
