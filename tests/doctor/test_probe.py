"""One look at servers on loopback: what they are asked, and never asked; what is made of answers, good and bad."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from time import time

import pytest

from collectors.backends.reach import Aspect
from collectors.doctor.probe import examine_all
from collectors.doctor.report import Examined, Verdict
from collectors.model.vocabulary import Role, TargetStatus
from collectors.sources.target import parse_target
from collectors.targets.spec import TargetSpec
from collectors.wire.access import Clients
from collectors.wire.kv_discovery import KvEndpoint
from tests.doctor.looks import FIXTURES, IMPATIENT, fixture, json, looked, text, verdict
from tests.loopback import Handler, Request, Server, by_path, head, page, says, serving, unused_port

VLLM = fixture("vllm/under_load.metrics.txt")
ITERATIONS = '[{"iter":1,"iterLatencyMS":5.0}]'


def listed(owned_by: str) -> Handler:
    return json(f'{{"object":"list","data":[{{"id":"some-model","owned_by":"{owned_by}"}}]}}')


@asynccontextmanager
async def visited(**paths: Handler) -> AsyncIterator[tuple[Examined, Server]]:
    async with serving(by_path(**paths)) as server:
        yield await looked(server.name), server


def asked(server: Server) -> list[str]:
    return [request.path for request in server.requests]


async def test_vllm_with_everything_on() -> None:
    sources = (FIXTURES / "vllm" / "kv_event_sources.json").read_text()
    async with visited(
        metrics=text(VLLM), models=listed("vllm"), version=json('{"version":"0.32.0"}'), kv_event_sources=json(sources)
    ) as (found, server):
        assert (found.status, found.backend, found.title, found.version) == (TargetStatus.UP, "vllm", "vLLM", "0.32.0")
        assert found.models == ("tiny", "some-model")
        assert found.workers == 1
        assert verdict(found, Aspect.TIERS) is Verdict.SEEN
        assert "tcp://127.0.0.1:18257" in found.findings[1].says
        assert found.page is not None
        assert (found.page.bytes, found.page.series) == (len(VLLM.encode()), 500)
        assert asked(server) == ["/v1/models", "/metrics", "/version", "/kv_event_sources"]
        assert all(request.line.startswith("GET ") for request in server.requests)


async def test_answers_that_are_not_there_or_nonsense_are_done_without() -> None:
    async with visited(metrics=text(VLLM), version=json("[1"), kv_event_sources=json('{"0":{"endpoint":5}}')) as (
        found,
        _,
    ):
        assert found.status is TargetStatus.UP
        assert found.version == ""
        assert verdict(found, Aspect.TIERS) is Verdict.PARTLY
        assert "--kv-events-config" in {one.do.partition(" ")[0] for one in found.help}


@pytest.mark.parametrize("suffix", ["", "/metrics"])
async def test_tensorrt_llm_is_never_drained(suffix: str) -> None:
    async def whatever(request: Request, writer: asyncio.StreamWriter) -> None:
        answers = {
            "/v1/models": listed("tensorrt_llm"),
            "/metrics": json(ITERATIONS),
            "/prometheus/metrics": text("trtllm_num_requests_running 1\ntrtllm_generation_tokens_total 5\n"),
            "/version": json('{"version":"1.3.0"}'),
        }
        await answers.get(request.path, says(page(b"", status="404 Not Found")))(request, writer)

    async with serving(whatever) as server:
        found = await looked(f"http://{server.name}{suffix}")
    assert "/metrics" not in asked(server)
    assert (found.status, found.backend, found.version) == (TargetStatus.UP, "trtllm", "1.3.0")
    assert found.never_seen
    assert any("removed once read" in note for note in found.notes)
    assert any("sole_reader" in one.do for one in found.help)


async def test_tensorrt_llm_without_its_page_is_told_how_to_have_one() -> None:
    async with visited(models=listed("tensorrt_llm")) as (found, server):
        assert (found.title, found.status) == ("TensorRT-LLM", TargetStatus.REJECTED)
        assert [one.do for one in found.help] == ["return_perf_metrics: true"]
        assert "/metrics" not in asked(server)


async def test_sglang_without_a_page_is_told_how_to_have_one() -> None:
    async with visited(models=listed("sglang")) as (found, _):
        assert (found.title, found.status, found.models) == ("SGLang", TargetStatus.REJECTED, ("some-model",))
        assert "http 404" in found.reason
        assert [one.do for one in found.help] == ["--enable-metrics"]


async def test_llama_cpp_without_its_page_is_not_called_down() -> None:
    unsupported = says(page(b"{}", status="501 Not Implemented", kind="application/json"))
    async with visited(models=listed("llamacpp"), metrics=unsupported) as (found, _):
        assert (found.title, found.status, found.reason) == ("llama.cpp", TargetStatus.REJECTED, "http 501")
        assert [one.do for one in found.help] == ["--metrics"]


async def test_llama_cpps_slots_are_seen_with_its_page_and_without() -> None:
    slots = json('[{"n_ctx":512,"is_processing":true,"n_prompt_tokens":5}]')
    metrics = text("llamacpp:requests_processing 1\nllamacpp:tokens_predicted_total 5\n")
    async with visited(models=listed("llamacpp"), metrics=metrics, slots=slots) as (found, _):
        assert "output tokens by worker" in found.findings[0].says
        assert "a tier not named: resident, active, capacity" in found.findings[1].says
    unsupported = says(page(b"{}", status="501 Not Implemented", kind="application/json"))
    async with visited(models=listed("llamacpp"), metrics=unsupported, slots=slots) as (bare, _):
        assert (bare.status, bare.page, bare.workers) == (TargetStatus.UP, None, 1)
        assert "a tier not named: resident, active, capacity" in bare.findings[1].says
        assert bare.help[0].do == "--metrics"
        assert any("http 501" in note for note in bare.notes)


async def test_a_server_too_slow_to_say_who_it_is_is_not_read() -> None:
    paths = {"metrics": text(VLLM), "models": says(head("Content-Type: application/json"), then_hangs=True)}
    async with serving(by_path(**paths)) as server:
        found = await looked(server.name, IMPATIENT)
    assert (found.status, found.reason, found.limit) == (TargetStatus.DOWN, "timeout reading", "idle_s")
    assert asked(server) == ["/v1/models"]


async def test_of_sglangs_arguments_nothing_but_what_is_asked_for_is_kept() -> None:
    answer = '{"version":"0.5.23","api_key":"s3cret","kv_events_config":"{}","internal_states":[{"x":1}]}'
    loads = '{"version":"0.5.23","accelerator":"NVIDIA GB300","loads":[]}'
    async with serving(by_path(metrics=text(fixture("sglang/production_metrics_doc.prom")))) as plain:
        without = await looked(plain.name)

    async def answers(request: Request, writer: asyncio.StreamWriter) -> None:
        bodies = {"/server_info": json(answer), "/v1/loads?include=core": json(loads)}
        page_ = text(fixture("sglang/production_metrics_doc.prom"))
        await bodies.get(request.path, page_ if request.path == "/metrics" else text(""))(request, writer)

    async with serving(answers) as server:
        found = await looked(server.name)
    assert (found.version, found.chips) == ("0.5.23", ("NVIDIA GB300",))
    assert "s3cret" not in repr(found)
    assert "/get_server_info" not in asked(server)
    assert any(one.do.startswith("--kv-events-config") for one in without.help)
    assert any(one.do.startswith("kv_endpoint") for one in found.help)  # it publishes, and does not say where


async def test_down_slow_and_strange_targets() -> None:
    refused = await looked(f"127.0.0.1:{await unused_port()}")
    assert (refused.status, refused.reason, refused.findings) == (TargetStatus.DOWN, "refused", ())

    async with visited(metrics=text("up 1\n")) as (stranger, _):
        assert stranger.status is TargetStatus.REJECTED
        assert "known:" in stranger.reason
    async with visited(metrics=text('x{a="b} 1\n')) as (torn, _):
        assert torn.reason.startswith("not prometheus text: line 1")
    async with serving(says(head("Content-Type: text/plain"), then_hangs=True)) as hanging:
        slow = await looked(hanging.name, IMPATIENT)
        assert (slow.status, slow.reason) == (TargetStatus.DOWN, "timeout reading")


async def test_prometheus_own_page_says_how_to_write_it() -> None:
    async with visited(metrics=text('prometheus_build_info{version="3.5.0"} 1\n')) as (found, server):
        assert found.status is TargetStatus.REJECTED
        assert [one.do for one in found.help] == [f"as a target: prom+http://{server.name}"]


async def test_what_the_configuration_says_counts() -> None:
    sources = json((FIXTURES / "vllm" / "kv_event_sources.json").read_text())
    async with serving(by_path(metrics=text(VLLM), kv_event_sources=sources)) as server:
        plain = await looked(server.name)
        decode = await looked(server.name, role=Role.DECODE)
        unread = await looked(server.name, kv_events=False)
    async with serving(by_path(metrics=text(VLLM))) as server:
        named = await looked(server.name, kv_endpoint=KvEndpoint("tcp://10.0.0.9:5557"))
    assert any(one.do.startswith("role") for one in plain.help)
    assert "role not said" in plain.findings[0].says
    assert not any(one.do.startswith("role") for one in decode.help)
    assert "roles: decode" in decode.findings[0].says
    assert (verdict(plain, Aspect.TIERS), verdict(unread, Aspect.TIERS)) == (Verdict.SEEN, Verdict.PARTLY)
    assert any(one.do == "--kv-events" for one in unread.help)
    assert "KV events at tcp://10.0.0.9:5557" in named.findings[1].says


async def test_what_is_dangerous_about_how_it_is_read_is_said_first() -> None:
    port = await unused_port()
    found = await looked(f"https://127.0.0.1:{port}", IMPATIENT, insecure=True)
    assert "TLS NOT VERIFIED" in found.notes[0]


async def test_hostile_text_is_made_safe() -> None:
    bad = "\\u001b]0;owned\\u0007\\u202eevil\\u0000" + "x" * 5_000
    async with visited(
        metrics=text('vllm:num_requests_running{model_name="\x1b[2J\u202eup"} 1\n'),
        models=json(f'{{"data":[{{"id":"{bad}","owned_by":"vllm"}}]}}'),
        version=json(f'{{"version":"{bad}"}}'),
    ) as (found, _):
        assert found.status is TargetStatus.UP
        shown = repr(found)
        assert "\\x1b" not in shown
        assert "\\u202e" not in shown
        assert found.version.startswith("evil")
        assert len(found.version) <= 120
        assert max(map(len, found.models)) <= 120


async def test_the_clock_of_an_answer_bounds_the_offset() -> None:
    ahead_s = 3_600.0
    async with visited(metrics=text(VLLM, f"Date: {formatdate(time() + ahead_s, usegmt=True)}")) as (found, _):
        assert found.clock is not None
        assert found.clock.low_s <= ahead_s <= found.clock.high_s
        assert found.clock.high_s - found.clock.low_s < 2.0 + 5.0
    async with visited(metrics=text(VLLM)) as (silent, _):
        assert silent.clock is None
    two = by_path(
        metrics=text(VLLM, f"Date: {formatdate(time(), usegmt=True)}"),
        version=says(page(b"{}", f"Date: {formatdate(time() + 900, usegmt=True)}", kind="application/json")),
    )
    async with serving(two) as server:
        contradicting = await looked(server.name)
        assert contradicting.clock is not None
        assert contradicting.clock.contradicts


HELLO = (
    b'{"type":"hello","version":1,"emulated":true,"producer":"some-router 1.0","clock":{"id":"c1","kind":"unix","now_ns":%d},'
    b'"workers":[{"slot":0,"id":"w0","model":"m1"}],"pools":[]}\n'
)


async def test_a_host_that_is_a_placement_stream_only() -> None:
    hello = HELLO % round((time() + 60) * 1e9)
    async with visited(stream=says(head("Content-Type: application/x-ndjson") + hello, then_hangs=True)) as (found, _):
        assert (found.status, found.backend, found.emulated, found.models) == (
            TargetStatus.UP,
            "placement",
            True,
            ("m1",),
        )
        assert [one.verdict for one in found.findings][::2] == [Verdict.SEEN, Verdict.SEEN]
        assert found.help == ()
        assert found.clock is not None
        # The server wrote its text a little before it was asked.
        assert 55 < found.clock.low_s < found.clock.high_s <= 60
        assert found.clock.source == "placement stream"


async def test_a_stream_that_promises_and_does_not_greet() -> None:
    router = "tokenyard_emulated 1\ntokenyard_requests_live 1\n"
    async with visited(metrics=text(router), stream=says(head("Content-Type: application/x-ndjson"))) as (found, _):
        assert found.status is TargetStatus.UP
        assert found.emulated
        assert any("does not answer" in note for note in found.notes)
        assert verdict(found, Aspect.JITTER) is Verdict.NOT


async def test_one_bad_target_leaves_the_others_alone_and_names_are_unique() -> None:
    async with serving(by_path(metrics=text(VLLM))) as server, Clients() as clients:
        targets = [parse_target(one) for one in (server.name, f"127.0.0.1:{await unused_port()}", server.name)]
        found = await examine_all([TargetSpec(one) for one in targets], clients)
    assert [one.status for one in found] == [TargetStatus.UP, TargetStatus.DOWN, TargetStatus.UP]
    assert [one.name for one in found] == [server.name, targets[1].name, f"{server.name}#2"]


async def test_where_nobody_tells_of_gaps_the_tap_and_the_probe_would_help() -> None:
    async with visited(models=listed("somebody")) as (found, server):
        assert [one.do for one in found.help] == [f"tokenyard tap --upstream {server.url}", "--probe 30s"]
        assert all(request.line.startswith("GET ") for request in server.requests)
    async with visited(metrics=text(fixture("llamacpp/under_load.metrics.txt")), models=listed("llamacpp")) as (
        found,
        _,
    ):
        assert verdict(found, Aspect.JITTER) is Verdict.NOT
        assert "--probe 30s" in [one.do for one in found.help]
    async with visited(metrics=text(VLLM), models=listed("vllm")) as (found, _):
        assert "--probe 30s" not in [one.do for one in found.help]
    async with visited(metrics=text(fixture("dcgm-exporter/readme-sample.prom"))) as (found, _):
        assert "--probe 30s" not in [one.do for one in found.help]
