"""A whole fleet through a Prometheus-compatible server: a few questions for all of it, and every instance a source of its own.

The server is a source whose status is how it answers. Each instance that it scrapes is another, `instance via server`: its page and its
own faults; its workers have the ids that they would have if it were scraped directly. What is asked for are raw samples (a range
selector), because only those have the times at which they were scraped: so rates are exact, and the first answer fills the window of the
statistics with what came before. Those times become session time by the server's clock (`promql_clock`).
"""

import asyncio
from collections.abc import Callable
from typing import Final

import numpy as np

from collectors.backends import registry
from collectors.backends.started import STARTED
from collectors.model.batch import Batch, Layout, Part, Samples, Status
from collectors.model.signals import Signal
from collectors.model.vocabulary import TargetStatus
from collectors.sources.promql_clock import ServerClock
from collectors.sources.promql_instances import Instance, Instances, Scrape
from collectors.sources.promql_plan import Plan, jobs, named, plan, ranged, scraped_at, up
from collectors.sources.scrape import MAX_BACKOFF_S, Fault, fault_of
from collectors.sources.source import Clock, Emit
from collectors.wire.http import Backoff, FetchError, HttpClient
from collectors.wire.prom_api import Answer, PromApi, PromApiError, labels_of
from collectors.wire.safe import safe_text, shown_url

POLL_S: Final = 5.0
"""Targets are seldom scraped more often than every 10 to 15 s."""
DISCOVER_S: Final = 60.0
"""How often the server is asked which metrics there are, once it has any for us; before, every time."""
LOOK_BACK_S: Final = 90
"""Asked for at first: a window of the statistics, and what may be on its way."""
OVERLAP_S: Final = 10
"""Asked for again: what was scraped before the last answer but stored after it (a scrape may take so long)."""
LONGEST_S: Final = 300
PAST_S: Final = 900
"""The time before that is looked at: a timeline."""
STEP_S: Final = 30
BREATH: Final = 8
"""Instances whose pages are made in one go, before others may run."""
MAX_WARNING: Final = 200
_NOTHING: Final = np.zeros(0)
_NOTHING.setflags(write=False)


class PromqlSource:
    """Asks the server at `url` (what comes before `/api/v1`) every `interval_s`, at most every POLL_S."""

    def __init__(self, name: str, url: str, client: HttpClient, interval_s: float = POLL_S) -> None:
        self.name = name
        self._api = PromApi(url, client)
        self._shown_url = shown_url(url)
        self._interval_s = max(interval_s, POLL_S)
        self._backoff = Backoff(name, self._interval_s, MAX_BACKOFF_S)
        self._clock = ServerClock()
        self._instances = Instances(client.limits, self._interval_s)
        self._plan = Plan()
        self._jobs: frozenset[str] = frozenset()
        self._dated = False
        """Whether it has start times of processes, which are not only those that we know."""
        self._typed = False
        """Whether it was told which metrics are counters, or that the server does not tell."""
        self._discovered_s: float | None = None
        self._asked_s: float | None = None
        self._newest_s: float | None = None
        self._warnings: dict[str, None] = {}
        self._told: dict[str, Status] = {}
        self._looked_back = False
        self._past_fault = ""

    @property
    def series_known(self) -> int:
        """How many series are kept in memory."""
        return self._instances.series_known

    async def run(self, clock: Clock, emit: Emit) -> None:
        """Until cancelled."""
        while True:
            fault = await self.attempt(clock.now_ns, emit)
            if fault is None:
                self._backoff.reset()
                await asyncio.sleep(self._interval_s)
            else:
                self._tell(fault, clock.now_ns(), emit)
                await asyncio.sleep(self._backoff.next_s(fault.longest_s))

    async def step(self, until_ns: int, emit: Emit) -> None:
        """One round of questions, whatever the interval; the server's now is the last nanosecond before `until_ns`."""
        fault = await self.attempt(lambda: until_ns - 1, emit)
        if fault is not None:
            self._tell(fault, until_ns - 1, emit)

    async def close(self) -> None:
        """The client belongs to whoever made it."""

    async def attempt(self, now_ns: Callable[[], int], emit: Emit) -> Fault | None:
        """One round of questions, all for the same moment of the server. Emits what is new; a fault is returned and not emitted."""
        self._warnings = {}
        try:
            before_ns = now_ns()
            server_s = await self._api.now_s()
            self._clock.observe(before_ns, server_s, now_ns())
            await self._discover(server_s)
            window_s = self._window_s(server_s)
            whole = await self._collect(server_s, window_s)
        except FetchError as error:
            return fault_of(error)
        except PromApiError as error:
            return Fault(error.reason, error.status)
        if whole:
            self._asked_s = server_s
        await self._pass_on(server_s, now_ns, emit)
        if not self._looked_back and self._instances.all:
            self._looked_back = True
            await self._look_back(server_s, now_ns, emit)
        return None

    async def _discover(self, server_s: float) -> None:
        found_s = self._discovered_s if self._plan.names else None
        if found_s is not None and 0.0 <= server_s - found_s < DISCOVER_S:
            return
        names, warnings = await self._api.names(server_s - LONGEST_S, server_s)
        self._warnings |= dict.fromkeys(warnings)
        self._plan = plan(set(names) - {STARTED}, registry.wanted)
        self._dated = STARTED in names
        if self._plan.names != self._instances.names or not self._typed:
            self._instances.asked(self._plan.names, await self._counters())
        found = [await self._ask(jobs(selector), server_s) for selector in self._plan.scalars]
        labels = [labels_of(series) for answer in found for series in answer.series]
        self._jobs = frozenset(one.get("job", "") for one in labels)
        self._discovered_s = server_s

    async def _counters(self) -> frozenset[str]:
        """Where the server cannot tell, the names alone do; where it could not now, it is asked again."""
        self._typed = True
        try:
            return await self._api.counters()
        except (FetchError, PromApiError) as error:
            self._typed = error.status is not TargetStatus.DOWN
            return frozenset()

    async def _collect(self, server_s: float, window_s: int) -> bool:
        """Whether every question was answered. Raises FetchError and PromApiError only if none was, or not that for `up`."""
        if self._plan.names:
            self._instances.take_up((await self._ask(ranged(up(self._jobs), window_s), server_s)).series)
        started = (up(self._jobs, STARTED),) if self._dated and self._plan.names else ()
        selectors = (*self._plan.scalars, *self._plan.buckets, *started)
        faults: list[FetchError | PromApiError] = []
        for selector in selectors:
            try:
                answer = await self._ask(ranged(selector, window_s), server_s)
                self._instances.take(answer.series, known=selector in started)
            except (FetchError, PromApiError) as error:
                faults.append(error)
        if faults and len(faults) == len(selectors):
            raise faults[0]
        if faults:
            self._warnings[f"{len(faults)} of {len(selectors)} questions without an answer: {faults[0].reason}"] = None
        return not faults

    async def _ask(self, expression: str, server_s: float) -> Answer:
        answer = await self._api.query(expression, server_s)
        self._warnings |= dict.fromkeys(answer.warnings)
        return answer

    def _window_s(self, server_s: float) -> int:
        """What has come since the last round was asked for, however late the server gets it."""
        if self._asked_s is None or self._newest_s is None:
            return LOOK_BACK_S
        late_s = max(self._asked_s - self._newest_s, 0.0)
        return int(min(max(server_s - self._asked_s, 0.0) + late_s + OVERLAP_S, LONGEST_S)) + 1

    async def _pass_on(self, server_s: float, now: Callable[[], int], emit: Emit) -> None:
        """The server's own status first, then every instance that has something new to say."""
        found: list[tuple[Instance, list[Part]]] = []
        for instance in self._instances.all.values():
            if len(found) % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            found.append((instance, instance.parts(self._clock, now())))
        now_ns = now()
        self._newest_s = max((one.last_s for one, _ in found), default=None) or None
        if not self._plan.names:
            self._warnings["no metrics of a known back end"] = None
        if self._past_fault:
            self._warnings[self._past_fault] = None
        left_out = self._instances.left_out
        self._instances.settle(server_s)
        if lost := self._instances.unscraped:
            self._warnings[f"{lost} more of these jobs' targets cannot be scraped (up = 0)"] = None
        for count, what in ((self._plan.left_out, "metrics"), (left_out, "series")):
            if count:
                self._warnings[f"{count} {what} left out: too many"] = None
        warning = safe_text("; ".join(self._warnings), MAX_WARNING)
        server = Status(self._shown_url, "prometheus", TargetStatus.UP, warning=warning)
        first: tuple[Part, ...] = () if self.name in self._told else (Layout(()),)
        self._told[self.name] = server
        emit(Batch(self.name, now_ns, (server, *first, Samples(_NOTHING))))
        for instance, parts in found:
            name = self._source_of(instance)
            status = self._status_of(instance, server_s)
            if parts or status != self._told.get(name):
                self._told[name] = status
                emit(Batch(name, now_ns, (status, *parts)))

    async def _look_back(self, server_s: float, now: Callable[[], int], emit: Emit) -> None:
        """Tells once of the time before, for summaries. Where the server does not answer that, nothing is known of it."""
        instances = list(self._instances.all.values())
        tokens = {name for one in instances for name in one.said_by(Signal.GENERATION_TOKENS)}
        gaps = {name for one in instances for name in one.said_by(Signal.GAP)}
        # A native histogram has a name of its own and no buckets' names.
        gaps = {name if name in self._plan.names else name.removesuffix("_bucket") for name in gaps}
        start_s = server_s - PAST_S
        try:
            answers = [
                (await self._api.query_range(scraped_at(name), start_s, server_s, STEP_S)).series
                for name in sorted(tokens)
            ]
            times = self._instances.times(answers)
            scrapes: dict[Instance, dict[float, Scrape]] = {}
            for names in filter(None, (tokens, *({name} for name in sorted(gaps)))):
                answer = await self._api.query_range(named(names), start_s, server_s, STEP_S)
                for instance, rows in self._instances.take_past(answer.series, times).items():
                    for time_s, scrape in rows.items():
                        scrapes.setdefault(instance, {}).setdefault(time_s, {}).update(scrape)
        except (FetchError, PromApiError) as error:
            self._past_fault = f"nothing of the time before: {error.reason}"
            return
        for number, (instance, found) in enumerate(scrapes.items()):
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            past = instance.past(found, self._clock)
            if past is not None:
                emit(Batch(self._source_of(instance), now(), (past,)))

    def _status_of(self, instance: Instance, server_s: float) -> Status:
        reason, status = "", TargetStatus.UP
        if instance.fault:
            reason, status = instance.fault, TargetStatus.REJECTED
        elif instance.up.value == 0.0:
            reason, status = "the server cannot scrape it (up = 0)", TargetStatus.DOWN
        elif instance.silent(server_s):
            reason, status = "the server has no new samples of it", TargetStatus.DOWN
        return Status(self._shown_url, instance.backend, status, safe_text(reason), limit=instance.limit)

    def _tell(self, fault: Fault, now_ns: int, emit: Emit) -> None:
        """A server that does not answer: its own status. Whatever was heard through it is stale, though it may run as before."""
        server = Status(self._shown_url, "prometheus", fault.status, safe_text(fault.reason), limit=fault.limit)
        emit(Batch(self.name, now_ns, (server,)))
        for instance in self._instances.all.values():
            name = self._source_of(instance)
            status = Status(self._shown_url, instance.backend, TargetStatus.STALE, "the server does not answer")
            if name in self._told and status != self._told[name]:
                self._told[name] = status
                emit(Batch(name, now_ns, (status,)))

    def _source_of(self, instance: Instance) -> str:
        return f"{instance.name} via {self.name}"
