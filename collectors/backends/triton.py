"""Triton Inference Server: each version of each model is a worker, with the TensorRT-LLM or vLLM families of the back end that runs it.

An ensemble and the models that it is made of count the same request each, and are told apart by their names. Times are totals over
requests; quantiles that the server worked out are left out, as they cannot be added. "Used" blocks are what requests hold, not occupancy
(see `trtllm`). GPUs are devices, not workers. Names and units: triton-inference-server/server `docs/user_guide/metrics.md`,
triton-inference-server/tensorrtllm_backend `README.md`.
"""

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Table
from functools import partial
from typing import Final

from collectors.backends import vllm
from collectors.backends.mapping import Backend, Draft, Mapping, Op, Rule, families, rules
from collectors.backends.reach import Aspect, Hint, Reach, lacks, without
from collectors.model.places import device_key, host_of
from collectors.model.signals import DeviceFacts, Kind, Series, Signal, WorkerFacts
from collectors.model.vocabulary import Device, Tier
from collectors.wire.exposition import SampleKey

_PREFIXES: Final = ("nv_inference_", "nv_trt_llm_", "nv_gpu_", "nv_energy_")
_GAUGE: Final = Kind.GAUGE
_COUNTER: Final = Kind.COUNTER
_US: Final = 1e3
"""Microseconds in nanoseconds."""
_FAILED: Final = "nv_inference_request_failure"
_BLOCKS: Final = "nv_trt_llm_kv_cache_block_metrics"
_SUMMARY: Final = "nv_inference_queue_summary_us"

_OF_MODEL: Final = rules(
    {
        "nv_inference_request_success": Rule(Signal.REQUESTS_FINISHED, _COUNTER),
        _FAILED: Rule(Signal.REQUEST_ERRORS, _COUNTER),
        "nv_inference_request_duration_us": Rule(Signal.TIME_SPENT, _COUNTER, scale=_US, label="request"),
        "nv_inference_queue_duration_us": Rule(Signal.TIME_SPENT, _COUNTER, scale=_US, label="queue"),
        f"{_SUMMARY}_sum": Rule(Signal.QUEUE, Kind.SUM, scale=1e-6),
        f"{_SUMMARY}_count": Rule(Signal.QUEUE, Kind.COUNT),
    },
    {"nv_inference_first_response_histogram_ms": Signal.TTFT},
    scale=1e-3,
)
_OF_ENGINE: Final = {
    "nv_trt_llm_request_metrics": (
        "request_type",
        {
            "active": Rule(Signal.REQUESTS_RUNNING, _GAUGE),
            "waiting": Rule(Signal.REQUESTS_WAITING, _GAUGE),
        },
    ),
    _BLOCKS: (
        "kv_cache_block_type",
        {
            "used": Rule(Signal.KV_ACTIVE_BLOCKS, _GAUGE, Tier.HBM),
            "max": Rule(Signal.KV_CAPACITY_BLOCKS, _GAUGE, Tier.HBM),
            "tokens_per": Rule(Signal.KV_BLOCK_TOKENS, _GAUGE),
        },
    ),
    "nv_trt_llm_runtime_memory_metrics": (
        "memory_type",
        {
            "gpu": Rule(Signal.DEVICE_MEMORY_USED, _GAUGE),
            "cpu": Rule(Signal.HOST_MEMORY_USED, _GAUGE, label="cpu"),
            "pinned": Rule(Signal.HOST_MEMORY_USED, _GAUGE, label="pinned"),
        },
    ),
    "nv_trt_llm_disaggregated_serving_metrics": (
        "disaggregated_serving_type",
        {"kv_cache_transfer_ms": Rule(Signal.TIME_SPENT, _COUNTER, scale=1e6, label="KV transfer")},
    ),
}
"""By sample name: the label by which samples mean different things, and what they mean by it."""
_OF_GPU: Final = {
    "nv_gpu_power_usage": Rule(Signal.POWER, _GAUGE),
    "nv_energy_consumption": Rule(Signal.ENERGY, _COUNTER),
    "nv_gpu_memory_used_bytes": Rule(Signal.DEVICE_MEMORY_USED, _GAUGE),
    "nv_gpu_memory_total_bytes": Rule(Signal.DEVICE_MEMORY_TOTAL, _GAUGE),
    "nv_gpu_utilization": Rule(Signal.DEVICE_ACTIVITY, _GAUGE, label="engine"),
}
_FAMILIES: Final = families([*_OF_MODEL, *_OF_ENGINE, *_OF_GPU])


def _detect(names: Collection[str]) -> bool:
    return any(name.startswith(_PREFIXES) for name in names)


def _wanted(family: str) -> bool:
    return family in _FAMILIES or vllm.wanted(family)


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    engines: dict[tuple[str, str], set[int]] = {}
    blocks: dict[str, dict[str, int]] = {}
    for index, key in enumerate(keys):
        labels = dict(key.labels)
        if rule := _OF_GPU.get(key.name):
            if gpu := _device(labels, target):
                draft.device(gpu)
                draft.take(index, key, labels, rule, worker="", owner=gpu.key)
            continue
        model, version = labels.get("model", ""), labels.get("version", "")
        if not model:
            continue
        worker = f"{target}/{model}:{version}"
        meaning = _OF_ENGINE.get(key.name)
        if rule := _OF_MODEL.get(key.name):
            label = labels.get("reason", "") if key.name == _FAILED else ""
            draft.worker(WorkerFacts(worker, model=model))
            draft.take(index, key, labels, rule, worker=worker, label=label)
        elif meaning is not None:
            kind = labels.get(meaning[0], "")
            draft.worker(WorkerFacts(worker, model=model))
            if rule := meaning[1].get(kind):
                draft.take(index, key, labels, rule, worker=worker)
            if key.name == _BLOCKS and key.type in ("gauge", "untyped"):
                blocks.setdefault(worker, {})[kind] = index
        else:
            engines.setdefault((model, version), set()).add(index)
    for worker, at in blocks.items():
        _add_levels(draft, worker, at)
    for (model, version), among in engines.items():
        vllm.add(draft, keys, partial(_engine_id, f"{target}/{model}:{version}"), among)
    return draft.mapping()


def _engine_id(worker: str, engine: str) -> str:
    return worker if engine == "0" else f"{worker}/{engine}"


def _add_levels(draft: Draft, worker: str, at: Table[str, int]) -> None:
    """Active share and size of the device's pool; `at` are the places of its figures by what they are."""
    if "used" in at and "max" in at:
        series = Series(Signal.KV_ACTIVE_RATIO, _GAUGE, worker, f"{_BLOCKS}: used / max", Tier.HBM)
        draft.derive(Op.OVER, at["used"], at["max"], series)
    if "max" in at and "tokens_per" in at:
        series = Series(Signal.KV_CAPACITY_TOKENS, _GAUGE, worker, f"{_BLOCKS}: max * tokens_per", Tier.HBM)
        draft.derive(Op.TIMES, at["max"], at["tokens_per"], series)


def _device(labels: Table[str, str], target: str) -> DeviceFacts | None:
    """None for what a page says of GPUs that it does not name."""
    uuid = labels.get("gpu_uuid", "")
    host = host_of(target)
    return DeviceFacts(key=device_key(host, uuid), host=host, uuid=uuid, kind=Device.GPU) if uuid else None


_REACH: Final = Reach(
    "Triton",
    hints=(
        Hint(
            Aspect.PLACEMENT,
            without("vllm:generation_tokens_total", "vllm:generation_tokens"),
            'REPORT_CUSTOM_METRICS "true" in the model\'s config.pbtxt (vLLM back end)',
            "vLLM's own families: tokens, gaps, cache",
        ),
        Hint(
            Aspect.JITTER,
            lacks(Signal.TTFT),
            "--metrics-config histogram_latencies=true",
            "time to the first response; gaps it does not count",
        ),
    ),
)

BACKEND: Final = Backend("triton", _detect, _wanted, _map, _REACH)
