"""One look at a Prometheus-compatible server: the evidence is that of the pages behind it."""

import asyncio

from collectors.backends.reach import Aspect
from collectors.doctor.report import Verdict
from collectors.model.vocabulary import TargetStatus
from tests.doctor.looks import fixture, json, looked, verdict
from tests.loopback import Request, page, says, serving
from tests.sources.promql_double import Double

VLLM = fixture("vllm/under_load.metrics.txt").encode()


async def test_what_is_behind_it_is_judged_as_if_scraped() -> None:
    double = Double()
    for second in (0.0, 10.0):
        double.scraped(VLLM, double.now_s - 20.0 + second, "10.0.0.1:8000")
        double.scraped(VLLM, double.now_s - 20.0 + second, "10.0.0.2:8000")

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path.endswith("/status/buildinfo"):
            await json('{"status":"success","data":{"version":"3.5.0"}}')(request, writer)
        else:
            await double.handler(request, writer)

    async with serving(handler) as server:
        found = await looked(f"prom+http://{server.name}")
    assert (found.status, found.title, found.version, found.workers) == (TargetStatus.UP, "Prometheus", "3.5.0", 2)
    assert found.models == ("tiny",)
    assert [verdict(found, aspect) for aspect in Aspect] == [Verdict.PARTLY] * 3
    assert "output tokens by worker (2, role not said)" in found.findings[0].says
    assert "from 10 ms" in found.findings[2].says
    assert found.notes[0].startswith("2 instances of vLLM, 0 not up")
    does = [one.do.partition(" ")[0] for one in found.help]
    assert "--custom-histogram-buckets" in does
    assert "--kv-events-config" not in does  # whether it is on, samples do not tell
    assert found.clock is not None
    assert found.clock.source == "time()"
    assert found.clock.high_s < 0  # it lives in 1970


async def test_a_server_of_nothing_that_we_know_and_one_that_fails() -> None:
    double = Double()
    double.add({"__name__": "http_requests_total", "job": "web"}, double.now_s - 5, 1.0)
    async with serving(double.handler) as server:
        found = await looked(f"prom+http://{server.name}")
        assert (found.status, found.notes[0]) == (TargetStatus.UP, "0 instances, 0 not up")
        assert "no metrics of a known back end" in found.notes[1]
        assert found.version == ""
    async with serving(says(page(b"no", status="503 Service Unavailable"))) as failing:
        found = await looked(f"prom+http://{failing.name}")
        assert (found.status, found.findings) == (TargetStatus.DOWN, ())
