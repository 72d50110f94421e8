"""The kinds of faults: whom each may strike, and what can be said of it. Data only; `emulators.faults.acting` makes them happen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

Value = float | str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number from `low` to `high`, or one of some words. Its unit is in its name."""

    default: Value
    about: str
    low: float = 0.0
    high: float = 3_600.0
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """`strikes`: what its target is, `WORKER`, `LINK`, `POOL`, `HOST`, `PAGE` or `ROUTER`. `at_once`: it does something even if it lasts no time."""

    about: str
    strikes: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    at_once: bool = False


WORKER: Final = "worker"
LINK: Final = "link"
POOL: Final = "pool"
HOST: Final = "host"
PAGE: Final = "page"
ROUTER: Final = "router"
MOST_SKEW_S: Final = 1e6

KINDS: Final[dict[str, Kind]] = {
    "death": Kind(
        "a worker's process ends; its KV is lost, and it is started again, with nothing, when the fault is over",
        WORKER,
    ),
    "migration": Kind(
        "a worker is emptied: requests that decode there go on elsewhere, and no others are sent there while it lasts",
        WORKER,
        {"share": Parameter(1.0, "of those that decode there, the oldest first", 0.0, 1.0)},
        at_once=True,
    ),
    "straggler": Kind(
        "every step takes longer, as beside a noisy neighbour on the host",
        WORKER,
        {"factor": Parameter(3.0, "times as long", 1.0, 1_000.0)},
    ),
    "thermal-cap": Kind(
        "the chips' clocks are lowered: arithmetic slows down, memory does not",
        WORKER,
        {"clock": Parameter(0.5, "share of the clock that is left", 0.01, 1.0)},
    ),
    "link-flap": Kind(
        "a link goes down again and again: what is under way on it waits",
        LINK,
        {
            "down_s": Parameter(0.5, "how long it is down each time", 0.001),
            "every_s": Parameter(1.0, "from one time to the next", 0.001),
        },
    ),
    "eviction-storm": Kind(
        "memory is taken by others: again and again a share of the blocks that no request refers to is evicted",
        POOL,
        {
            "share": Parameter(0.5, "of the evictable blocks", 0.0, 1.0),
            "every_s": Parameter(0.5, "from one time to the next", 0.01),
        },
        at_once=True,
    ),
    "memory-cut": Kind(
        "memory is given to others for good: a pool has less room, and what has none any more is evicted",
        POOL,
        {"share": Parameter(0.25, "of its room that is left", 0.01, 1.0)},
    ),
    "flash-stall": Kind(
        "a host's drive is busy with itself: less bandwidth, and each access waits",
        HOST,
        {
            "share": Parameter(0.05, "of the bandwidth that is left", 0.0, 1.0),
            "latency_s": Parameter(0.05, "more before the first byte", 0.0, 60.0),
        },
    ),
    "stale-index": Kind(
        "block events do not reach the router: it chooses by what pools held when that began",
        ROUTER,
    ),
    "c2c-desync": Kind(
        "an LPU group's chip-to-chip links lose step and are aligned anew: all its streams wait",
        WORKER,
        {
            "stall_ms": Parameter(2.0, "each time", 0.001, 10.0),
            "every_s": Parameter(0.25, "from one time to the next", 0.02),
        },
        at_once=True,
    ),
    "clock-skew": Kind(
        "a process's clock is wrong: its answers' Date, its KV events' times, and when it says it began if it is started meanwhile",
        PAGE,
        {"ahead_s": Parameter(30.0, "below 0: behind", -MOST_SKEW_S, MOST_SKEW_S)},
    ),
    "metrics-hang": Kind(
        "a page does not answer, or late, in real time",
        PAGE,
        {"answer_s": Parameter(0.0, "after so long; 0: never")},
    ),
    "metrics-lie": Kind(
        "a page does not tell the truth: always the same, or counters that fall back and go on from there",
        PAGE,
        {
            "how": Parameter("frozen", "the page as it was, or counters lower", words=("frozen", "backwards")),
            "share": Parameter(0.5, "of its counters that `backwards` takes away", 0.01, 1.0),
        },
    ),
}
