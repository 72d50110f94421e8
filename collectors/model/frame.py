"""What one tick of a session knows: an immutable snapshot, and the object that `snapshot --json` prints (`docs/snapshot.md`).

A `Frame` is a pure function of the batches before its tick. Every figure says what state it is in, who said so, how old it is and over how many samples.
"""

import msgspec

from collectors.model.devices import DeviceRow, HostRow
from collectors.model.figure import Distribution, Figure, Quantile
from collectors.model.history import GapRow, TierPast
from collectors.model.memory import FlowRow, HandoverRow, HopRow, PromptRow, ReuseRow, TierRow
from collectors.model.probes import ProbeRow
from collectors.model.requests import ClockRow, RequestRow
from collectors.model.routing import Routing
from collectors.model.slo import Slo
from collectors.model.verdict import Diagnosis
from collectors.model.vocabulary import Device, Role, Stage, TargetStatus, Tier

SCHEMA = "tokenyard.snapshot/1"
RIVER_COLUMNS = 240
"""Ticks of history in a river row: one minute."""


class Gaps(msgspec.Struct, frozen=True, gc=False):
    """What was missed of a source's stream so far: `count` times, in `seconds` of session time without a connection, `messages` of it (None: not known of all).

    `newest_at` is the session second in which the newest gap ended; `resumed`, how many connections ended and were taken up again with nothing missed.
    """

    count: int
    seconds: float
    messages: int | None
    newest_at: float | None
    resumed: int


class TargetRow(msgspec.Struct, frozen=True, gc=False):
    name: str
    url: str
    backend: str
    status: TargetStatus
    reason: str
    heard_ns: int | None
    limits: dict[str, int] = {}
    """How often the target was over each of its limits so far, by the limit's name."""
    gaps: Gaps | msgspec.UnsetType = msgspec.UNSET
    """Of a stream, where it is one."""
    finished: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    """Of a stream: requests that ended in the window, by reason (`stop`, `length`, `abort`, `error`, …)."""
    resets: int = 0
    """How often its counters were seen to have begun anew so far, or its process to have been restarted."""
    reset_at: float | None = None
    """Session time in seconds at which that was seen last."""


class WorkerRow(msgspec.Struct, frozen=True, gc=False):
    id: str
    target: str
    role: Role
    device: Device
    chip: str
    chips: int
    model: str
    running: Figure
    waiting: Figure
    tokens_per_s: Figure
    ttft: Distribution
    queue: Distribution
    gap: Distribution
    tpot: Distribution
    longest_stall_s: Figure
    tokens_per_delivery: Figure
    """Mean over the window; what a gap has to be read beside."""
    assumed: tuple[str, ...] = ()
    """Which of role, device, chip and chips only configuration says."""
    labels: dict[str, str] = {}
    """Given by whoever configured or listed the target."""
    power_watts: Figure | msgspec.UnsetType = msgspec.UNSET
    """Of the devices that it alone runs on, where there are any."""


class SignalRow(msgspec.Struct, frozen=True, gc=False):
    """Anything that a page says, by what it means. `value` is a gauge, or a counter's growth in the window; `per_s` and `total` are a counter's; `distribution` a
    histogram's. `metric` is its name, or its formula, on the page; `caveat` what it must not be taken for."""

    signal: str
    kind: str
    target: str
    worker: str
    owner: str
    tier: Tier | None
    to: Tier | None
    label: str
    metric: str
    unit: str
    value: Figure | msgspec.UnsetType = msgspec.UNSET
    per_s: Figure | msgspec.UnsetType = msgspec.UNSET
    total: Figure | msgspec.UnsetType = msgspec.UNSET
    distribution: Distribution | msgspec.UnsetType = msgspec.UNSET
    caveat: str | msgspec.UnsetType = msgspec.UNSET


class PlacementRow(msgspec.Struct, frozen=True, gc=False):
    """Tokens of the window by where they ran. Rows with `primary` sum to the output tokens; the others count stages beside them."""

    stage: Stage
    primary: bool
    worker: str | None
    device: Device
    tier: Tier
    tokens: Figure


class RuleCount(msgspec.Struct, frozen=True, gc=False):
    rule: str
    count: Figure


class DecisionSummary(msgspec.Struct, frozen=True, gc=False):
    total: Figure
    ties: Figure
    by_rule: tuple[RuleCount, ...]


class JitterRow(msgspec.Struct, frozen=True, gc=False):
    worker: str
    model: str
    device: Device
    p99_minus_p50: Quantile
    longest_stall_s: Figure


class StallRow(msgspec.Struct, frozen=True, gc=False):
    """A gap far above its request's own median. `at` is session time in seconds; `causes` are candidates with evidence, or `unknown`."""

    at: float
    request: str
    worker: str | None
    gap_s: Figure
    median_s: Figure
    causes: tuple[str, ...]
    token: int | None = None
    """Index of the first output token that came late, and how many came with it."""
    tokens: int | None = None


class RiverRow(msgspec.Struct, frozen=True, gc=False):
    """The last minute of one worker, a byte or two for each 250 ms tick, oldest first, RIVER_COLUMNS of them.

    `tokens`: u16 little endian, output tokens that the worker made in the tick (saturated), events where nobody counts those; 65,535 = not observed.
    `late`: u8, worst lateness in the tick (gap ÷ its request's median): 0 nothing to judge, 1 below 1.5, 2 below 3, 3 below 5, 4 a stall.
    """

    worker: str
    device: Device
    role: Role
    tokens: bytes
    late: bytes


class BackfillRow(msgspec.Struct, frozen=True, gc=False):
    """`seconds` before session second `at` (negative: before the session) as a server had stored them.

    Each of `workers` counts with the interval between two of its stored samples that holds the middle of that time. `worst` is the worker of the widest spread.
    """

    at: float
    seconds: float
    workers: int
    tokens_per_s: Figure
    worst: str | None
    p99_minus_p50: Quantile


class Frame(msgspec.Struct, frozen=True, gc=False):
    """`time_ns` is the tick in session time, `utc_s` what the wall clock said then (None on a virtual clock)."""

    time_ns: int
    utc_s: float | None
    clock: str
    window_s: float
    emulated: bool
    targets: tuple[TargetRow, ...]
    workers: tuple[WorkerRow, ...]
    tiers: tuple[TierRow, ...]
    placements: tuple[PlacementRow, ...]
    decisions: DecisionSummary
    jitter: tuple[JitterRow, ...]
    stalls: tuple[StallRow, ...]
    """Newest first, at most 64 of the window."""
    tokens_per_s: Figure
    """Of the workers of which it is known now, `n` of `tokens_per_s_workers`."""
    ttft: Distribution
    """Of all requests, merged; `workers[].ttft` has them apart."""
    river: tuple[RiverRow, ...]
    timeline: bytes
    """One byte a second, oldest first, at most 900: worst worker's p99 − p50 of that second, `1 + floor(2·log10(s / 10 µs))` clipped to 1 … 14; 0 no data; 255 a gap.
    + 16: the middle of an interval, of a page's buckets over the shortest time that tells it. + 32: backfilled (see `backfill`). + 64: counters of a page began
    anew; 254 where that is a gap. See `model.timeline`."""
    verdict: str | None = None
    """The line of the first of `diagnosis.findings`."""
    backfill: tuple[BackfillRow, ...] = ()
    prompts: tuple[PromptRow, ...] = ()
    reuse: tuple[ReuseRow, ...] = ()
    flows: tuple[FlowRow, ...] = ()
    handovers: tuple[HandoverRow, ...] = ()
    devices: tuple[DeviceRow, ...] = ()
    hosts: tuple[HostRow, ...] = ()
    tokens_per_s_workers: int = 0
    """Workers there are that make output tokens: not those of targets that have gone, nor prefill engines that are known by their pages; routers only where no worker tells."""
    requests: tuple[RequestRow, ...] = ()
    """The newest first, before them those that were migrated or of which tellers contradict each other."""
    clocks: tuple[ClockRow, ...] = ()
    probes: tuple[ProbeRow, ...] = ()
    diagnosis: Diagnosis | None = None
    """As of the last full second, as the next two; None before the first."""
    routing: Routing | None = None
    slo: Slo | None = None
    tier_pasts: tuple[TierPast, ...] = ()
    """One for each of `tiers`, in their order."""
    hops: tuple[HopRow, ...] = ()
    gaps: tuple[GapRow, ...] = ()
    """Of each device kind and model, in order of appearance."""
    long_stalls: tuple[StallRow, ...] = ()
    """Of the 16 longest of the window those that are older than `stalls`, newest first."""
