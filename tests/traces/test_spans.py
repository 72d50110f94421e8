"""Spans as the servers make them: attribute names as in their sources, phases where they lie and no more precisely."""

from typing import Any

from collectors.model.traces import Account, Move, Statement
from collectors.model.vocabulary import About, Phase
from collectors.traces.spans import accounts
from collectors.wire.otlp import Span, Value

MS = 1_000_000
BEGIN = 1_700_000_000_000 * MS
TRACE = "ab" * 16


def span(
    name: str, attributes: dict[str, Value], *, length: int = 500 * MS, scope: str = "", **resource: Value
) -> Span:
    renamed = {key.replace("_", "."): value for key, value in resource.items()}
    return Span(name, TRACE, "cd" * 8, "ef" * 8, BEGIN, BEGIN + length, attributes, renamed, scope)


def read(one: Span) -> Account:
    ((account,), others) = accounts([one], "10.0.0.9")
    assert others == 0
    return account


def lengths(account: Account) -> dict[Phase, float]:
    return {one.phase: one.duration_ns / MS for one in account.stretches}


def said(account: Account) -> dict[About, Any]:
    return {one.about: one.value for one in account.statements}


VLLM: dict[str, Value] = {
    "gen_ai.latency.time_to_first_token": 0.100,
    "gen_ai.latency.e2e": 0.500,
    "gen_ai.latency.time_in_queue": 0.030,
    "gen_ai.latency.time_in_model_prefill": 0.060,
    "gen_ai.latency.time_in_model_decode": 0.395,
    "gen_ai.latency.time_in_model_inference": 0.455,
    "gen_ai.usage.prompt_tokens": 77,
    "gen_ai.usage.completion_tokens": 12,
    "gen_ai.request.id": "chatcmpl-mine",
    "gen_ai.request.max_tokens": 12,
}


def test_vllm() -> None:
    account = read(span("llm_request", VLLM, scope="vllm.llm_engine", host_name="node-1", service_instance_id="pod-7"))
    assert (account.teller, account.clock, account.engine) == ("vLLM span", "host.name node-1", "pod-7")
    assert (account.names, account.trace, account.span, account.parent) == (
        ("chatcmpl-mine",),
        TRACE,
        "cd" * 8,
        "ef" * 8,
    )
    assert said(account) == {About.PROMPT_TOKENS: 77, About.OUTPUT_TOKENS: 12}
    assert lengths(account) == {
        Phase.REQUEST: 500,
        Phase.FIRST_TOKEN: 100,
        Phase.QUEUE: 30,
        Phase.PREFILL: 60,
        Phase.DECODE: 395,
    }
    # 10 ms of the first token's time are neither queue nor prefill: they may lie before, between or after.
    where = {
        one.phase: ((one.start.earliest_ns - BEGIN) / MS, (one.start.latest_ns - BEGIN) / MS)
        for one in account.stretches
        if one.start
    }
    assert where[Phase.QUEUE] == (0, 10)
    assert where[Phase.PREFILL] == (30, 40)
    assert where[Phase.DECODE] == (90, 100)
    assert account.received is not None
    assert account.received.earliest_ns < BEGIN < account.received.latest_ns
    assert account.spoke is not None
    assert account.spoke.earliest_ns < BEGIN + 100 * MS < account.spoke.latest_ns


def test_a_clock_is_named_by_what_is_known_of_its_host() -> None:
    assert read(span("llm_request", VLLM, k8s_pod_name="p")).clock == "k8s.pod.name p"
    assert read(span("llm_request", VLLM, service_name="vllm")).clock == "vllm from 10.0.0.9"


def test_sglang() -> None:
    attributes: dict[str, Value] = {
        "rid": "r1",
        "module": "sglang::request",
        "bootstrap_room": "0x1f",
        "gen_ai.latency.time_to_first_token": 0.1,
        "gen_ai.latency.e2e": 0.5,
        "gen_ai.usage.completion_tokens": 9,
    }
    root = read(span("prefill Req r1", attributes, scope="sglang server", service_name="sglang"))
    assert (root.names, root.engine) == (("r1", "bootstrap room 0x1f"), "prefill")
    assert lengths(root) == {Phase.REQUEST: 500, Phase.FIRST_TOKEN: 100}
    stage = read(span("prefill_forward", {}, length=20 * MS, scope="sglang server"))
    assert (stage.names, lengths(stage)) == ((), {Phase.PREFILL: 20})
    thread = read(span("Scheduler [TP 0]", {"thread_label": "Scheduler", "tp_rank": 0}, scope="sglang server"))
    assert (thread.names, thread.stretches) == ((), ())
    passed = [
        span("decode_loop", {}, scope="sglang server"),
        span("Scheduler", {"thread_label": "S", "tp_rank": 1}, scope="sglang server"),
    ]
    assert accounts(passed, "p") == ([], 2)


def test_dynamo() -> None:
    front = read(span("http-request", {"request_id": "uuid", "x_request_id": "mine"}))
    assert (front.names, front.given, lengths(front)) == (("uuid",), ("mine",), {Phase.REQUEST: 500})
    attributes: dict[str, Value] = {
        "request_id": "uuid",
        "worker_id": -7568902264523665,  # an i64 that holds a u64
        "dp_rank": 1,
        "phase": "Decode",
        "request.attempt": 1,
        "migration.from_worker_id": "10877841985536116478",
        "migration.tokens_completed": 15,
        "migration.reason": "disconnected",
    }
    attempt = read(span("kv_router.route_request", attributes))
    assert attempt.moves == (Move("10877841985536116478", 15, "disconnected"),)
    assert attempt.statements == (Statement(About.DECODE_WORKER, f"{2**64 - 7568902264523665}/1", 15),)


def test_llm_d() -> None:
    picked = read(
        span(
            "prepare_disaggregation",
            {
                "gen_ai.request.id": "mine",
                "llm_d.epp.pd.prefill_pod_address": "10.1.2.3",
                "llm_d.epp.pd.prefill_pod_port": "8000",
            },
        )
    )
    assert (picked.given, said(picked)) == (("mine",), {About.PREFILL_WORKER: "10.1.2.3:8000"})
    prefill = read(
        span(
            "prefill",
            {
                "llm_d.pd_proxy.request_id": "u",
                "llm_d.pd_proxy.prefill_target": "10.1.2.3:8000",
                "llm_d.pd_proxy.connector": "nixlv2",
            },
        )
    )
    assert (prefill.names, said(prefill), lengths(prefill)) == (
        ("u",),
        {About.PREFILL_WORKER: "10.1.2.3:8000"},
        {Phase.PREFILL: 500},
    )
    decode = read(
        span(
            "llm_d.pd_proxy.decode", {"llm_d.pd_proxy.decode.target": "10.1.2.4:8200", "llm_d.pd_proxy.connector": "x"}
        )
    )
    assert (said(decode), lengths(decode)) == ({About.DECODE_WORKER: "10.1.2.4:8200"}, {Phase.DECODE: 500})
    assert all(one.formula for account in (prefill, decode) for one in account.stretches)
    assert lengths(read(span("gateway.request", {}))) == {Phase.REQUEST: 500}


def test_a_clients_own_span() -> None:
    client = read(
        span(
            "chat m",
            {"gen_ai.response.id": "chatcmpl-x", "gen_ai.usage.output_tokens": 5, "gen_ai.usage.input_tokens": 7},
        )
    )
    assert (client.names, said(client)) == (("chatcmpl-x",), {About.PROMPT_TOKENS: 7, About.OUTPUT_TOKENS: 5})


def test_spans_of_others_say_nothing() -> None:
    odd: dict[str, Value] = {"gen_ai.request.id": "", "gen_ai.latency.e2e": float("nan")}
    assert accounts([span("GET /", {}), span("llm_request", odd)], "p") == ([], 2)
    wrong = read(
        span(
            "llm_request",
            {"gen_ai.request.id": "x", "gen_ai.latency.e2e": float("inf"), "gen_ai.usage.prompt_tokens": -1},
        )
    )
    assert (wrong.stretches, wrong.statements) == ((), ())
