"""Canonical signals: what a scraped sample means, whatever its back end calls it (rows of the mapping tables).

A back end's `map()` turns each sample that it understands into a `Series`; everything downstream speaks of signals only.
"""

from enum import StrEnum

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


class Series(msgspec.Struct, frozen=True):
    """One sampled value. `worker` is the worker's id (`target/engine`); `metric` is the name on the wire, for provenance."""

    signal: Signal
    kind: Kind
    worker: str
    metric: str
    tier: Tier | None = None
    le: float | None = None
    owner: str = ""
    """Of a tier's figure: who owns the tier, where that is not the worker."""


class WorkerFacts(msgspec.Struct, frozen=True):
    """What a page says about a worker itself; an empty string or zero means that it does not say."""

    id: str
    model: str = ""
    role: Role = Role.UNKNOWN
    device: Device = Device.UNKNOWN
    chip: str = ""
    chips: int = 0
