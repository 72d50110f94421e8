"""The probe between real sockets: on its grid whatever the server does, its failures typed, and never sent where nobody serves completions."""

import asyncio
import contextlib
import socket
from zlib import crc32

import numpy as np
import pytest

from collectors.model.batch import Deliveries, Status
from collectors.model.vocabulary import PROBE_ID, TargetStatus
from collectors.probe.canary import AT_ONCE
from collectors.probe.requests import NOT_SO
from collectors.probe.source import bases_of
from collectors.wire.access import Access, Token
from collectors.wire.limits import Limits
from tests.loopback import head, page
from tests.probe.server import (
    END,
    EVENTS,
    EVERY_S,
    Asked,
    Completions,
    answers,
    finished,
    probing,
    received,
    says,
    serving,
    skipped,
    token,
)

EVERY_NS = round(EVERY_S * 1e9)
PHASE_NS = crc32(b"t probe") % EVERY_NS


async def test_probes_are_told_as_requests_of_the_grid() -> None:
    async with serving(Completions()) as server, probing(server.url) as seen:
        await seen.until(lambda it: len(finished(it)) >= 3)
    first = seen.inventories[0].probe
    last = seen.inventories[-1].probe
    assert first is not None
    assert last is not None
    assert (first.of, first.model, first.every_s, first.path, last.path) == ("t", "m", EVERY_S, "", "/v1/completions")
    # The first one finds out how to ask; from then on a request is received when it is due.
    slots = [row.time_ns for row in received(seen)]
    assert {(slot - PHASE_NS) % EVERY_NS for slot in slots} == {0}
    assert [row.reason for row in finished(seen)[:3]] == ["length"] * 3
    rows = np.concatenate([part.rows for part in seen.parts(Deliveries)])
    assert rows["tokens"].sum() == 3 * len({row.request for row in received(seen)})
    assert [one.id for one in seen.inventories[-1].workers] == [server.url.removeprefix("http://")]
    asked = server.asked[0]
    assert asked.headers["x-request-id"].startswith(PROBE_ID)
    assert {one.headers["x-request-id"] for one in server.asked} >= {row.request for row in received(seen)}


async def test_open_loop_a_server_that_hangs_is_asked_on_time_and_what_is_left_out_is_counted() -> None:
    hangs = asyncio.Event()

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if len(server.asked) > 1:
            await hangs.wait()
        await answers(asked, writer)

    async with serving(Completions(answer)) as server, probing(server.url) as seen:
        await seen.until(lambda it: len(skipped(it)) >= 3)
        assert len(server.asked) == 1 + AT_ONCE
        hangs.set()
        await seen.until(lambda it: sum(row.reason == "length" for row in finished(it)) >= 1 + AT_ONCE)
    rows = np.concatenate([part.rows for part in seen.parts(Deliveries)])
    first = {stream: rows["time_ns"][rows["stream"] == stream].min() for stream in np.unique(rows["stream"])}
    waited = [int(first[row.stream] - row.time_ns) for row in received(seen)[1 : 1 + AT_ONCE]]
    # Three slots were left out while all of them waited: each waited at least for those, the first for the longest.
    assert min(waited) >= 2 * EVERY_NS
    assert waited == sorted(waited, reverse=True)
    slots = skipped(seen)
    assert {(slot - PHASE_NS) % EVERY_NS for slot in slots} == {0}
    assert set(slots).isdisjoint(row.time_ns for row in received(seen))


GONE = head(EVENTS, "Content-Length: 500") + token(1)
ERROR = head(EVENTS) + token(1) + b'data: {"error":{"message":"out of memory"}}\n\n'


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page(b"busy", status="503 Service Unavailable"), "http 503"),
        (page(b"", "Location: /elsewhere", status="307 Temporary Redirect"), "http 307"),
        (ERROR, "error in the stream"),
        (head(EVENTS) + token(1), "stream ended unfinished"),
        (head(EVENTS) + END, "no output"),
        (page(b"<html>", kind="text/html"), "no output"),
        (GONE, "truncated"),
        (b"", "closed without an answer"),
        (b"\x00\x01\x02\r\n\r\n", "not http"),
    ],
)
async def test_failures_are_typed_and_shown(answer: bytes, reason: str) -> None:
    async with serving(Completions(says(answer))) as server, probing(server.url) as seen:
        await seen.until(lambda it: len(finished(it)) >= 1)
    row = finished(seen)[0]
    assert (row.reason, row.request) == (reason, received(seen)[0].request)
    assert seen.parts(Status)[-1].status is TargetStatus.UP
    assert seen.parts(Status)[-1].warning == f"the last probe failed: {reason}"


async def test_a_server_that_is_gone_refuses_and_one_that_drips_is_timed_out() -> None:
    async def drips(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head(EVENTS))
        while True:
            writer.write(b": still here\n\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    quick = Access(Limits(total_s=0.2))
    async with serving(Completions(drips)) as server, probing(server.url, access=quick) as seen:
        await seen.until(lambda it: len(finished(it)) >= 1)
        server.answer = answers
        await seen.until(lambda it: any(row.reason == "length" for row in finished(it)))
    assert finished(seen)[0].reason == "timeout reading (limits.total_s)"
    free = socket.create_server(("127.0.0.1", 0))
    address = free.getsockname()[1]
    free.close()
    async with probing(f"http://127.0.0.1:{address}") as seen:
        await seen.until(lambda it: bool(it.parts(Status)))
    assert seen.statuses == [(TargetStatus.DOWN, "not probed: /v1/models: refused")]
    assert not seen.inventories


async def test_a_server_that_dies_is_a_canary_that_fails() -> None:
    async with contextlib.AsyncExitStack() as life:
        server = await life.enter_async_context(serving(Completions()))
        async with probing(server.url) as seen:
            await seen.until(lambda it: bool(finished(it)))
            await life.aclose()
            await seen.until(lambda it: any(row.reason == "refused" for row in finished(it)))


@pytest.mark.parametrize("refusals", range(1, 4))
@pytest.mark.parametrize("status", sorted(NOT_SO))
async def test_how_a_server_is_to_be_asked_is_found_out_and_not_measured(refusals: int, status: int) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if len(server.asked) <= refusals:
            writer.write(page(b"no", status=f"{status} No"))
        else:
            await answers(asked, writer)

    async with serving(Completions(answer)) as server, probing(server.url) as seen:
        await seen.until(lambda it: len(finished(it)) >= 2)
        forms = [(asked.path, "nvext" in asked.body) for asked in server.asked[: refusals + 2]]
    assert all(row.reason == "length" for row in finished(seen)[:2])
    assert len(set(forms)) == refusals + 1
    assert forms[refusals] == forms[refusals + 1]


async def test_a_server_that_takes_no_form_is_asked_again_who_it_is() -> None:
    missing = says(page(b"no", status="404 Not Found"))
    async with serving(Completions(missing)) as server, probing(server.url) as seen:
        await seen.until(lambda it: bool(finished(it)))
        assert finished(seen)[0].reason == "http 404"
        server.models, server.answer = ["other"], answers
        await seen.until(lambda it: any(row.reason == "length" for row in finished(it)))
    assert server.asked[-1].body["model"] == "other"
    last = seen.inventories[-1].probe
    assert last is not None
    assert last.model == "other"


@pytest.mark.parametrize(
    ("models", "why"),
    [
        (None, "http 404"),
        ([], "none listed"),
        (["a", "b"], "several (a, b); probe_model says which"),
    ],
)
async def test_nothing_is_sent_to_what_serves_no_completions_or_nobody_knows_which(
    models: list[str] | None, why: str
) -> None:
    async with serving(Completions(models=models)) as server, probing(server.url, every_s=0.02) as seen:
        await seen.until(lambda it: bool(it.parts(Status)))
        await asyncio.sleep(0.1)
        assert (server.asked, server.looks) == ([], 1)
    assert seen.statuses == [(TargetStatus.REJECTED, f"not probed: /v1/models: {why}")]
    assert seen.kinds() == [["Status"]]


async def test_which_of_several_models_is_said() -> None:
    async with serving(Completions(models=["a", "b"])) as server, probing(server.url, model="b") as seen:
        await seen.until(lambda it: bool(finished(it)))
    assert server.asked[0].body["model"] == "b"


async def test_the_token_is_the_targets_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_TOKEN", "s3cr3t")
    access = Access(token=Token(env="PROBE_TOKEN"))
    async with serving(Completions()) as server, probing(server.url, access=access) as seen:
        await seen.until(lambda it: bool(finished(it)))
        monkeypatch.setenv("PROBE_TOKEN", "")
        await seen.until(lambda it: finished(it)[-1].reason.startswith("token"))
    assert server.asked[0].headers["authorization"] == "Bearer s3cr3t"
    assert not [text for text in seen.texts() if "s3cr3t" in text]


@pytest.mark.parametrize(
    ("url", "bases"),
    [
        ("http://h:8000/metrics", ("http://h:8000",)),
        ("http://h:8000/placement/v1/stream", ("http://h:8000",)),
        ("https://api.groq.com/openai", ("https://api.groq.com/openai", "https://api.groq.com")),
        ("https://api.example/v1/", ("https://api.example",)),
        ("http://h:8000/prometheus/metrics?a=b", ("http://h:8000/prometheus", "http://h:8000")),
    ],
)
def test_where_the_api_may_be(url: str, bases: tuple[str, ...]) -> None:
    assert bases_of(url) == bases


async def test_an_api_below_a_path_is_probed_there() -> None:
    async with serving(Completions(below="/openai")) as server, probing(f"{server.url}/openai") as seen:
        await seen.until(lambda it: bool(finished(it)))
    assert server.asked[0].path == "/openai/v1/completions"
