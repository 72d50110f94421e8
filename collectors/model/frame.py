"""What one tick of a session knows: an immutable snapshot, and the object that `snapshot --json` prints (`docs/snapshot.md`).

A `Frame` is a pure function of the batches before its tick. Every figure says what state it is in, who said so, how old it is and over how many samples.
"""

import msgspec

from collectors.model.requests import ClockRow, RequestRow
from collectors.model.vocabulary import Device, Provenance, Role, Stage, State, TargetStatus, Tier

SCHEMA = "tokenyard.snapshot/1"
RIVER_COLUMNS = 240
"""Ticks of history in a river row: one minute."""


class Figure(msgspec.Struct, frozen=True):
    """A number and what is known of it. `value` is None unless `state` is ok, zero or stale. `unit` is set where the field's name does not hold.

    `heard_ns` is the session time of its newest input, and no age: so a figure stays the same object for as long as nothing new is heard.
    """

    value: float | int | None
    state: State
    provenance: Provenance | None
    emulated: bool
    heard_ns: int | None
    n: int | msgspec.UnsetType | None = msgspec.UNSET
    unit: str | msgspec.UnsetType = msgspec.UNSET
    estimate: bool | msgspec.UnsetType = msgspec.UNSET
    """True: about `value` (≈), as something that it is counted from was missed, or as it is a bound or a proxy: `formula` tells."""
    formula: str | msgspec.UnsetType = msgspec.UNSET
    at_least: bool | msgspec.UnsetType = msgspec.UNSET
    """True: a lower bound (≥): what was not counted is not in it."""


class Quantile(Figure, frozen=True, kw_only=True):
    """A quantile as the interval (low, high] that it is known to lie in; `value` is an interpolation inside it. Over range: only `low` is known."""

    low: float | None = None
    high: float | None = None


class Distribution(msgspec.Struct, frozen=True):
    """Quantiles of `n` samples of `population` in the window, in `unit`."""

    n: int
    unit: str
    population: str
    p50: Quantile
    p99: Quantile
    p999: Quantile
    max: Figure


class Gaps(msgspec.Struct, frozen=True):
    """What was missed of a source's stream so far: `count` times, in `seconds` of session time without a connection, `messages` of it (None: not known of all).

    `newest_at` is the session second in which the newest gap ended; `resumed`, how many connections ended and were taken up again with nothing missed.
    """

    count: int
    seconds: float
    messages: int | None
    newest_at: float | None
    resumed: int


class TargetRow(msgspec.Struct, frozen=True):
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


class WorkerRow(msgspec.Struct, frozen=True):
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


class HitRate(msgspec.Struct, frozen=True):
    """Share of what was looked for that was found, `hits` ÷ `of`, both in `unit` (tokens, blocks, lookups), over `window_s`.

    `tiers` are those whose hits are in it; `of` is told by `population`. `preempted`: requests were preempted in the window, and what they recompute may count
    as hits; None where that is not known.
    """

    rate: Figure
    hits: Figure
    of: Figure
    unit: str
    population: str
    tiers: tuple[Tier, ...]
    window_s: float | None
    preempted: bool | None


class TierRow(msgspec.Struct, frozen=True):
    owner: str
    worker: str | None
    tier: Tier
    used_bytes: Figure
    active_bytes: Figure
    capacity_bytes: Figure
    hit_tokens: Figure
    stored_per_s: Figure | msgspec.UnsetType = msgspec.UNSET
    """Blocks a second in the window that came to be in the tier, where single blocks are heard of; so the next two."""
    evicted_per_s: Figure | msgspec.UnsetType = msgspec.UNSET
    """Blocks that were removed one by one; those of a pool that was emptied as a whole are not among them."""
    promoted_per_s: Figure | msgspec.UnsetType = msgspec.UNSET
    """Those of the stored ones that a slower tier of the same worker held."""
    unread: Figure | msgspec.UnsetType = msgspec.UNSET
    """Share of the blocks stored here in the window that no faster tier of the same worker took from here since: about what was written and never read."""
    hit_rate: HitRate | msgspec.UnsetType = msgspec.UNSET


class PromptRow(msgspec.Struct, frozen=True):
    """Where the prompt tokens of a worker came from in the window: computed, or found in some tier, never both.

    `residual_tokens` is prompt − computed − found: what does not add up, absent where one of the three is worked out from the others. `recompute_tax` is
    `recomputed_tokens` (after preemptions) ÷ all computed ones. Page counters may be counted at different moments of a request, so a residual comes and goes.
    """

    worker: str
    window_s: float | None
    prompt_tokens: Figure
    computed_tokens: Figure
    hit_tokens: Figure
    residual_tokens: Figure
    hit_rate: HitRate
    recomputed_tokens: Figure
    recompute_tax: Figure
    preemptions: Figure


class ReuseRow(msgspec.Struct, frozen=True):
    """The reuse waterfall of a router: prompt tokens that the best worker was believed to hold when it chose, those that the chosen one was, and those that the
    engines then found."""

    router: str
    window_s: float | None
    prompt_tokens: Figure
    available_tokens: Figure
    captured_tokens: Figure
    delivered_tokens: Figure
    predicted_ratio: Distribution
    """What the router expected of each request, 0–1."""


class FlowRow(msgspec.Struct, frozen=True):
    """KV that a worker, or a cache of several, moved from `tier` to `to` (None: not said). `moved_per_s` has its own unit: bytes, tokens or blocks a second."""

    owner: str
    worker: str | None
    tier: Tier
    to: Tier | None
    label: str
    moved_per_s: Figure
    duration: Distribution
    failures: Figure


class HandoverRow(msgspec.Struct, frozen=True):
    """KV handed on from a prefill to a decode worker, told by `worker`: by the one that took it, or by a router that only knows a bound."""

    worker: str
    duration: Distribution
    bytes_per_s: Figure
    failures: Figure


class Labelled(msgspec.Struct, frozen=True):
    label: str
    figure: Figure


class DeviceRow(msgspec.Struct, frozen=True):
    """A device as the page of `target` tells it. `workers` are those that run on it as far as hosts tell; more than one share it.

    Memory is the device's, whatever it holds: weights, KV, anything. `activity` (0–1) and `temperature` by what is meant.
    """

    key: str
    target: str
    host: str
    index: str
    uuid: str
    kind: Device
    chip: str
    workers: tuple[str, ...]
    power_watts: Figure
    energy_joules: Figure
    """In the window, idle included."""
    memory_used_bytes: Figure
    memory_total_bytes: Figure
    activity: tuple[Labelled, ...]
    temperature_celsius: tuple[Labelled, ...]


class HostRow(msgspec.Struct, frozen=True):
    """Memory of a host: what a tier there could be made of at most, never what KV holds of it. `used` by whom, where that is said."""

    host: str
    target: str
    memory_total_bytes: Figure
    memory_available_bytes: Figure
    memory_used: tuple[Labelled, ...]


class SignalRow(msgspec.Struct, frozen=True):
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


class PlacementRow(msgspec.Struct, frozen=True):
    """Tokens of the window by where they ran. Rows with `primary` sum to the output tokens; the others count stages beside them."""

    stage: Stage
    primary: bool
    worker: str | None
    device: Device
    tier: Tier
    tokens: Figure


class RuleCount(msgspec.Struct, frozen=True):
    rule: str
    count: Figure


class DecisionSummary(msgspec.Struct, frozen=True):
    total: Figure
    ties: Figure
    by_rule: tuple[RuleCount, ...]


class JitterRow(msgspec.Struct, frozen=True):
    worker: str
    model: str
    device: Device
    p99_minus_p50: Quantile
    longest_stall_s: Figure


class StallRow(msgspec.Struct, frozen=True):
    """A gap far above its request's own median. `at` is session time in seconds; `causes` are candidates with evidence, or `unknown`."""

    at: float
    request: str
    worker: str | None
    gap_s: Figure
    median_s: Figure
    causes: tuple[str, ...]


class RiverRow(msgspec.Struct, frozen=True):
    """The last minute of one worker, a byte or two for each 250 ms tick, oldest first, RIVER_COLUMNS of them.

    `tokens`: u16 little endian, output tokens that the worker made in the tick (saturated), events where nobody counts those; 65,535 = not observed.
    `late`: u8, worst lateness in the tick (gap ÷ its request's median): 0 nothing to judge, 1 below 1.5, 2 below 3, 3 below 5, 4 a stall.
    """

    worker: str
    device: Device
    role: Role
    tokens: bytes
    late: bytes


class ProbedWorker(msgspec.Struct, frozen=True):
    """Who served probes in the window, as far as anybody says; `named_by` is what says so, `target`: nothing does."""

    worker: str
    named_by: str
    ttft: Distribution
    gap: Distribution


class ProbeRow(msgspec.Struct, frozen=True):
    """Our own requests to `target`, which are in no other figure here: one every `every_s` of at most `max_tokens` output tokens, a window of their own.

    `sent` are those that ended, `failed` those of them that brought no whole answer, by why in `failures`; `skipped` those that were due and not sent, as
    `at_once` were under way. Times count from when a probe was due.
    """

    target: str
    source: str
    model: str
    path: str
    every_s: float
    max_tokens: int
    at_once: int
    window_s: float
    sent: Figure
    failed: Figure
    failures: dict[str, int]
    skipped: Figure
    ttft: Distribution
    workers: tuple[ProbedWorker, ...]


class BackfillRow(msgspec.Struct, frozen=True):
    """`seconds` before session second `at` (negative: before the session) as a server had stored them.

    Each of `workers` counts with the interval between two of its stored samples that holds the middle of that time. `worst` is the worker of the widest spread.
    """

    at: float
    seconds: float
    workers: int
    tokens_per_s: Figure
    worst: str | None
    p99_minus_p50: Quantile


class Frame(msgspec.Struct, frozen=True):
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
