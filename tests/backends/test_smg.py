"""SGLang's gateway: a captured page after five requests and one that was turned away, and what it has in gRPC mode by its own HELP texts."""

from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import Role
from tests.backends.flows import owned
from tests.backends.pages import FIXTURES, read

PAGE = (FIXTURES / "sglang-gateway" / "five_requests.metrics.txt").read_text()
COMMON = 'router_type="grpc",backend_type="regular",model="m",endpoint="generate"'
GRPC = (
    "# TYPE smg_router_tokens_total counter\n"
    f'smg_router_tokens_total{{{COMMON},token_type="input"}} 700\n'
    f'smg_router_tokens_total{{{COMMON},token_type="output"}} 90\n'
    "# TYPE smg_router_ttft_seconds histogram\n"
    f'smg_router_ttft_seconds_bucket{{{COMMON},le="0.1"}} 3\nsmg_router_ttft_seconds_bucket{{{COMMON},le="+Inf"}} 4\n'
    f"smg_router_ttft_seconds_sum{{{COMMON}}} 0.5\nsmg_router_ttft_seconds_count{{{COMMON}}} 4\n"
    "# TYPE smg_router_stage_duration_seconds histogram\n"
    'smg_router_stage_duration_seconds_count{router_type="grpc",stage="tokenize"} 4\n'
    "# TYPE smg_worker_retries_total counter\n"
    'smg_worker_retries_total{worker_type="decode",endpoint="generate"} 2\n'
    "# TYPE smg_router_request_errors_total counter\n"
    f'smg_router_request_errors_total{{{COMMON},error_type="no_workers"}} 1\n'
)


def generation(count: int) -> str:
    name = "smg_router_generation_duration_seconds"
    return f"# TYPE {name} histogram\n{name}_count{{{COMMON}}} {count}\n{name}_sum{{{COMMON}}} 8\n"


def test_the_captured_page() -> None:
    known = read(PAGE)
    assert known.backend == "smg"
    assert [(one.id, one.role, one.model) for one in known.mapping.workers] == [("target/gateway", Role.ROUTER, "tiny")]
    assert known.total(Signal.REQUESTS_FINISHED) == 5
    assert known.total(Signal.E2E) == 5
    assert known.values["target/gateway", Signal.E2E, Kind.SUM, None, ""] == [0.09811177700000001]
    buckets = known.buckets["target/gateway", Signal.E2E]
    assert (len(buckets), buckets[0.001], buckets[0.025], buckets[0.05], buckets[float("inf")]) == (21, 3, 3, 5, 5)
    found = {(signal, label): values for (_, _, signal, _, _, label), values in owned(PAGE).items()}
    assert found[Signal.SELECTIONS, "policy round_robin"] == [5]  # by whom, and not of whom
    assert found[Signal.HEALTHY, "http://127.0.0.1:39011"] == [1]
    assert found[Signal.HEALTHY, "http://127.0.0.1:39012"] == [1]
    # 6 requests came over HTTP, one of which was turned away before it was routed.
    assert known.total(Signal.REQUEST_ERRORS) == 0


def test_what_it_tells_of_requests_over_grpc() -> None:
    known = read(GRPC + 'smg_worker_requests_active{worker="http://a:1"} 3\nsmg_worker_requests_active{worker="b"} 4\n')
    found = {(signal, label): values for (_, _, signal, _, _, label), values in owned(GRPC).items()}
    assert found[Signal.PROMPT_TOKENS, ""] == [700]
    assert found[Signal.GENERATION_TOKENS, ""] == [90]
    assert found[Signal.MIGRATIONS, "retry"] == [2]
    assert found[Signal.REQUEST_ERRORS, "no_workers"] == [1]
    assert known.buckets["target/gateway", Signal.TTFT] == {0.1: 3, float("inf"): 4}
    assert known.total(Signal.STAGE) == 4
    assert known.values["target/gateway", Signal.REQUESTS_RUNNING, Kind.GAUGE, None, ""] == [3, 4]


def test_a_request_is_timed_once() -> None:
    assert read(generation(9)).total(Signal.E2E) == 9
    assert read(PAGE + generation(9)).total(Signal.E2E) == 5


def test_what_only_counts_connections_is_no_figure() -> None:
    known = read("# TYPE smg_http_connections_active gauge\nsmg_http_connections_active 3\n")
    assert (known.backend, known.mapping.series) == ("smg", ())
