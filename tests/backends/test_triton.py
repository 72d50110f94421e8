"""What Triton's pages say: the documented samples exactly, and text built from its documentation."""

import math

import pytest

from collectors.model.signals import DeviceFacts, Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Device, Tier
from tests.backends.flows import flows, owned
from tests.backends.pages import FIXTURES, read

HOST = "gpu-host:8002"
HBM = Tier.HBM


def fixture(name: str) -> str:
    return (FIXTURES / "triton" / name).read_text()


def test_the_documented_page_of_the_tensorrt_llm_back_end() -> None:
    page = fixture("nv_trt_llm.prom")
    known = read(page, HOST)
    worker = f"{HOST}/tensorrt_llm:1"
    assert known.backend == "triton"
    assert known.mapping.workers == (WorkerFacts(worker, model="tensorrt_llm"),)
    # read off the page by hand: 6,239 blocks of 64 tokens, one of them held
    expected = {
        (Signal.REQUESTS_RUNNING, None, None, ""): [0.0],
        (Signal.DEVICE_MEMORY_USED, None, None, ""): [1610236.0],
        (Signal.HOST_MEMORY_USED, None, None, "cpu"): [0.0],
        (Signal.HOST_MEMORY_USED, None, None, "pinned"): [0.0],
        (Signal.KV_BLOCK_TOKENS, None, None, ""): [64.0],
        (Signal.KV_ACTIVE_BLOCKS, HBM, None, ""): [1.0],
        (Signal.KV_CAPACITY_BLOCKS, HBM, None, ""): [6239.0],
        (Signal.KV_ACTIVE_RATIO, HBM, None, ""): [1 / 6239],
        (Signal.KV_CAPACITY_TOKENS, HBM, None, ""): [399296.0],
    }
    assert owned(page, HOST) == {(worker, "", *key): values for key, values in expected.items()}


def test_the_documented_summary_gives_its_total_and_no_quantile() -> None:
    known = read(fixture("nv_inference_queue_summary.prom"), HOST)
    worker = f"{HOST}/my_model:1"
    assert known.mapping.workers == (WorkerFacts(worker, model="my_model"),)
    assert known.values == {
        (worker, Signal.QUEUE, Kind.COUNT, None, ""): [161],
        (worker, Signal.QUEUE, Kind.SUM, None, ""): [pytest.approx(0.01111)],  # 11,110 µs
    }
    assert known.buckets == {}


PAGE = """\
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="ensemble",version="1"} 10
nv_inference_request_success{model="llm",version="1"} 10
nv_inference_request_success{model="llm",version="2"} 4
# TYPE nv_inference_request_failure counter
nv_inference_request_failure{model="llm",version="1",reason="REJECTED"} 2
nv_inference_request_failure{model="llm",version="1",reason="OTHER"} 1
# TYPE nv_inference_request_duration_us counter
nv_inference_request_duration_us{model="llm",version="1"} 2500000
# TYPE nv_inference_queue_duration_us counter
nv_inference_queue_duration_us{model="llm",version="1"} 1500
# TYPE nv_inference_first_response_histogram_ms histogram
nv_inference_first_response_histogram_ms_bucket{model="llm",version="1",le="100"} 8
nv_inference_first_response_histogram_ms_bucket{model="llm",version="1",le="500"} 9
nv_inference_first_response_histogram_ms_bucket{model="llm",version="1",le="+Inf"} 10
nv_inference_first_response_histogram_ms_count{model="llm",version="1"} 10
nv_inference_first_response_histogram_ms_sum{model="llm",version="1"} 1234
# TYPE nv_trt_llm_request_metrics gauge
nv_trt_llm_request_metrics{model="llm",request_type="waiting",version="1"} 7
# TYPE nv_trt_llm_disaggregated_serving_metrics counter
nv_trt_llm_disaggregated_serving_metrics{disaggregated_serving_type="kv_cache_transfer_ms",model="llm",version="1"} 15
nv_trt_llm_disaggregated_serving_metrics{disaggregated_serving_type="request_count",model="llm",version="1"} 3
# TYPE nv_gpu_power_usage gauge
nv_gpu_power_usage{gpu_uuid="GPU-1"} 250.5
# TYPE nv_energy_consumption counter
nv_energy_consumption{gpu_uuid="GPU-1"} 123456.7
# TYPE nv_gpu_utilization gauge
nv_gpu_utilization{gpu_uuid="GPU-1"} 0.5
# TYPE nv_gpu_memory_used_bytes gauge
nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 8589934592
# TYPE nv_gpu_memory_total_bytes gauge
nv_gpu_memory_total_bytes{gpu_uuid="GPU-1"} 17179869184
"""


def test_models_their_versions_and_the_gpus() -> None:
    known = read(PAGE, HOST)
    ensemble, one, two = (f"{HOST}/{name}" for name in ("ensemble:1", "llm:1", "llm:2"))
    assert [worker.id for worker in known.mapping.workers] == [ensemble, one, two]
    gpu = "gpu-host/GPU-1"
    assert known.mapping.devices == (DeviceFacts(gpu, "gpu-host", uuid="GPU-1", kind=Device.GPU),)
    assert owned(PAGE, HOST) == {
        (ensemble, "", Signal.REQUESTS_FINISHED, None, None, ""): [10],
        (one, "", Signal.REQUESTS_FINISHED, None, None, ""): [10],
        (two, "", Signal.REQUESTS_FINISHED, None, None, ""): [4],
        (one, "", Signal.REQUEST_ERRORS, None, None, "REJECTED"): [2],
        (one, "", Signal.REQUEST_ERRORS, None, None, "OTHER"): [1],
        (one, "", Signal.TIME_SPENT, None, None, "request"): [2_500_000_000],
        (one, "", Signal.TIME_SPENT, None, None, "queue"): [1_500_000],
        (one, "", Signal.REQUESTS_WAITING, None, None, ""): [7],
        (one, "", Signal.TIME_SPENT, None, None, "KV transfer"): [15_000_000],
        ("", gpu, Signal.POWER, None, None, ""): [250.5],
        ("", gpu, Signal.ENERGY, None, None, ""): [123456.7],
        ("", gpu, Signal.DEVICE_ACTIVITY, None, None, "engine"): [0.5],
        ("", gpu, Signal.DEVICE_MEMORY_USED, None, None, ""): [8589934592],
        ("", gpu, Signal.DEVICE_MEMORY_TOTAL, None, None, ""): [17179869184],
    }
    assert known.buckets == {(one, Signal.TTFT): {0.1: 8, 0.5: 9, math.inf: 10}}
    assert known.values[one, Signal.TTFT, Kind.SUM, None, ""] == [1.234]


def test_vllm_as_a_back_end_of_triton() -> None:
    page = (
        'nv_inference_request_success{model="a",version="1"} 1\n'
        'vllm:generation_tokens_total{model="a",version="1"} 30\n'
        'vllm:generation_tokens_total{model="b",version="1"} 40\n'
    )
    known = read(page, HOST)
    assert known.backend == "triton"
    assert [(worker.id, worker.model) for worker in known.mapping.workers] == [
        (f"{HOST}/a:1", "a"),
        (f"{HOST}/b:1", "b"),
    ]
    assert known.values[f"{HOST}/a:1", Signal.GENERATION_TOKENS, Kind.COUNTER, None, ""] == [30]
    assert known.values[f"{HOST}/b:1", Signal.GENERATION_TOKENS, Kind.COUNTER, None, ""] == [40]


def test_a_pool_of_no_blocks_has_no_share() -> None:
    page = "".join(
        f'nv_trt_llm_kv_cache_block_metrics{{kv_cache_block_type="{kind}",model="m",version="1"}} 0\n'
        for kind in ("used", "max", "tokens_per")
    )
    found = flows(page, "target/m:1")
    assert math.isnan(found[Signal.KV_ACTIVE_RATIO, HBM, None, ""][0])
    assert found[Signal.KV_CAPACITY_TOKENS, HBM, None, ""] == [0]


def test_missing_labels_and_wrong_types() -> None:
    page = (
        "nv_inference_request_success 5\nnv_gpu_power_usage 5\n"
        'nv_trt_llm_request_metrics{model="m"} 5\n'
        '# TYPE nv_inference_request_failure histogram\nnv_inference_request_failure{model="m"} 5\n'
        "# TYPE nv_trt_llm_kv_cache_block_metrics counter\n"
        'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="max",model="m"} 5\n'
        'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="used",model="m"} 5\n'
    )
    known = read(page)
    assert [worker.id for worker in known.mapping.workers] == ["target/m:"]
    assert known.mapping.devices == ()
    assert known.values == {
        ("target/m:", Signal.KV_CAPACITY_BLOCKS, Kind.COUNTER, HBM, ""): [5],
        ("target/m:", Signal.KV_ACTIVE_BLOCKS, Kind.COUNTER, HBM, ""): [5],
    }
