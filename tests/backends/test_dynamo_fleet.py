"""A Dynamo frontend and its workers' pages together: one list of workers, and nothing counted twice."""

from itertools import permutations

import pytest

from collectors.model.batch import Batch, Inventory, Layout, Part, Samples, Status, WorkerInfo
from collectors.model.frame import Frame, WorkerRow
from collectors.model.vocabulary import Role, Stage, TargetStatus
from collectors.session.session import Session
from tests.backends.pages import FIXTURES, Read, read

SECOND = 1_000_000_000
PAGES = ("frontend", "prefill_worker", "decode_worker1")
DECODER, PREFILLER = "10877841985536116478/0", "15683124922970301050/0"


def captured(name: str) -> Read:
    return read((FIXTURES / "dynamo" / f"{name}_under_load.metrics.txt").read_text(), name)


def parts(page: Read, counted: float) -> tuple[Part, ...]:
    """As a scrape says it, with every count multiplied."""
    mapping = page.mapping
    infos = tuple(
        WorkerInfo(slot, one.id, role=one.role, device=one.device, model=one.model)
        for slot, one in enumerate(mapping.workers)
    )
    up = Status(url="", backend=page.backend, status=TargetStatus.UP)
    return up, Inventory(infos), Layout(mapping.series), Samples(page.found * counted)


def observed(*names: str) -> Frame:
    session = Session("virtual")
    for second, counted in ((1, 1.0), (11, 3.0)):
        for name in names:
            session.feed(Batch(source=name, time_ns=second * SECOND, parts=parts(captured(name), counted)))
    return session.tick(12 * SECOND)


def rows(frame: Frame) -> dict[str, WorkerRow]:
    return {row.id: row for row in frame.workers}


@pytest.mark.parametrize("order", list(permutations(PAGES)), ids=" ".join)
def test_a_worker_named_by_the_frontend_is_the_worker_of_its_own_page(order: tuple[str, ...]) -> None:
    frame = observed(*order)
    workers = rows(frame)
    assert {name: row.role for name, row in workers.items()} == {
        "frontend/frontend": Role.ROUTER,
        DECODER: Role.DECODE,
        "14395883631591895480/0": Role.DECODE,
        PREFILLER: Role.PREFILL,
        "17325804865820210879/0": Role.PREFILL,
    }
    assert workers[DECODER].target == "decode_worker1"
    assert workers[DECODER].running.value == 24  # 3 × the page's 8, as its own page says and not the frontend
    assert workers[PREFILLER].target == "prefill_worker"
    assert workers["14395883631591895480/0"].target == "frontend"
    assert workers["14395883631591895480/0"].running.value is None
    assert {row.worker for row in frame.jitter} == {*workers} - {"frontend/frontend"}


def test_tokens_and_requests_are_counted_once() -> None:
    frame = observed(*PAGES)
    frontend = captured("frontend")
    tokens = frontend.total("generation_tokens_total")
    requests = frontend.total("ttft_seconds")
    # twice the first page's count in ten seconds
    assert frame.tokens_per_s.value == pytest.approx(2 * tokens / 10)
    assert frame.ttft.n == 2 * requests
    decoded = [row for row in frame.placements if row.stage is Stage.DECODE]
    assert [(row.worker, row.tokens.value) for row in decoded] == [(None, 2 * tokens)]


def test_workers_alone() -> None:
    frame = observed("decode_worker1")
    assert [row.id for row in frame.workers] == [DECODER]
    assert frame.tokens_per_s.value is None
    assert frame.ttft.n == 58
    assert frame.placements == ()
