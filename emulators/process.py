"""A worker's process as others see it: whether it is there, since when it counts, what its clock says, and how its page answers.

The simulation counts from the start; a page shows what has been counted since its process began.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

from emulators.energy import Account, Drawn, Movement
from emulators.stats import WorkerStats


class Counted(NamedTuple):
    """What a page tells of a worker. `hit_tokens`: prompt tokens that were found in its pool."""

    stats: WorkerStats
    account: Account
    hit_tokens: int

    def less(self, other: "Counted", share: float) -> "Counted":
        """Counters without this share of what another's were; levels as they are."""
        mine, its = self.account, other.account
        account = Account(
            seconds={phase: time - share * its.seconds[phase] for phase, time in mine.seconds.items()},
            drawn={
                phase: None if joules is None else Drawn(joules - share * (its.drawn[phase] or 0.0))
                for phase, joules in mine.drawn.items()
            },
            tier=mine.tier,
            read={what: size - round(share * its.read[what]) for what, size in mine.read.items()},
            movement={
                what: None if joules is None else Movement(joules - share * (its.movement[what] or 0.0))
                for what, joules in mine.movement.items()
            },
            watts=mine.watts,
        )
        return Counted(self.stats.less(other.stats, share), account, self.hit_tokens - round(share * other.hit_tokens))


@dataclass(slots=True)
class Process:
    """`started_ns`: virtual time; `skew_s`: how far its clock is ahead, `started_skew_s`: how far it was when it began."""

    down: int = 0
    started_ns: int = 0
    started_skew_s: float = 0.0
    skew_s: float = 0.0
    frozen_ns: list[int] = field(default_factory=list)
    """Since when its page has been saying always the same, if it does."""
    delays_s: list[float] = field(default_factory=list)
    """How long its page takes to answer, in real time; infinity: it never does."""
    without: list[tuple[Counted, float]] = field(default_factory=list)
    """What a page leaves out of what has been counted, and which share of it."""

    @property
    def up(self) -> bool:
        return not self.down

    def end(self) -> None:
        self.down += 1

    def restart(self, now_ns: int, counted: Counted) -> None:
        """It is there again, and counts from now on."""
        self.down -= 1
        self.started_ns, self.started_skew_s = now_ns, self.skew_s
        self.without = [(deepcopy(counted), 1.0)]

    def shown(self, counted: Counted) -> Counted:
        """What its page tells of what has been counted since the start."""
        for other, share in self.without:
            counted = counted.less(other, share)
        return counted

    def created(self, created: float) -> float:
        """The Unix time at which it began, by its own clock, when the simulation began at `created`."""
        return created + self.started_ns / 1e9 + self.started_skew_s
