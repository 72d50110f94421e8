"""What one tick of a session knows: an immutable snapshot, and the object that `snapshot --json` prints (`docs/snapshot.md`).

A `Frame` is a pure function of the batches before its tick. Every figure says what state it is in, who said so, how old it is and over how many samples.
"""

import msgspec

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
    """True: about `value` (≈), as something that it is counted from was missed."""


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


class TargetRow(msgspec.Struct, frozen=True):
    name: str
    url: str
    backend: str
    status: TargetStatus
    reason: str
    heard_ns: int | None
    limits: dict[str, int] = {}
    """How often the target was over each of its limits so far, by the limit's name."""


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

    `tokens`: u16 little endian, output tokens that the worker made in the tick (saturated); 65,535 = not observed.
    `late`: u8, worst lateness in the tick (gap ÷ its request's median): 0 nothing to judge, 1 below 1.5, 2 below 3, 3 below 5, 4 a stall.
    """

    worker: str
    device: Device
    role: Role
    tokens: bytes
    late: bytes


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
    ttft: Distribution
    """Of all requests, merged; `workers[].ttft` has them apart."""
    river: tuple[RiverRow, ...]
    timeline: bytes
    """One byte a second, oldest first, at most 900: worst worker's p99 − p50 of that second, `1 + floor(2·log10(s / 10 µs))` clipped to 1 … 14; 0 no data; 255 a gap.
    From 33 to 46: 32 + a level that was backfilled (see `backfill`)."""
    verdict: str | None = None
    backfill: tuple[BackfillRow, ...] = ()
