"""The pages, read back with prometheus_client's parser and held against a page captured from a real vLLM."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from emulators.emulation import Emulation
from emulators.metrics import router_page, worker_page
from emulators.stats import FAST_GAP
from tests.emulators.fake import BLOCK_BYTES, MS, FakeCluster

CAPTURED = Path(__file__).parents[1] / "fixtures/vllm/under_load.metrics.txt"
LEFT_OUT = {
    # The process and its HTTP server are the emulator's, not an engine's.
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_cpu_seconds",
    "process_open_fds",
    "process_max_fds",
    "python_gc_objects_collected",
    "python_gc_objects_uncollectable",
    "python_gc_collections",
    "python_info",
    "http_requests",
    "http_request_size_bytes",
    "http_response_size_bytes",
    "http_request_duration_highr_seconds",
    "http_request_duration_seconds",
    # Off unless asked for (--enable-mfu-metrics, --kv-cache-metrics), and not simulated.
    "vllm:estimated_flops_per_gpu",
    "vllm:estimated_read_bytes_per_gpu",
    "vllm:estimated_write_bytes_per_gpu",
    "vllm:kv_block_lifetime_seconds",
    "vllm:kv_block_idle_before_evict_seconds",
    "vllm:kv_block_reuse_gap_seconds",
}
OF_CONNECTORS = {
    # The captured server had no connectors; these are of their source (`emulators.vllm_kv`), and the simulation knows them.
    "vllm:kv_offload_load_bytes", "vllm:kv_offload_load_time", "vllm:kv_offload_load_size", "vllm:kv_offload_store_bytes",
    "vllm:kv_offload_store_time", "vllm:kv_offload_tiering_read_bytes", "vllm:kv_offload_tiering_read_time",
    "vllm:nixl_xfer_time_seconds", "vllm:nixl_bytes_transferred", "vllm:nixl_num_failed_transfers",
    "vllm:nixl_num_failed_notifications", "vllm:nixl_num_kv_expired_reqs", "vllm:nixl_num_notifications_after_expiry",
}  # fmt: skip
ENGINE = {"engine": "0", "model_name": "llama-3.1-8b"}


def families(page: bytes) -> dict[str, Metric]:
    return {
        family.name: family
        for family in text_string_to_metric_families(page.decode())
        if not family.name.endswith("_created")
    }


def value(found: dict[str, Metric], family: str, suffix: str = "", **labels: str) -> float:
    (sample,) = [s for s in found[family].samples if s.name == family + suffix and s.labels == labels]
    return sample.value


def emulation() -> Emulation:
    return Emulation(FakeCluster(), clock="stepped", clock_id="fake/0")


def page_of(slot: int) -> bytes:
    of = emulation()
    return worker_page(of, of.cluster.workers[slot])


@pytest.fixture(scope="module")
def captured() -> dict[str, Metric]:
    return families(CAPTURED.read_bytes())


@pytest.fixture(scope="module")
def gpu() -> dict[str, Metric]:
    return families(page_of(0))


def test_the_gpu_page_has_vllms_families_but_for_a_list(captured: dict[str, Metric], gpu: dict[str, Metric]) -> None:
    own = {
        "tokenyard_emulated", "tokenyard_worker_info", "tokenyard_phase_seconds", "tokenyard_drawn_joules", "tokenyard_step_read_bytes",
        "tokenyard_step_movement_joules",
    }  # fmt: skip
    assert gpu.keys() - own - OF_CONNECTORS == captured.keys() - LEFT_OUT
    assert gpu.keys() >= OF_CONNECTORS | own
    assert captured.keys() >= LEFT_OUT


def test_joules_of_two_kinds_are_families_of_their_own(gpu: dict[str, Metric]) -> None:
    def samples(name: str) -> dict[tuple[str, ...], float]:
        return {tuple(s.labels.values()): s.value for s in gpu[name].samples if s.name == f"{name}_total"}

    assert samples("tokenyard_phase_seconds")[("idle",)] == 1.5
    # What is not known is not there.
    assert samples("tokenyard_drawn_joules") == {("prefill",): 7.0}
    assert samples("tokenyard_step_read_bytes") == {("HBM", "weights"): 10_000, ("HBM", "kv"): 200}
    assert samples("tokenyard_step_movement_joules") == {("HBM", "weights"): 2.5}


def test_types_help_and_labels_are_vllms(captured: dict[str, Metric], gpu: dict[str, Metric]) -> None:
    def shape(family: Metric) -> Any:
        names = {
            (s.name, tuple(sorted((k, v) for k, v in s.labels.items() if k != "model_name"))) for s in family.samples
        }
        return family.type, family.documentation, names, {tuple(s.labels) for s in family.samples}

    for name in captured.keys() - LEFT_OUT - {"vllm:cache_config_info"}:
        assert shape(gpu[name]) == shape(captured[name]), name


def test_created_times_are_gauges_as_vllms(captured: dict[str, Metric]) -> None:
    def created(page: bytes) -> set[str]:
        lines = [line.split() for line in page.decode().splitlines() if line.startswith("# TYPE ")]
        return {
            name.removesuffix("_created") for _, _, name, kind in lines if name.endswith("_created") and kind == "gauge"
        }

    assert created(page_of(0)) - OF_CONNECTORS == created(CAPTURED.read_bytes()) - LEFT_OUT


def test_the_gpu_pages_numbers(gpu: dict[str, Metric]) -> None:
    assert value(gpu, "vllm:num_requests_running", **ENGINE) == 3
    assert value(gpu, "vllm:num_requests_waiting", **ENGINE) == 2
    assert value(gpu, "vllm:num_requests_waiting_by_reason", reason="capacity", **ENGINE) == 1
    assert value(gpu, "vllm:num_requests_waiting_by_reason", reason="deferred", **ENGINE) == 1
    assert value(gpu, "vllm:kv_cache_usage_perc", **ENGINE) == 0.25  # active of all, resident ones not counted
    assert value(gpu, "vllm:generation_tokens", "_total", **ENGINE) == 77
    assert value(gpu, "vllm:request_success", "_total", finished_reason="length", **ENGINE) == 5
    assert value(gpu, "vllm:request_success", "_total", finished_reason="repetition", **ENGINE) == 0
    by_source = {s.labels["source"]: s.value for s in gpu["vllm:prompt_tokens_by_source"].samples}
    assert by_source == {"local_compute": 600, "local_cache_hit": 300, "external_kv_transfer": 100}
    assert sum(by_source.values()) == value(gpu, "vllm:prompt_tokens", "_total", **ENGINE)
    cached = {s.labels["source"]: s.value for s in gpu["vllm:prompt_tokens_cached_by_source"].samples}
    assert cached == {"device": 300, "host": 100, "p2p": 0, "disk": 0, "external_unspecified": 0}
    assert value(gpu, "vllm:external_prefix_cache_queries", "_total", **ENGINE) == 700


def test_what_connectors_count(gpu: dict[str, Metric]) -> None:
    def count(name: str, **labels: str) -> float:
        return value(gpu, f"vllm:{name}", "_total", **labels, **ENGINE)

    assert (count("kv_offload_load_bytes"), count("kv_offload_load_time")) == (9_000_000, 0.75)
    assert (count("kv_offload_store_bytes"), count("kv_offload_store_time")) == (64_000_000, 0.001)
    # A host without flash and without an object store has no row of them.
    assert gpu["vllm:kv_offload_tiering_read_bytes"].samples == []
    assert value(gpu, "vllm:kv_offload_load_size", "_bucket", le="5000000.0", **ENGINE) == 1
    assert value(gpu, "vllm:kv_offload_load_size", "_count", **ENGINE) == 2
    assert value(gpu, "vllm:nixl_bytes_transferred", "_sum", **ENGINE) == 4_096
    assert value(gpu, "vllm:nixl_xfer_time_seconds", "_bucket", le="0.005", **ENGINE) == 1
    assert count("nixl_num_failed_transfers") == 0


def test_what_lies_below_has_rows_where_there_is_any() -> None:
    cluster = FakeCluster()
    cluster.flash = True
    of = Emulation(cluster, clock="stepped", clock_id="fake/0")
    page = families(worker_page(of, of.cluster.workers[0]))
    for name, figure in (("bytes", 6_000_000), ("time", 0.5)):
        (row,) = [s for s in page[f"vllm:kv_offload_tiering_read_{name}"].samples if s.name.endswith("_total")]
        assert (row.labels, row.value) == ({**ENGINE, "tier": "1:fs"}, figure)


def test_cache_config_tells_the_size_of_the_pool(gpu: dict[str, Metric]) -> None:
    (sample,) = gpu["vllm:cache_config_info"].samples
    assert sample.value == 1
    assert sample.labels["num_gpu_blocks"] == "101"  # vLLM counts its null block
    assert sample.labels["block_size"] == "16"
    assert sample.labels["kv_cache_size_tokens"] == str(101 * 16)


def test_histograms_are_cumulative_and_exact(gpu: dict[str, Metric]) -> None:
    name = "vllm:inter_token_latency_seconds"
    counts = {s.labels["le"]: s.value for s in gpu[name].samples if s.name == f"{name}_bucket"}
    assert (counts["0.01"], counts["0.025"], counts["80.0"], counts["+Inf"]) == (2, 3, 3, 4)
    assert value(gpu, name, "_count", **ENGINE) == 4
    assert value(gpu, name, "_sum", **ENGINE) == 200.03


def test_the_lpu_page() -> None:
    lpu = families(page_of(1))
    assert not [name for name in lpu if name.startswith("vllm:")]
    bounds = [float(s.labels["le"]) for s in lpu["tokenyard_gap_seconds"].samples if s.name.endswith("_bucket")]
    assert bounds == [*FAST_GAP, float("inf")]
    assert value(lpu, "tokenyard_gap_seconds", "_bucket", le="0.00135") == 10
    assert value(lpu, "tokenyard_gap_seconds", "_bucket", le="0.0013") == 0
    assert {s.labels["reason"] for s in lpu["tokenyard_requests_finished"].samples} == {
        "stop",
        "length",
        "abort",
        "error",
    }
    assert value(lpu, "tokenyard_tier_used_bytes", tier="SRAM", owner="lpu-0/0") == 20 * BLOCK_BYTES
    assert value(lpu, "tokenyard_tier_active_bytes", tier="SRAM", owner="lpu-0/0") == BLOCK_BYTES
    assert value(lpu, "tokenyard_tier_capacity_bytes", tier="SRAM", owner="lpu-0/0") == 100 * BLOCK_BYTES
    assert value(lpu, "tokenyard_tier_hit_tokens", "_total", tier="SRAM", owner="lpu-0/0") == 0
    for name in ("requests_running", "requests_waiting"):
        assert lpu[f"tokenyard_{name}"].type == "gauge"
    for name in ("generation_tokens", "prompt_tokens"):
        assert lpu[f"tokenyard_{name}"].type == "counter"


async def test_the_router_page_counts_decisions_and_shared_memory() -> None:
    of = emulation()
    await of.advance(100 * MS)  # ten requests, of which 0, 3, 6 and 9 are ties
    router = families(router_page(of))
    assert {s.labels["rule"]: s.value for s in router["tokenyard_decisions"].samples} == {"even": 5, "odd": 5}
    assert value(router, "tokenyard_decision_ties", "_total") == 4
    assert value(router, "tokenyard_requests_live") == len(of.cluster.live_requests()) > 0
    assert value(router, "tokenyard_tier_used_bytes", tier="DRAM", owner="host-0") == 30 * BLOCK_BYTES
    assert value(router, "tokenyard_tier_hit_tokens", "_total", tier="DRAM", owner="host-0") == 320
    assert [s.labels["owner"] for s in router["tokenyard_tier_used_bytes"].samples] == ["host-0"]
    assert "tokenyard_worker_info" not in router


def test_every_page_says_that_it_is_emulated_and_who_it_is() -> None:
    of = emulation()
    for worker in of.cluster.workers:
        page = worker_page(of, worker)
        assert value(families(page), "tokenyard_emulated") == 1
        (info,) = families(page)["tokenyard_worker_info"].samples
        shown = {name: str(getattr(worker, name)) for name in ("role", "device", "chip", "chips", "model")}
        assert info.labels == {"worker": worker.id, **shown}
    assert value(families(router_page(of)), "tokenyard_emulated") == 1
