"""OpenTelemetry's GenAI metrics, on text built from the conventions: one row, each token and each request once."""

import math

from collectors.backends import registry
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Role, Tier
from tests.backends.pages import read

WORKER = "gw:1064/gen-ai"
LABELS = 'gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="m"'


def histogram(name: str, total: float, first: int, count: int, labels: str = LABELS) -> str:
    return (
        f"# TYPE {name} histogram\n"
        f'{name}_bucket{{{labels},le="0.01"}} {first}\n{name}_bucket{{{labels},le="+Inf"}} {count}\n'
        f"{name}_sum{{{labels}}} {total}\n{name}_count{{{labels}}} {count}\n"
    )


def usage(name: str) -> str:
    kinds = {"input": 700, "output": 300, "total": 1000}
    lines = (f'{name}_sum{{{LABELS},gen_ai_token_type="{kind}"}} {tokens}\n' for kind, tokens in kinds.items())
    return f"# TYPE {name} histogram\n{''.join(lines)}"


SERVER = (
    histogram("gen_ai_server_request_duration_seconds", 12.5, 1, 5)
    + histogram("gen_ai_server_time_to_first_token_seconds", 1.25, 2, 5)
    + histogram("gen_ai_server_time_per_output_token_seconds", 0.05, 3, 5)
)
CLIENT = (
    histogram("gen_ai_client_operation_duration_seconds", 13.0, 1, 6)
    + histogram("gen_ai_client_operation_time_to_first_chunk_seconds", 1.5, 1, 6)
    + histogram("gen_ai_client_operation_time_per_output_chunk_seconds", 2.0, 90, 100)
)


def counts(page: str) -> dict[Signal, list[float]]:
    found = read(page, "gw:1064").values.items()
    return {signal: values for (_, signal, kind, *_), values in found if kind in (Kind.COUNT, Kind.COUNTER)}


def test_a_gateway_s_page() -> None:
    known = read(SERVER + usage("gen_ai_client_token_usage_token"), "gw:1064")
    assert known.backend == "genai"
    assert known.mapping.workers == (WorkerFacts(WORKER, model="m", role=Role.ROUTER),)
    assert known.values == {
        (WORKER, Signal.E2E, Kind.SUM, None, ""): [12.5],
        (WORKER, Signal.E2E, Kind.COUNT, None, ""): [5],
        (WORKER, Signal.TTFT, Kind.SUM, None, ""): [1.25],
        (WORKER, Signal.TTFT, Kind.COUNT, None, ""): [5],
        (WORKER, Signal.TPOT, Kind.SUM, None, ""): [0.05],
        (WORKER, Signal.TPOT, Kind.COUNT, None, ""): [5],
        (WORKER, Signal.PROMPT_TOKENS, Kind.COUNTER, None, ""): [700],
        (WORKER, Signal.GENERATION_TOKENS, Kind.COUNTER, None, ""): [300],
    }
    assert known.buckets[WORKER, Signal.TTFT] == {0.01: 2, math.inf: 5}
    assert registry.named("genai").never_seen


def test_a_client_s_own_measurements_count_where_no_server_s_do() -> None:
    assert counts(CLIENT) == {Signal.E2E: [6], Signal.TTFT: [6], Signal.GAP: [100]}
    both = {Signal.E2E: [5], Signal.TTFT: [5], Signal.TPOT: [5], Signal.GAP: [100]}
    assert counts(SERVER + CLIENT) == counts(CLIENT + SERVER) == both


def test_tokens_are_counted_once() -> None:
    newer = (
        "# TYPE gen_ai_client_inference_usage_input_tokens_total counter\n"
        f"gen_ai_client_inference_usage_input_tokens_total{{{LABELS}}} 800\n"
        "# TYPE gen_ai_client_inference_usage_cache_read_input_tokens_total counter\n"
        f"gen_ai_client_inference_usage_cache_read_input_tokens_total{{{LABELS}}} 200\n"
    )
    expected = {Signal.PROMPT_TOKENS: [800], Signal.HIT_TOKENS: [200]}
    assert counts(newer + usage("gen_ai_client_token_usage")) == expected
    assert (WORKER, Signal.HIT_TOKENS, Kind.COUNTER, Tier.UNKNOWN, "") in read(newer, "gw:1064").values


def test_failed_requests_have_their_type() -> None:
    failed = f'gen_ai_server_request_duration_seconds_count{{{LABELS},error_type="timeout"}} 2\n'
    known = read(f"# TYPE gen_ai_server_request_duration_seconds histogram\n{failed}", "gw:1064")
    found = [(one.label, one.kind) for one in known.mapping.series if one.signal is Signal.REQUEST_ERRORS]
    assert found == [("timeout", Kind.COUNTER)]
    assert known.total("request_errors_total") == 2


def test_names_without_units() -> None:
    page = histogram("agentgateway_gen_ai_server_time_to_first_token", 1.25, 2, 5) + usage(
        "agentgateway_gen_ai_client_token_usage"
    )
    assert counts(page) == {Signal.TTFT: [5], Signal.PROMPT_TOKENS: [700], Signal.GENERATION_TOKENS: [300]}


def test_several_models_and_wrong_types() -> None:
    two = (
        usage("gen_ai_client_token_usage")
        + usage("gen_ai_client_token_usage").replace('model="m"', 'model="n"').partition("\n")[2]
    )
    known = read(two, "gw:1064")
    assert known.mapping.workers == (WorkerFacts(WORKER, role=Role.ROUTER),)
    assert known.total("prompt_tokens_total") == 1400
    assert read("# TYPE gen_ai_client_token_usage gauge\ngen_ai_client_token_usage 5\n").mapping.series == ()
