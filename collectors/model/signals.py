"""Canonical signals: what a scraped sample means, whatever its back end calls it (rows of the mapping tables).

A back end's `map()` turns each sample that it understands into a `Series`; everything downstream speaks of signals only.
"""

from enum import StrEnum
from typing import Final

import msgspec

from collectors.model.vocabulary import Device, Role, Tier


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    BUCKET = "bucket"
    """Cumulative bucket counter of a histogram, with its upper bound `le`."""
    SUM = "sum"
    COUNT = "count"


class Signal(StrEnum):
    REQUESTS_RUNNING = "requests_running"
    REQUESTS_WAITING = "requests_waiting"
    REQUESTS_FINISHED = "requests_finished_total"
    PREEMPTIONS = "preemptions_total"
    PROMPT_TOKENS = "prompt_tokens_total"
    PROMPT_TOKENS_COMPUTED = "prompt_tokens_computed_total"
    GENERATION_TOKENS = "generation_tokens_total"
    HIT_TOKENS = "cached_prompt_tokens_total"
    """With the tier that served them."""
    TTFT = "ttft_seconds"
    GAP = "gap_seconds"
    TPOT = "tpot_seconds"
    E2E = "e2e_seconds"
    QUEUE = "queue_seconds"
    PREFILL = "prefill_seconds"
    DECODE = "decode_seconds"
    KV_ACTIVE_RATIO = "kv_active_ratio"
    """Share of the pool's capacity that running requests refer to (0–1)."""
    KV_CAPACITY_TOKENS = "kv_capacity_tokens"
    KV_USED_BYTES = "kv_used_bytes"
    KV_ACTIVE_BYTES = "kv_active_bytes"
    KV_CAPACITY_BYTES = "kv_capacity_bytes"
    KV_USED_TOKENS = "kv_used_tokens"
    KV_ACTIVE_TOKENS = "kv_active_tokens"
    KV_USED_RATIO = "kv_used_ratio"
    """Share of the pool's capacity that is resident, idle blocks included (0–1)."""
    KV_USED_BLOCKS = "kv_used_blocks"
    """Blocks, chunks or keys, as the back end counts."""
    KV_ACTIVE_BLOCKS = "kv_active_blocks"
    KV_QUERY_TOKENS = "kv_query_tokens_total"
    KV_QUERY_BLOCKS = "kv_query_blocks_total"
    """Blocks or chunks that were looked for."""
    KV_QUERY_LOOKUPS = "kv_query_lookups_total"
    HIT_BLOCKS = "kv_hit_blocks_total"
    """Blocks or chunks found, with the tier that held them."""
    HIT_LOOKUPS = "kv_hit_lookups_total"
    KV_EVICTED_TOKENS = "kv_evicted_tokens_total"
    KV_EVICTED_BLOCKS = "kv_evicted_blocks_total"
    """Blocks, chunks or keys."""
    KV_EVICTED_BYTES = "kv_evicted_bytes_total"
    KV_TRANSFER_BYTES = "kv_transfer_bytes_total"
    """From `tier` to `to`, as the next five."""
    KV_TRANSFER_TOKENS = "kv_transfer_tokens_total"
    KV_TRANSFER_BLOCKS = "kv_transfer_blocks_total"
    KV_TRANSFER_TIME = "kv_transfer_time_ns_total"
    """Nanoseconds, for counters are kept as integers."""
    KV_TRANSFER = "kv_transfer_seconds"
    KV_TRANSFER_RATE = "kv_transfer_bytes_per_s"
    """A histogram over transfers."""
    PD_TRANSFER = "pd_transfer_seconds"
    """From a prefill to a decode worker, as the next three."""
    PD_TRANSFER_BYTES = "pd_transfer_bytes_total"
    PD_TRANSFER_RATE = "pd_transfer_bytes_per_s"
    PD_TRANSFER_FAILURES = "pd_transfer_failures_total"
    REQUEST_ERRORS = "request_errors_total"
    SPEC_DRAFT_TOKENS = "spec_draft_tokens_total"
    SPEC_ACCEPTED_TOKENS = "spec_accepted_tokens_total"
    ITERATION = "iteration_seconds"
    """An engine step."""
    ENGINE_STEPS = "engine_steps_total"
    KV_PREDICTED_BLOCKS = "kv_predicted_blocks"
    """What a router believes a worker's running requests refer to: a prediction, never occupancy."""
    KV_CAPACITY_BLOCKS = "kv_capacity_blocks"
    KV_HITS = "kv_hits_total"
    """Tokens found, as a cache or router says; `HIT_TOKENS` is what the engine says of its prompts."""
    PD_TRANSFER_BOUND = "pd_transfer_bound_seconds"
    """An upper bound of the same, by a router: never shown as a measurement."""
    REQUESTS_IN_STAGE = "requests_in_stage"
    """With the stage as `label`."""
    MIGRATIONS = "migration_total"
    """Requests that went on at another worker."""
    SELECTIONS = "selections_total"
    """Choices of a router, with what was chosen as `label`."""
    POWER = "power_watts"
    ENERGY = "energy_joules_total"
    DEVICE_MEMORY_USED = "device_memory_used_bytes"
    """Of a device, whatever for: weights, KV, anything."""
    DEVICE_MEMORY_TOTAL = "device_memory_total_bytes"
    DEVICE_ACTIVITY = "device_activity_ratio"
    """0–1, with what is active as `label`."""
    DEVICE_TEMPERATURE = "device_temperature_celsius"
    KV_BLOCK_TOKENS = "kv_block_tokens"
    KV_HIT_RATE = "kv_hit_rate"
    """0–1, over a window of the back end's own."""
    KV_TRANSFER_FAILURES = "kv_transfer_failures_total"
    """From `tier` to `to`."""
    KV_EVENTS_APPLIED = "kv_events_applied_total"
    """Block events that a router's index took in, with event and outcome as `label`."""
    REUSE_AVAILABLE = "reuse_available_tokens_total"
    """Prompt tokens that the best worker was believed to hold when a router chose."""
    REUSE_CAPTURED = "reuse_captured_tokens_total"
    """Prompt tokens that the chosen worker was believed to hold."""
    SELECTIONS_BELOW_BEST = "selections_below_best_total"
    """Choices of a worker that was believed to hold less than another."""
    OVERLAP_LOST = "overlap_lost_blocks"
    """By how much less, each time."""
    PREDICTED_HIT_RATIO = "predicted_hit_ratio"
    """0–1, a router's expectation for one request."""
    STAGE = "stage_seconds"
    """Of a request in a router or front end, with the stage as `label`."""
    TOKENS_WAITING = "tokens_waiting"
    """Prompt tokens of requests in a queue."""
    REQUESTS_REJECTED = "requests_rejected_total"
    """Turned away before any work, with the reason as `label`."""
    MIGRATION = "migration_seconds"
    """From a worker's failure to going on elsewhere, with the outcome as `label`."""
    MODEL_READY = "model_ready"
    """1 where the model can be served."""
    POWER_PROJECTED = "power_projected_watts"
    """A plan, never a measurement."""
    DEVICE_ERRORS = "device_errors_total"
    """With their kind as `label`."""
    DEVICE_FAULT_CODE = "device_fault_code"
    """Code of the newest fault, 0 for none: not a count."""
    LINK_BYTES_PER_SECOND = "link_bytes_per_second"
    """Load of a device's link, with link and direction as `label`; whatever it carries."""
    HOST_MEMORY_TOTAL = "host_memory_total_bytes"
    """Of a host: what a tier there could be made of at most, not what one holds."""
    HOST_MEMORY_AVAILABLE = "host_memory_available_bytes"
    HOST_MEMORY_USED = "host_memory_used_bytes"
    """By everything, or by what `label` says."""
    LINK_BYTES = "link_bytes_total"
    """As `LINK_BYTES_PER_SECOND`, where the device counts."""
    LINK_TRANSFER = "link_transfer_seconds"
    """A transfer over a device's link, whatever it carried."""
    EXECUTION = "execution_seconds"
    """A program's run on a device; `label` is the percentile that the back end worked out."""
    EXECUTIONS = "executions_total"
    """Runs of programs, with how they ended as `label`."""
    PROGRAMS_QUEUED = "programs_queued"
    """Programs, not requests, that wait for a device."""
    REQUESTS_RUNNING_MEAN = "requests_running_per_endpoint"
    """A router's mean over the endpoints of the pool `label`, as the next two."""
    REQUESTS_WAITING_MEAN = "requests_waiting_per_endpoint"
    KV_ACTIVE_RATIO_MEAN = "kv_active_ratio_mean"
    KV_INDEXED_BLOCKS = "kv_indexed_blocks"
    """Entries of a router's index: what it believes to be held somewhere."""
    PREDICTED_HIT_BYTES = "predicted_hit_bytes"
    """Of one prompt, by a router's index."""
    REVOCATIONS = "revocations_total"
    """Requests that a router took back from workers, with what came of it as `label`."""
    ENDPOINTS_READY = "endpoints_ready"
    DISAGGREGATIONS = "disaggregation_decisions_total"
    """A router's choices of where prefill and decode run, with the choice as `label`."""
    NTPOT = "ntpot_seconds"
    """A request's whole duration by its output tokens: queue and prefill included, so not TPOT."""
    PROMPT_TOKENS_EXTERNAL = "prompt_tokens_external_total"
    """Whose KV came through a connector: from another worker, or from a tier below the device."""
    TIME_SPENT = "time_spent_ns_total"
    """Nanoseconds, as counters are kept in integers, that went by in `label`, over all requests."""
    KV_LOST_TOKENS = "kv_lost_tokens_total"
    """Left the tier without a copy below it, with the reason as `label`."""
    HIT_BYTES = "kv_hit_bytes_total"
    SPEC_ACCEPT_RATIO = "spec_accept_ratio"
    SPEC_ACCEPT_LENGTH = "spec_accept_length_tokens"
    """A step's mean, with the token that the model itself adds."""
    HEALTHY = "healthy"
    """1 where it says that it is well, 0 where not."""
    PROCESS_STARTED = "process_started_seconds"
    """UTC, of the process that counts what is on the page."""
    PROCESS_UPTIME = "process_uptime_seconds"
    """The same where it only says how long ago that was."""
    COUNTER_CREATED = "counter_created_seconds"
    """UTC, of the counter `label`, where it only says that."""


NOT_ADDABLE: Final = frozenset(
    {
        Signal.KV_ACTIVE_RATIO,
        Signal.KV_USED_RATIO,
        Signal.ITERATION,
        Signal.KV_HIT_RATE,
        Signal.KV_BLOCK_TOKENS,
        Signal.DEVICE_ACTIVITY,
        Signal.DEVICE_TEMPERATURE,
        Signal.DEVICE_FAULT_CODE,
        Signal.EXECUTION,
        Signal.SPEC_ACCEPT_RATIO,
        Signal.SPEC_ACCEPT_LENGTH,
        Signal.HEALTHY,
        Signal.PROCESS_STARTED,
        Signal.PROCESS_UPTIME,
        Signal.COUNTER_CREATED,
    }
)
"""Gauges of which two, told apart by labels that nobody asks for, have no sum."""


class Series(msgspec.Struct, frozen=True, gc=False):
    """One sampled value. `worker` is the worker's id (`target/engine`); `metric` is the name on the wire, for provenance."""

    signal: Signal
    kind: Kind
    worker: str
    metric: str
    tier: Tier | None = None
    le: float | None = None
    owner: str = ""
    """Of a tier's figure: who owns the tier, where that is not the worker. Of a device's or a host's: which one."""
    to: Tier | None = None
    """Of a transfer out of `tier`: where to."""
    label: str = ""
    """The stage, reason or kind, in the back end's own words, where a signal is told apart by it."""
    less: bool = False
    """A counter to be taken off the other one of the same signal and metric. A server may count the two at different moments of a request: their
    difference itself is no counter, for it may fall."""
    estimate: str = ""
    """Of a value that is only about right, or a proxy: why."""


def is_formula(metric: str) -> bool:
    """Whether a series' `metric` tells how its value was made of others': a name on the wire has no blank."""
    return " " in metric


def unit_of(signal: Signal) -> str:
    """The unit of a signal's values, which its name tells: `bytes`, `bytes/s`, `ratio`, `count` …"""
    name = signal.value.removesuffix("_total").removesuffix("_mean")
    return next((unit for ending, unit in _UNITS.items() if f"_{name}".endswith(f"_{ending}")), "count")


_UNITS: Final = {
    **{unit: unit for unit in ("seconds", "ns", "bytes", "tokens", "blocks", "ratio", "watts", "joules", "celsius")},
    "hit_rate": "ratio",
    "bytes_per_s": "bytes/s",
    "bytes_per_second": "bytes/s",
    "hits": "tokens",
    "computed": "tokens",
    "external": "tokens",
    "tokens_waiting": "tokens",
}

CAVEATS: Final = {
    Signal.KV_ACTIVE_RATIO: "what running requests refer to: idle cached blocks are not in it, so not occupancy",
    Signal.KV_ACTIVE_BYTES: "what running requests, or transfers, refer to: not occupancy",
    Signal.KV_ACTIVE_TOKENS: "what running requests refer to: not occupancy",
    Signal.KV_ACTIVE_BLOCKS: "what running requests, or transfers, refer to: not occupancy",
    Signal.KV_ACTIVE_RATIO_MEAN: "a router's mean over endpoints",
    Signal.REQUESTS_RUNNING_MEAN: "a router's mean over endpoints",
    Signal.REQUESTS_WAITING_MEAN: "a router's mean over endpoints",
    Signal.KV_PREDICTED_BLOCKS: "a router's prediction: not occupancy",
    Signal.KV_INDEXED_BLOCKS: "what a router's index believes to be held somewhere: not occupancy",
    Signal.PREDICTED_HIT_RATIO: "a router's expectation",
    Signal.PREDICTED_HIT_BYTES: "a router's expectation",
    Signal.REUSE_AVAILABLE: "what a router believed",
    Signal.REUSE_CAPTURED: "what a router believed",
    Signal.PD_TRANSFER_BOUND: "first decode − prefill done: an upper bound",
    Signal.KV_HIT_RATE: "over a window of the back end's own",
    Signal.POWER_PROJECTED: "a plan, not a measurement",
    Signal.DEVICE_FAULT_CODE: "code of the newest fault, not a count",
    Signal.DEVICE_MEMORY_USED: "whatever holds it: weights, KV, anything",
    Signal.HOST_MEMORY_USED: "whatever holds it: not a tier's occupancy",
    Signal.NTPOT: "queue and prefill included: not TPOT",
    Signal.EXECUTION: "a percentile that the back end worked out: not to be merged",
    Signal.LINK_BYTES: "whatever the link carried",
    Signal.LINK_BYTES_PER_SECOND: "whatever the link carries",
}
"""What a signal must not be taken for."""


class WorkerFacts(msgspec.Struct, frozen=True, gc=False):
    """What a page says about a worker itself; an empty string or zero means that it does not say."""

    id: str
    model: str = ""
    role: Role = Role.UNKNOWN
    device: Device = Device.UNKNOWN
    chip: str = ""
    chips: int = 0


class DeviceFacts(msgspec.Struct, frozen=True, gc=False):
    """What a page says about a device itself: `key` is the `owner` of its series. Empty: not said. It is no worker: that is what runs on it."""

    key: str
    host: str = ""
    index: str = ""
    uuid: str = ""
    kind: Device = Device.UNKNOWN
    chip: str = ""
    pods: tuple[str, ...] = ()
    """`namespace/pod`, or `pod`, of whoever has the device."""
    part_of: str = ""
    """Of a part of a divided device: the key of the whole one, which draws the power."""
