"""What Dynamo's pages say: the captured ones exactly, KVBM and engine statistics by their documented names, several ranks, hostile pages."""

import pytest

from collectors.backends import registry
from collectors.backends.mapping import MappingError
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Role, Tier
from tests.backends.pages import FIXTURES, Read, read

GAUGE, COUNTER, SUM, COUNT = Kind.GAUGE, Kind.COUNTER, Kind.SUM, Kind.COUNT
DECODERS = ("10877841985536116478/0", "14395883631591895480/0")
PREFILLERS = ("15683124922970301050/0", "17325804865820210879/0")
FRONT = "host:8000/frontend"


def captured(name: str) -> Read:
    return read((FIXTURES / "dynamo" / f"{name}.metrics.txt").read_text(), "host:8000")


PAGES = ("frontend_under_load", "frontend_after_load", "frontend_after_migration")
Row = tuple[Signal, Kind, Tier | None]
FRONTEND: dict[Row, tuple[list[float], list[float], list[float]]] = {
    # read off the pages by hand: under load, after load, after a worker was killed
    (Signal.REQUESTS_RUNNING, GAUGE, None): ([24], [0], [0]),
    (Signal.REQUESTS_WAITING, GAUGE, None): ([0, 0], [0, 0], [0, 0]),
    (Signal.TOKENS_WAITING, GAUGE, None): ([0, 0], [0, 0], [0, 0]),
    (Signal.REQUESTS_IN_STAGE, GAUGE, None): ([0, 8, 0, 0, 0], [0] * 5, [0] * 5),
    (Signal.REQUESTS_FINISHED, COUNTER, None): ([42], [66], [67]),
    (Signal.REQUESTS_REJECTED, COUNTER, None): ([0] * 10, [0] * 10, [0] * 10),
    (Signal.PROMPT_TOKENS, COUNTER, None): ([32426], [37862], [38542]),
    (Signal.PROMPT_TOKENS_COMPUTED, COUNTER, None): ([10938], [3078], [3102]),
    (Signal.GENERATION_TOKENS, COUNTER, None): ([3519], [6748], [6788]),
    (Signal.HIT_TOKENS, COUNTER, Tier.UNKNOWN): ([21488], [34784], [35440]),
    (Signal.TTFT, COUNT, None): ([58], [66], [67]),
    (Signal.TTFT, SUM, None): ([75.49345959100003], [109.95555249500003], [109.98949615300003]),
    (Signal.GAP, COUNT, None): ([3106], [6682], [6721]),
    (Signal.GAP, SUM, None): ([84.269098838], [178.28477836300004], [178.71781539700004]),
    (Signal.E2E, COUNT, None): ([42], [66], [67]),
    (Signal.E2E, SUM, None): ([158.56858721], [288.28371573], [288.75270480899997]),
    (Signal.TPOT, COUNT, None): ([0], [0], [0]),
    (Signal.TPOT, SUM, None): ([0], [0], [0]),
    # preprocess, route, transport round trip, request plane
    (Signal.STAGE, COUNT, None): ([66, 132, 126, 134], [66, 132, 134, 134], [67, 136, 138, 138]),
    (Signal.STAGE, SUM, None): (
        [0.9956967939999998, 0.00021556599999999993, 74.67257759, 0.019339542999999997],
        [0.9956967939999998, 0.00021556599999999993, 108.636939026, 0.019339542999999997],
        [0.9962760479999998, 0.00022882599999999993, 108.69664293, 0.019549315999999997],
    ),
    (Signal.MODEL_READY, GAUGE, None): ([1], [1], [1]),
    (Signal.KV_CAPACITY_BLOCKS, GAUGE, None): ([512], [512], [512]),
    (Signal.KV_BLOCK_TOKENS, GAUGE, None): ([16], [16], [16]),
    # of the router: 27 kinds of event, of which only good stores came; prompts once, not once more for the decode
    (Signal.KV_EVENTS_APPLIED, COUNTER, None): ([0.0] * 26 + [43], [0.0] * 26 + [43], [0.0] * 26 + [45]),
    (Signal.KV_QUERY_TOKENS, COUNTER, None): ([37862], [37862], [39237]),
    (Signal.REUSE_AVAILABLE, COUNTER, None): ([35232], [35232], [36560]),
    (Signal.REUSE_CAPTURED, COUNTER, None): ([33936], [33936], [35264]),
    (Signal.SELECTIONS_BELOW_BEST, COUNTER, None): ([7], [7], [7]),
    (Signal.OVERLAP_LOST, COUNT, None): ([7], [7], [7]),
    (Signal.OVERLAP_LOST, SUM, None): ([81], [81], [81]),
    (Signal.PD_TRANSFER_BOUND, COUNT, None): ([42], [66], [69]),
    (Signal.PD_TRANSFER_BOUND, SUM, None): ([70.390094159], [104.92147148300003], [104.96353525700003]),
}
MIGRATED: dict[Row, list[float]] = {
    (Signal.MIGRATIONS, COUNTER, None): [1],
    (Signal.MIGRATION, COUNT, None): [1],
    (Signal.MIGRATION, SUM, None): [0.021214528],
}


@pytest.mark.parametrize("name", PAGES)
def test_a_captured_frontend_says_this_of_itself_and_nothing_else(name: str) -> None:
    known = captured(name)
    assert known.backend == "dynamo"
    column = PAGES.index(name)
    expected = {row: values[column] for row, values in FRONTEND.items()}
    if name == "frontend_after_migration":
        expected |= MIGRATED
    mine = {
        (signal, kind, tier): sorted(values) if signal is Signal.KV_EVENTS_APPLIED else values
        for (worker, signal, kind, tier, _), values in known.values.items()
        if worker == FRONT
    }
    assert mine == expected


def test_the_router_believes_and_does_not_measure() -> None:
    """Under load it spoke of 424 blocks of 512 where the engine itself had 74."""
    frontend, worker = captured("frontend_under_load"), captured("decode_worker1_under_load")
    predicted = {
        name: values
        for (name, signal, _, tier, _), values in frontend.values.items()
        if signal is Signal.KV_PREDICTED_BLOCKS and tier is Tier.HBM
    }
    assert predicted == {DECODERS[0]: [424], DECODERS[1]: [424], PREFILLERS[0]: [0], PREFILLERS[1]: [0]}
    assert not any(signal is Signal.KV_ACTIVE_RATIO for _, signal, *_ in frontend.values)
    (ratio,) = worker.values[DECODERS[0], Signal.KV_ACTIVE_RATIO, GAUGE, Tier.HBM, ""]
    assert round(ratio * 512) == 74


@pytest.mark.parametrize("name", PAGES)
def test_the_frontend_names_the_workers_and_their_roles(name: str) -> None:
    workers = captured(name).mapping.workers
    assert workers[0] == WorkerFacts(FRONT, model="tiny", role=Role.ROUTER)
    assert {(worker.id, worker.role, worker.model) for worker in workers[1:]} == {
        *((one, Role.DECODE, "tiny") for one in DECODERS),
        *((one, Role.PREFILL, "tiny") for one in PREFILLERS),
    }


def test_what_the_router_counts_twice_a_request_is_the_frontend_s() -> None:
    known = captured("frontend_after_load")
    metrics = {series.metric for series in known.mapping.series}
    # 132 each, of 66 requests
    for name in ("time_to_first_token_seconds_count", "requests_total", "kv_hit_rate_count"):
        assert f"dynamo_component_router_{name}" not in metrics
    assert known.buckets[FRONT, Signal.TTFT][float("inf")] == 66
    assert len(known.buckets[FRONT, Signal.TTFT]) == 19


@pytest.mark.parametrize(
    ("name", "worker", "e2e", "gaps", "ttft_s"),
    [
        ("decode_worker1_under_load", DECODERS[0], 76.722234881, (1781, 48.068174995999954), 33.81428640800001),
        ("decode_worker2_under_load", DECODERS[1], 77.6253116, (1696, 46.08943474200002), 36.75007967000001),
    ],
)
def test_a_decode_worker_is_its_engine(
    name: str, worker: str, e2e: float, gaps: tuple[int, float], ttft_s: float
) -> None:
    known = captured(name)
    assert known.backend == "dynamo"
    # `backend` does everything or only decodes: the frontend knows which
    assert known.mapping.workers == (WorkerFacts(worker, model="tiny", role=Role.UNKNOWN),)
    assert known.values == {
        (worker, Signal.REQUESTS_RUNNING, GAUGE, None, ""): [8],  # and not the 12 in flight
        (worker, Signal.REQUESTS_WAITING, GAUGE, None, ""): [4, 0],  # the engine's queue and Dynamo's before it
        (worker, Signal.REQUESTS_REJECTED, COUNTER, None, ""): [0],
        (worker, Signal.PREEMPTIONS, COUNTER, None, ""): [0],
        (worker, Signal.KV_ACTIVE_RATIO, GAUGE, Tier.HBM, ""): [0.14453125],  # once, although under two names
        (worker, Signal.TTFT, COUNT, None, ""): [29],
        (worker, Signal.TTFT, SUM, None, ""): [ttft_s],
        (worker, Signal.GAP, COUNT, None, ""): [gaps[0]],
        (worker, Signal.GAP, SUM, None, ""): [gaps[1]],
        (worker, Signal.E2E, COUNT, None, ""): [21],  # the engine's, not once more the endpoint's
        (worker, Signal.E2E, SUM, None, ""): [e2e],
    }


def test_both_queues_are_one_figure() -> None:
    series = [one for one in captured("decode_worker1_under_load").mapping.series if one.signal == "requests_waiting"]
    assert len({one.metric for one in series}) == 1


def test_a_prefill_worker_without_an_engine_s_names() -> None:
    known = captured("prefill_worker_under_load")
    worker = PREFILLERS[0]
    assert known.mapping.workers == (WorkerFacts(worker, role=Role.PREFILL),)
    # of the endpoint `generate`: the other one's request, which took 0.1 ms, is a router's question
    duration = 0.40226234099999997
    assert known.values == {
        (worker, Signal.REQUESTS_RUNNING, GAUGE, None, ""): [0],
        (worker, Signal.REQUESTS_WAITING, GAUGE, None, ""): [0],
        (worker, Signal.REQUESTS_REJECTED, COUNTER, None, ""): [0],
        (worker, Signal.PREFILL, COUNT, None, ""): [10],
        (worker, Signal.PREFILL, SUM, None, ""): [duration],
        (worker, Signal.E2E, COUNT, None, ""): [10],
        (worker, Signal.E2E, SUM, None, ""): [duration],
    }


def test_two_captured_ranks_behind_one_page() -> None:
    """The load's client got 440 tokens of 16 requests, so 424 gaps between them."""
    known = captured("worker_of_two_ranks")
    ranks = ("4755379044679956263/0", "4755379044679956263/1")
    assert [(worker.id, worker.model) for worker in known.mapping.workers] == [(rank, "tiny") for rank in ranks]
    gaps = [known.values[rank, Signal.GAP, COUNT, None, ""] for rank in ranks]
    requests = [known.values[rank, Signal.TTFT, COUNT, None, ""] for rank in ranks]
    assert (gaps, requests) == ([[189], [235]], [[8], [8]])
    assert known.values["4755379044679956263", Signal.E2E, COUNT, None, ""] == [16]


def test_the_mocker_in_the_guise_of_tensorrt_llm() -> None:
    known = captured("trtllm_worker")
    worker = "444177711513033678/0"
    assert known.backend == "dynamo"
    assert known.mapping.workers == (WorkerFacts(worker, model="tiny"),)
    assert known.values == {
        (worker, Signal.REQUESTS_RUNNING, GAUGE, None, ""): [0],
        (worker, Signal.REQUESTS_WAITING, GAUGE, None, ""): [0, 0],
        (worker, Signal.REQUESTS_REJECTED, COUNTER, None, ""): [0],
        (worker, Signal.PREEMPTIONS, COUNTER, None, ""): [0],
        (worker, Signal.KV_ACTIVE_RATIO, GAUGE, Tier.HBM, ""): [0],
        (worker, Signal.TTFT, COUNT, None, ""): [32],
        (worker, Signal.TTFT, SUM, None, ""): [1.350966299],
        (worker, Signal.GAP, COUNT, None, ""): [848],  # twice the same load
        (worker, Signal.GAP, SUM, None, ""): [5.179740195999999],
        (worker, Signal.E2E, COUNT, None, ""): [32],
        (worker, Signal.E2E, SUM, None, ""): [6.530740613999999],
    }


RANKS = (
    'dynamo_component_inflight_requests{dynamo_component="backend",dynamo_endpoint="generate",worker_id="ff"} 9\n'
    "dynamo_request_queue 3\n"
    'vllm:num_requests_running{engine="0",model_name="m"} 4\n'
    'vllm:num_requests_running{engine="1",model_name="m"} 5\n'
)


def test_several_ranks_behind_one_page_are_several_workers() -> None:
    known = read(RANKS)
    assert [(worker.id, worker.model) for worker in known.mapping.workers] == [("255/0", "m"), ("255/1", "m")]
    assert known.values["255/0", Signal.REQUESTS_RUNNING, GAUGE, None, ""] == [4]
    assert known.values["255/1", Signal.REQUESTS_RUNNING, GAUGE, None, ""] == [5]
    # of the process as a whole, hence of neither
    assert known.values["255", Signal.REQUESTS_RUNNING, GAUGE, None, ""] == [9]
    assert known.values["255", Signal.REQUESTS_WAITING, GAUGE, None, ""] == [3]


def test_ranks_as_the_frontend_spells_them() -> None:
    known = read(
        'dynamo_component_router_worker_registered{dp_rank="0",router_worker_id="255",worker_id="1",worker_type="decode"} 1\n'
        'dynamo_component_router_worker_registered{dp_rank="1",router_worker_id="255",worker_id="1",worker_type="decode"} 1\n'
        'dynamo_frontend_worker_active_decode_blocks{dp_rank="1",worker_id="255",worker_type="decode"} 7\n'
        "dynamo_frontend_disconnected_clients 0\n",
    )
    assert [worker.id for worker in known.mapping.workers] == ["target/frontend", "255/0", "255/1"]
    # nobody else prefills
    assert {worker.role for worker in known.mapping.workers[1:]} == {Role.AGGREGATED}
    assert known.values == {("255/1", Signal.KV_PREDICTED_BLOCKS, GAUGE, Tier.HBM, ""): [7]}


def test_a_worker_before_its_first_request() -> None:
    (worker,) = read('dynamo_component_uptime_seconds{worker_id="96f5dba70eb5c6fe"} 1.5\n').mapping.workers
    assert worker == WorkerFacts(DECODERS[0])


def test_a_frontend_before_its_first_request_is_no_worker() -> None:
    known = read('dynamo_frontend_disconnected_clients 0\ndynamo_component_uptime_seconds{worker_id="6d89"} 1.5\n')
    assert [(worker.id, worker.role) for worker in known.mapping.workers] == [("target/frontend", Role.ROUTER)]


def test_engine_statistics_where_the_engine_has_no_page_of_its_own() -> None:
    known = read(
        'dynamo_component_gpu_cache_usage_percent{dp_rank="2",worker_id="ff"} 0.5\n'
        'dynamo_component_total_blocks{dp_rank="2",worker_id="ff"} 512\n'
        'dynamo_component_kv_cache_hit_rate{dp_rank="2",worker_id="ff"} 0.25\n'
    )
    assert known.values == {
        ("255/2", Signal.KV_ACTIVE_RATIO, GAUGE, Tier.HBM, ""): [0.5],
        ("255/2", Signal.KV_CAPACITY_BLOCKS, GAUGE, Tier.HBM, ""): [512],
        ("255/2", Signal.KV_HIT_RATE, GAUGE, Tier.HBM, ""): [0.25],
    }


KVBM = {
    "offload_blocks_d2h": (Signal.KV_TRANSFER_BLOCKS, Tier.HBM, Tier.DRAM),
    "offload_blocks_h2d": (Signal.KV_TRANSFER_BLOCKS, Tier.DRAM, Tier.FLASH),
    "offload_blocks_d2d": (Signal.KV_TRANSFER_BLOCKS, Tier.HBM, Tier.FLASH),
    "offload_blocks_d2o": (Signal.KV_TRANSFER_BLOCKS, Tier.HBM, Tier.OBJECT),
    "onboard_blocks_h2d": (Signal.KV_TRANSFER_BLOCKS, Tier.DRAM, Tier.HBM),
    "onboard_blocks_d2d": (Signal.KV_TRANSFER_BLOCKS, Tier.FLASH, Tier.HBM),
    "onboard_blocks_o2d": (Signal.KV_TRANSFER_BLOCKS, Tier.OBJECT, Tier.HBM),
    "offload_bytes_object": (Signal.KV_TRANSFER_BYTES, Tier.HBM, Tier.OBJECT),
    "onboard_bytes_object": (Signal.KV_TRANSFER_BYTES, Tier.OBJECT, Tier.HBM),
    "object_write_failures": (Signal.KV_TRANSFER_FAILURES, Tier.HBM, Tier.OBJECT),
    "object_read_failures": (Signal.KV_TRANSFER_FAILURES, Tier.OBJECT, Tier.HBM),
    "host_cache_hit_rate": (Signal.KV_HIT_RATE, Tier.DRAM, None),
    "disk_cache_hit_rate": (Signal.KV_HIT_RATE, Tier.FLASH, None),
    "object_cache_hit_rate": (Signal.KV_HIT_RATE, Tier.OBJECT, None),
    "matched_tokens": (Signal.KV_HITS, None, None),
}


def test_the_block_manager_moves_blocks_between_tiers() -> None:
    """Its `h2d` goes to the disk when it offloads and to the device when it onboards."""
    known = read("".join(f"dynamo_kvbm_{name} {number}\n" for number, name in enumerate(KVBM)), "host:6880")
    assert known.backend == "dynamo"
    assert known.mapping.workers == ()
    found = {one.metric.removeprefix("dynamo_kvbm_"): (one.signal, one.tier, one.to) for one in known.mapping.series}
    assert found == KVBM
    assert {(one.worker, one.owner) for one in known.mapping.series} == {("", "host:6880")}
    assert known.found.tolist() == list(range(len(KVBM)))


def test_the_block_manager_on_a_worker_s_page_is_that_worker_s() -> None:
    known = read('dynamo_component_uptime_seconds{worker_id="ff"} 1\ndynamo_kvbm_matched_tokens 8\n')
    assert known.values == {("255/0", Signal.KV_HITS, COUNTER, None, ""): [8]}


def test_the_planner_s_power_is_a_plan() -> None:
    known = read("dynamo_planner_power_projected_watts 7000\n")
    assert known.values == {("", Signal.POWER_PROJECTED, GAUGE, None, "target"): [7000]}
    assert known.mapping.workers == ()


def test_older_and_newer_names_are_counted_once() -> None:
    old = 'dynamo_frontend_inflight_requests{model="m"} 5\n'
    new = 'dynamo_frontend_active_requests{model="m"} 6\n'
    key = ("target/frontend", Signal.REQUESTS_RUNNING, GAUGE, None, "")
    assert read(old).values[key] == [5]
    assert read(old + new).values[key] == read(new + old).values[key] == [6]


def test_a_router_alone_where_requests_are_not_split() -> None:
    page = """\
# TYPE dynamo_component_router_time_to_first_token_seconds histogram
dynamo_component_router_time_to_first_token_seconds_bucket{worker_id="1",le="+Inf"} 3
dynamo_component_router_time_to_first_token_seconds_count{worker_id="1"} 3
# TYPE dynamo_component_router_requests_total counter
dynamo_component_router_requests_total{worker_id="1"} 3
# TYPE dynamo_component_router_input_sequence_tokens histogram
dynamo_component_router_input_sequence_tokens_sum{phase="aggregated",worker_id="1"} 30
"""
    signals = {signal: values for (_, signal, *_), values in read(page).values.items()}
    assert signals == {
        Signal.TTFT: [3],
        Signal.REQUESTS_FINISHED: [3],
        Signal.KV_QUERY_TOKENS: [30],
        Signal.PROMPT_TOKENS: [30],
    }
    # then a prefill worker came: what was counted before stays, what is counted for the decode is left out
    split = page + "".join(
        f'dynamo_component_router_input_sequence_tokens_sum{{phase="{phase}",worker_id="1"}} 20\n'
        for phase in ("prefill", "decode")
    )
    signals = {signal: values for (_, signal, *_), values in read(split).values.items()}
    assert signals == {Signal.KV_QUERY_TOKENS: [30, 20], Signal.PROMPT_TOKENS: [30, 20]}


def test_errors_are_finished_requests_too() -> None:
    known = read(
        "# TYPE dynamo_frontend_requests_total counter\n"
        'dynamo_frontend_requests_total{model="m",status="success",error_type=""} 5\n'
        'dynamo_frontend_requests_total{model="m",status="error",error_type="internal"} 2\n'
        'dynamo_frontend_requests_total{model="m",status="error",error_type="cancelled"} 4\n'
    )
    assert known.total("requests_finished_total") == 11
    found = zip(known.mapping.series, known.found.tolist(), strict=True)
    errors = {one.label: value for one, value in found if one.signal is Signal.REQUEST_ERRORS}
    assert errors == {"internal": 2, "cancelled": 4}  # by clients, which is not the server's fault


@pytest.mark.parametrize(
    "worker_id", ["", "FF", "0x1", "xyz", "1" * 17, "-1", "１", "\\u001b[2J", "deadbeef\\n"], ids=repr
)
def test_an_id_that_is_none_makes_no_worker(worker_id: str) -> None:
    known = read(f'dynamo_component_total_blocks{{worker_id="{worker_id}"}} 5\ndynamo_request_queue 2\n')
    assert known.mapping.workers == ()
    assert known.mapping.series == ()


def test_labels_may_be_missing_and_types_may_be_wrong() -> None:
    known = read(
        "# TYPE dynamo_frontend_output_tokens_total histogram\ndynamo_frontend_output_tokens_total 5\n"
        "# TYPE dynamo_frontend_active_requests counter\ndynamo_frontend_active_requests 5\n"
        "dynamo_frontend_worker_active_decode_blocks 5\ndynamo_component_router_worker_registered 1\n"
        "dynamo_frontend_stage_requests 1\ndynamo_frontend_cached_tokens_sum NaN\n"
    )
    assert [worker.id for worker in known.mapping.workers] == ["target/frontend"]
    assert known.values["target/frontend", Signal.REQUESTS_RUNNING, COUNTER, None, ""] == [5]
    assert not any(signal is Signal.GENERATION_TOKENS for _, signal, *_ in known.values)


def test_a_bucket_without_a_bound_spoils_the_page() -> None:
    with pytest.raises(MappingError, match="without a bound"):
        read(
            "# TYPE dynamo_frontend_time_to_first_token_seconds histogram\ndynamo_frontend_time_to_first_token_seconds_bucket 1\n"
        )


def test_too_many_workers_spoil_the_page() -> None:
    page = "dynamo_frontend_disconnected_clients 0\n" + "".join(
        f'dynamo_component_router_worker_registered{{router_worker_id="{one}"}} 1\n' for one in range(5_000)
    )
    with pytest.raises(MappingError, match="more than 4096 workers"):
        read(page)


def test_an_emulated_page_stays_emulated() -> None:
    assert read("tokenyard_emulated 1\n" + RANKS).mapping.emulated
    assert registry.named("dynamo").never_seen is False


def test_the_mocker_in_the_guise_of_sglang_speaks_of_both_ranks_at_once() -> None:
    """Its families have no rank, although it has two: the figures are the process's and no rank's."""
    known = captured("sglang_worker_of_two_ranks")
    worker = "7541797227992074584"
    assert known.backend == "dynamo"
    assert known.mapping.workers == (WorkerFacts(worker, model="tiny"),)
    assert known.values[worker, Signal.REQUESTS_RUNNING, GAUGE, None, ""] == [0]
    assert known.values[worker, Signal.REQUESTS_WAITING, GAUGE, None, ""] == [0, 0]
    assert known.values[worker, Signal.TTFT, COUNT, None, ""] == [16]
    assert known.values[worker, Signal.GAP, COUNT, None, ""] == [424]
    assert known.values[worker, Signal.E2E, COUNT, None, ""] == [16]
    assert known.total("requests_finished_total") == 16


def component(name: str) -> str:
    labels = f'dynamo_component="{name}",dynamo_endpoint="generate",worker_id="ff"'
    return f"dynamo_component_inflight_requests{{{labels}}} 9\n"


@pytest.mark.parametrize(
    "engine",
    [
        'vllm:num_requests_running{engine="0",model_name="m"} 4\n',
        'sglang:num_running_reqs{engine_type="prefill",model_name="m",tp_rank="0",dp_rank="0"} 4\n',
        'trtllm_num_requests_running{model_name="m",engine_type="trtllm"} 4\n',
    ],
    ids=["vllm", "sglang", "trtllm"],
)
def test_a_prefill_worker_with_its_engine_s_names_is_one_worker(engine: str) -> None:
    for page in (component("prefill") + engine, engine + component("prefill")):
        known = read(page)
        assert known.backend == "dynamo"
        ((worker, signal, *_),) = known.values
        assert (worker, signal) == ("255/0", Signal.REQUESTS_RUNNING)
        assert list(known.values.values()) == [[4]]
        (facts,) = known.mapping.workers
        assert (facts.id, facts.role) == ("255/0", Role.PREFILL)
        assert facts.model == "m"


def test_the_component_tells_the_role_of_every_rank() -> None:
    ranks = "".join(f'vllm:num_requests_running{{engine="{rank}",model_name="m"}} 4\n' for rank in (0, 1))
    for page in (component("prefill") + ranks, ranks + component("prefill")):
        workers = read(page).mapping.workers
        assert [(worker.id, worker.role) for worker in workers] == [("255/0", Role.PREFILL), ("255/1", Role.PREFILL)]


def test_ranks_that_sglang_names() -> None:
    page = component("backend") + "".join(
        f'sglang:num_running_reqs{{model_name="m",tp_rank="0",dp_rank="{rank}"}} {rank + 3}\n' for rank in (0, 1)
    )
    known = read(page)
    assert {worker.id for worker in known.mapping.workers} == {"255/0", "255/1"}
    assert known.values["255/1", Signal.REQUESTS_RUNNING, GAUGE, None, ""] == [4]
    assert known.values["255", Signal.REQUESTS_RUNNING, GAUGE, None, ""] == [9]


def test_two_workers_on_one_page_keep_their_own_figures() -> None:
    page = component("backend") + component("prefill").replace('"ff"', '"fe"').replace(" 9", " 5")
    known = read(page)
    assert [(worker.id, worker.role) for worker in known.mapping.workers] == [
        ("255/0", Role.UNKNOWN),
        ("254/0", Role.PREFILL),
    ]
    assert known.values == {
        ("255/0", Signal.REQUESTS_RUNNING, GAUGE, None, ""): [9],
        ("254/0", Signal.REQUESTS_RUNNING, GAUGE, None, ""): [5],
    }
