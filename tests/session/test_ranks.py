"""A worker that a tap names without a rank and a page with one is one worker only where the page shows that there is no second rank."""

import numpy as np
import pytest

from collectors.model.batch import (
    DELIVERY,
    EXTRA,
    Batch,
    Deliveries,
    Inventory,
    Layout,
    Received,
    Requests,
    Samples,
    Status,
    WorkerInfo,
)
from collectors.model.frame import Frame
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import STAGES, Role, Stage, TargetStatus
from collectors.session.session import Session

TICK = 250_000_000
S = 1_000_000_000


class Scene:
    """A tap that names its worker `7`, and what others say."""

    def __init__(self, name: str = "7") -> None:
        self.session = Session("virtual")
        self.now_ns = S
        self._token = 0
        self.say(
            "tap", Inventory((WorkerInfo(0, name, named_by="nvext"),), measured=True), Requests((Received(0, "r", 0),))
        )
        self.deliver(10)

    def say(self, source: str, *parts: object) -> None:
        status = Status("u", "placement" if source == "tap" else "dynamo", TargetStatus.UP)
        self.session.feed(Batch(source, self.now_ns - 1, (status, *parts)))  # type: ignore[arg-type]

    def deliver(self, tokens: int) -> None:
        rows = np.zeros(tokens, DELIVERY)
        rows["first_token"] = self._token + np.arange(tokens)
        rows["time_ns"], rows["tokens"], rows["stage"] = self.now_ns - 1, 1, STAGES.index(Stage.DECODE)
        self._token += tokens
        self.say("tap", Deliveries(rows, np.zeros(0, EXTRA)))

    def page(self, *ids: str, source: str = "page", role: Role = Role.UNKNOWN) -> None:
        """Of these workers, each with one that runs."""
        workers = tuple(WorkerInfo(slot, id_, role=role) for slot, id_ in enumerate(ids))
        series = tuple(Series(Signal.REQUESTS_RUNNING, Kind.GAUGE, id_, "running") for id_ in ids)
        self.say(source, Inventory(workers), Layout(series), Samples(np.full(len(ids), 3.0)))

    def frame(self) -> Frame:
        self.now_ns += S
        return self.session.tick(self.now_ns - self.now_ns % TICK)


def test_a_page_of_a_single_rank_and_a_tap_without_one_are_one_worker_with_all_that_it_did() -> None:
    scene = Scene()
    assert [row.id for row in scene.frame().workers] == ["7"]
    scene.page("7/0")
    frame = scene.frame()
    (row,) = frame.workers
    assert (row.id, row.running.value, row.tokens_per_s.n) == ("7/0", 3, 10)
    assert [(one.worker, one.tokens.value) for one in frame.placements] == [("7/0", 10)]
    assert [one.worker for one in frame.river] == ["7/0"]
    scene.deliver(5)
    # The tap says hello anew: it means the same.
    scene.say("tap", Inventory((WorkerInfo(0, "7", named_by="nvext"), WorkerInfo(1, "8")), measured=True))
    scene.deliver(5)
    frame = scene.frame()
    assert {row.id: row.tokens_per_s.n for row in frame.workers} == {"7/0": 20, "8": 0}
    (request,) = frame.requests
    assert [fact.value for fact in request.facts if fact.about == "decode_worker"] == ["7/0"]


def test_whoever_answers_at_an_address_is_the_only_engine_of_the_page_there() -> None:
    scene = Scene("10.0.0.1:8000")
    scene.page("10.0.0.1:8000/0")
    (row,) = scene.frame().workers
    assert (row.id, row.running.value, row.tokens_per_s.n) == ("10.0.0.1:8000/0", 3, 10)


def test_a_second_rank_that_comes_up_later_parts_them_again() -> None:
    scene = Scene()
    scene.page("7/0")
    assert [row.id for row in scene.frame().workers] == ["7/0"]
    scene.page("7/0", "7/1")
    scene.deliver(5)
    frame = scene.frame()
    assert sorted(row.id for row in frame.workers) == ["7", "7/0", "7/1"]
    assert [(one.worker, one.tokens.value) for one in frame.placements] == [("7", 15)]


@pytest.mark.parametrize(
    ("ids", "role"),
    [
        (("7/0", "7/1"), Role.UNKNOWN),
        (("7/1",), Role.UNKNOWN),
        (("8/0",), Role.UNKNOWN),
        (("front", "7/0"), Role.ROUTER),
    ],
    ids=["two ranks", "another rank", "another worker", "a router's word"],
)
def test_without_evidence_they_are_two(ids: tuple[str, ...], role: Role) -> None:
    scene = Scene()
    scene.page(*ids, role=role)
    assert sorted(row.id for row in scene.frame().workers) == sorted(("7", *ids))


def test_a_list_of_instances_does_not_know_how_many_ranks_there_are() -> None:
    scene = Scene()
    scene.say("7 via front", Inventory((WorkerInfo(0, "7/0"),)))
    assert sorted(row.id for row in scene.frame().workers) == ["7", "7/0"]


def test_who_tells_both_apart_is_believed() -> None:
    scene = Scene()
    scene.say("tap", Inventory((WorkerInfo(0, "7"), WorkerInfo(1, "7/0")), measured=True))
    scene.page("7/0")
    assert sorted(row.id for row in scene.frame().workers) == ["7", "7/0"]
