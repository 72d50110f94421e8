"""A request that was moved while its deliveries go on naming the dead worker: its tokens count where they were made, from when that is known; before, they are in dispute."""

import numpy as np
import pytest

from collectors.model.batch import DELIVERY, EXTRA, Deliveries, Finished, Inventory, Received, Requests, WorkerInfo
from collectors.model.frame import Frame
from collectors.model.traces import Account, Accounts, Move, Statement
from collectors.model.vocabulary import STAGES, About, Stage
from collectors.session.naming import MAX_LENT, Naming
from collectors.stats.elsewhere import IN_DISPUTE
from tests.session.test_requests import BEGIN, DEAD, MS, NEXT, TICK, UNIX, Scene

LAST = "99/0"
S = 1_000_000_000


class Moving(Scene):
    """A request of a tap, its tokens told of as they come, and the router's log."""

    def __init__(self, **more: str) -> None:
        super().__init__(**more)
        self.now_ns = BEGIN
        self.token = 0
        self.say("tap", BEGIN, Requests((Received(BEGIN, "r", 0),)))

    def deliver(self, tokens: int, worker: int = 0) -> None:
        rows = np.zeros(tokens, DELIVERY)
        rows["first_token"] = self.token + np.arange(tokens)
        rows["time_ns"] = self.now_ns + np.arange(tokens) * MS
        rows["tokens"], rows["stage"], rows["worker"] = 1, STAGES.index(Stage.DECODE), worker
        self.token += tokens
        self.now_ns += tokens * MS
        self.say("tap", self.now_ns, Deliveries(rows, np.zeros(0, EXTRA)))

    def moved(self, worker: str, to: str, after: int) -> None:
        taken = Account(
            "router log",
            "log",
            UNIX + after,
            names=("s",),
            given=("r",),
            moves=(Move(worker.partition("/")[0], after),),
        )
        given = Account(
            "router log",
            "log",
            UNIX + after + 1,
            names=("s",),
            given=("r",),
            statements=(Statement(About.DECODE_WORKER, to, None),),
        )
        self.say("log", self.now_ns, Accounts((taken, given)))

    def began(self) -> None:
        said = Account(
            "router log",
            "log",
            UNIX,
            names=("s",),
            given=("r",),
            statements=(Statement(About.DECODE_WORKER, DEAD, None),),
        )
        self.say("log", self.now_ns, Accounts((said,)))

    def end(self) -> None:
        self.say("tap", self.now_ns, Requests((Finished(self.now_ns, "r", "length", self.token),)))

    def next(self, after_ns: int = TICK) -> Frame:
        self.now_ns += after_ns - self.now_ns % TICK
        return self.session.tick(self.now_ns)


def placed(frame: Frame) -> dict[str | None, float | int | None]:
    return {row.worker: row.tokens.value for row in frame.placements if row.primary}


def rates(frame: Frame) -> dict[str, int | None]:
    return {row.id: row.tokens_per_s.n for row in frame.workers if isinstance(row.tokens_per_s.n, int)}


def in_dispute(frame: Frame) -> set[str]:
    said = {row.id for row in frame.workers if row.tokens_per_s.estimate is True}
    assert said >= {row.worker for row in frame.placements if row.tokens.estimate is True}
    return said


def test_tokens_after_a_move_that_is_known_count_for_who_took_over() -> None:
    scene = Moving()
    scene.began()
    scene.deliver(15)
    assert placed(scene.next()) == {DEAD: 15}
    scene.moved(DEAD, NEXT, 15)
    scene.deliver(10)
    frame = scene.next()
    assert placed(frame) == {DEAD: 15, NEXT: 10}
    scene.deliver(15)
    frame = scene.next()
    assert placed(frame) == rates(frame) == {DEAD: 15, NEXT: 25}
    assert in_dispute(frame) == set()
    assert {row.id: row.running.value for row in frame.workers} == {DEAD: 0, NEXT: 1}
    assert frame.tokens_per_s.n == 2
    # That the tap names the dead one stays its own word.
    (said,) = scene.row("r").disagree
    assert said.from_token == 15
    assert {one.value: one.tellers for one in said.says} == {DEAD: ("tap: arrivals",), NEXT: ("log: router log",)}


def test_what_was_counted_before_the_move_was_known_is_in_dispute_while_it_is_in_the_window() -> None:
    scene = Moving()
    scene.began()
    scene.deliver(20)
    assert in_dispute(scene.next()) == set()
    scene.moved(DEAD, NEXT, 15)
    frame = scene.next()
    assert placed(frame) == {DEAD: 20}
    assert in_dispute(frame) == {DEAD, NEXT}
    assert {row.tokens_per_s.formula for row in frame.workers} == {IN_DISPUTE.format(5)}
    scene.deliver(20)
    frame = scene.next()
    assert placed(frame) == {DEAD: 20, NEXT: 20}
    assert in_dispute(frame) == {DEAD, NEXT}
    assert in_dispute(scene.next(62 * S)) == set()


def test_of_a_request_that_has_ended_all_later_tokens_are_in_dispute() -> None:
    scene = Moving()
    scene.began()
    scene.deliver(40)
    scene.end()
    scene.next()
    scene.moved(DEAD, NEXT, 15)
    frame = scene.next()
    assert placed(frame) == {DEAD: 40}
    assert in_dispute(frame) == {DEAD, NEXT}
    assert {row.tokens_per_s.formula for row in frame.workers} == {IN_DISPUTE.format(25)}


def test_a_log_that_names_no_end_of_workers_lends_some() -> None:
    naming = Naming()
    slots = [naming.lend(str(number), "log") for number in range(MAX_LENT)]
    assert len(set(slots)) == MAX_LENT == len(naming.inventory.workers)
    assert None not in slots
    assert naming.lend("one more", "log") is None


def test_who_took_over_from_who_took_over() -> None:
    scene = Moving()
    scene.began()
    scene.deliver(10)
    scene.moved(DEAD, NEXT, 10)
    scene.deliver(5)
    scene.next()
    scene.moved(NEXT, LAST, 15)
    frame = scene.next()
    scene.deliver(5)
    frame = scene.next()
    assert placed(frame) == {DEAD: 10, NEXT: 5, LAST: 5}
    assert in_dispute(frame) == set()
    assert [(one.worker, one.to) for one in scene.row("r").migrations] == [(DEAD, NEXT), (NEXT, LAST)]


@pytest.mark.parametrize("known", [True, False], ids=["before it ended", "in the tick in which it ended"])
def test_the_next_request_of_a_stream_is_where_it_says(known: bool) -> None:
    scene = Moving()
    scene.began()
    scene.deliver(10)
    scene.moved(DEAD, NEXT, 10)
    if known:
        scene.next()
    scene.deliver(5)
    scene.end()
    scene.say("tap", scene.now_ns, Requests((Received(scene.now_ns, "another", 0),)))
    scene.token = 0
    scene.deliver(20)
    scene.next()
    frame = scene.next()
    assert placed(frame) == ({DEAD: 30, NEXT: 5} if known else {DEAD: 35})
    assert in_dispute(frame) == (set() if known else {DEAD, NEXT})


@pytest.mark.parametrize(("named_by", "worker"), [("target", DEAD), ("header x-inference-pod", "10.0.0.1:8000")])
def test_where_the_observer_names_nobody_of_the_log_nothing_is_put_elsewhere(named_by: str, worker: str) -> None:
    scene = Moving(named_by=named_by, worker=worker)
    scene.began()
    scene.deliver(10)
    scene.moved(DEAD, NEXT, 10)
    scene.deliver(5)
    frame = scene.next()
    assert placed(frame) == {worker: 15}
    assert in_dispute(frame) == set()


def test_an_observer_that_names_who_took_over_is_right_itself() -> None:
    scene = Moving()
    both = tuple(WorkerInfo(slot, id_, named_by="nvext") for slot, id_ in enumerate((DEAD, NEXT)))
    scene.say("tap", BEGIN, Inventory(both, clock_id="tap-clock", measured=True))
    scene.began()
    scene.deliver(15)
    scene.deliver(10, worker=1)
    scene.next()
    scene.moved(DEAD, NEXT, 15)
    scene.deliver(5, worker=1)
    frame = scene.next()
    assert placed(frame) == {DEAD: 15, NEXT: 15}
    assert in_dispute(frame) == set()
    assert scene.row("r").disagree == ()
