"""A simulated cluster that is being watched: its clock moves in slices, and what happens goes to the stream's readers.

No sockets and no real time here: `emulators.pacing` and `emulators.control` say how far to go, `emulators.server` serves.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Literal, Protocol

from emulators.answers import Answer, Answers
from emulators.asking import Asked
from emulators.energy import Account
from emulators.events import Events, Row, Rows
from emulators.faults.timetable import Timetable
from emulators.pacing import doze
from emulators.process import Counted, Process
from emulators.readers import BACKLOG_BYTES, Reader, Stream
from emulators.stats import WorkerStats
from emulators.token_log import TokenLog
from emulators.workload import Workload

SLICE_NS: Final = 50_000_000
"""Virtual time simulated in one go. Slices end on multiples of it, so that what is written does not depend on the machine's speed."""
MOST_AWAITED: Final = 4
"""Answers whose next tokens are waited for one by one; with more, so many are due at any time that looking for them would take the time that it saves."""
TURN_NS: Final = 1_000_000
"""How often these get theirs."""

ClockKind = Literal["paced", "stepped"]


class SimulatedWorker(Protocol):
    """What is asked of a worker."""

    @property
    def slot(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def chip(self) -> str: ...
    @property
    def chips(self) -> int: ...
    @property
    def model(self) -> str: ...
    @property
    def stats(self) -> WorkerStats: ...
    @property
    def memory_bytes(self) -> tuple[int, int]: ...
    def account(self, now_ns: int) -> Account: ...
    @property
    def process(self) -> Process: ...
    def counted(self, now_ns: int) -> Counted: ...


class Simulated(Protocol):
    """What is asked of a cluster (see `emulators.cluster`)."""

    @property
    def now_ns(self) -> int: ...
    @property
    def workers(self) -> Sequence[SimulatedWorker]: ...
    @property
    def faults(self) -> Timetable: ...
    @property
    def workload(self) -> Workload: ...
    @property
    def router_process(self) -> Process: ...
    def advance(self, until_ns: int) -> Events: ...
    def due_ns(self, asked: Iterable[Asked]) -> int | None: ...
    def hello(self) -> Row: ...
    def live_requests(self) -> list[Row]: ...
    def occupancy(self) -> Rows: ...
    def truth(self) -> Row: ...
    def requested(self) -> Row: ...
    def residents(self) -> dict[int, list[int]]: ...
    def ask(self, at_ns: int, asked: Asked) -> None: ...
    def give_up(self, at_ns: int, asked: Asked) -> None: ...


class ClockError(ValueError):
    """A time to which the clock cannot go."""


class Tally:
    """Counts over all events since the start: decisions by rule, ties, and prompt tokens found in each pool."""

    def __init__(self) -> None:
        self.decisions: Counter[str] = Counter()
        self.ties = 0
        self.hit_tokens: Counter[int] = Counter()

    def add(self, events: Events) -> None:
        for decision in events.decisions:
            self.decisions[decision["rule"]] += 1
            self.ties += decision["tie"]
        for row in events.requests:
            if row["event"] == "admitted" and not row.get("again"):
                for pool, tokens in row.get("hits", ()):
                    self.hit_tokens[pool] += tokens


class Emulation:
    """One cluster, its tally, the readers of its stream, and those who wait for answers. `created` is the Unix time of its start."""

    def __init__(
        self, cluster: Simulated, *, clock: ClockKind, clock_id: str, backlog_bytes: int = BACKLOG_BYTES
    ) -> None:
        self.cluster = cluster
        self.created = time.time()
        self.clock = clock
        self.inventory = cluster.hello()
        self.stream = Stream(clock_id, cluster.live_requests(), backlog_bytes=backlog_bytes)
        self.tally = Tally()
        self.answers = Answers()
        self.token_log = TokenLog(cluster.live_requests())
        self.hearers: list[Callable[[Events], None]] = [self.answers.hear, self.token_log.hear]
        """Told of all that happens, advance by advance."""
        self.attending: list[Callable[[], Awaitable[None]]] = []
        """Awaited after each slice: whoever has to be in step with what is simulated."""
        self.real_now_ns: Callable[[], int] = lambda: self.cluster.now_ns
        """Virtual time as of this moment; of a clock that is paced it is ahead of the cluster's."""
        self._advancing = asyncio.Lock()

    async def advance(self, until_ns: int) -> None:
        """Runs to `until_ns` and writes everything before it to every reader, yielding to the event loop after each slice.

        One advance at a time; another waits its turn. ClockError if the clock is past `until_ns` by then.
        """
        async with self._advancing:
            now_ns = self.cluster.now_ns
            if until_ns < now_ns:
                raise ClockError(f"the clock is at {now_ns} ns and cannot go back to {until_ns} ns")
            while True:
                now_ns = min(until_ns, (now_ns // SLICE_NS + 1) * SLICE_NS)
                events = self.cluster.advance(now_ns)
                self.tally.add(events)
                self.stream.write(events, now_ns)
                if self.cluster.faults.cut_pools and (inventory := self.cluster.hello()) != self.inventory:
                    self.inventory = inventory
                    self.stream.greet(inventory, now_ns)
                for hear in self.hearers:
                    hear(events)
                for attend in self.attending:
                    await attend()
                if now_ns == until_ns:
                    return
                await asyncio.sleep(0)

    def ask(self, asked: Asked, came_ns: int) -> Answer:
        """Has the cluster receive a request that came at that time, or as soon after as can be."""
        self.cluster.ask(max(self.cluster.now_ns, came_ns), asked)
        return self.answers.wait_for(asked)

    def give_up(self, asked: Asked) -> None:
        """Has the cluster abort a request now."""
        self.cluster.give_up(max(self.cluster.now_ns, self.real_now_ns()), asked)

    def due_ns(self) -> int | None:
        """When something next happens that somebody waits for; None if nobody waits."""
        waiting = self.answers.asked()
        return self.cluster.due_ns(waiting) if len(waiting) <= MOST_AWAITED else self.cluster.now_ns + TURN_NS

    async def rest(self, seconds: float) -> None:
        """Sleeps, but not longer than until somebody asks for an answer; exactly, if a few wait for one."""
        hurry = self.answers.hurry
        await doze(seconds, hurry, exact=0 < len(self.answers) <= MOST_AWAITED)
        hurry.clear()

    def join(self, reader: Reader, after: str = "") -> None:
        """Adds a reader to the stream, as of now, or `after` the message that was its last."""
        self.stream.join(
            reader,
            now_ns=self.cluster.now_ns,
            inventory=self.inventory,
            live=self.cluster.live_requests(),
            occupancy=self.cluster.occupancy(),
            after=after,
        )
