"""The fleet's output tokens a second: of the workers of which it is known now, and of how many that is said."""

import numpy as np
import pytest

from collectors.model.batch import Batch, Inventory, Layout, Samples, Status, WorkerInfo
from collectors.model.frame import Frame
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import Role, State, TargetStatus
from collectors.session.session import Session
from tui.counts import counted, observed

S = 1_000_000_000


def page(session: Session, target: str, second: int, tokens: float, role: Role = Role.DECODE) -> None:
    """A page of one worker that makes 10 tokens a second, or whatever `tokens` says."""
    told = (Series(Signal.GENERATION_TOKENS, Kind.COUNTER, f"{target}/0", "x:tokens_total"),)
    status = Status(f"http://{target}", "x", TargetStatus.UP)
    known = Inventory((WorkerInfo(0, f"{target}/0", role),))
    session.feed(Batch(target, second * S, (status, known, Layout(told), Samples(np.array([tokens])))))


def says(session: Session, target: str, second: int, status: TargetStatus) -> None:
    session.feed(Batch(target, second * S, (Status(f"http://{target}", "x", status, "why"),)))


def total(frame: Frame) -> tuple[float | None, State, object, int]:
    it = frame.tokens_per_s
    return it.value, it.state, it.n, frame.tokens_per_s_workers


def test_all_of_them() -> None:
    session = Session("virtual")
    for second in (1, 2):
        page(session, "a", second, 10.0 * second)
        page(session, "b", second, 5.0 * second)
        page(session, "router", second, 15.0 * second, Role.ROUTER)
    frame = session.tick(3 * S)
    assert total(frame) == (15.0, State.OK, 2, 2)
    assert counted(frame) == ""


def test_a_stale_worker_is_no_part_of_it() -> None:
    session = Session("virtual")
    for second in range(1, 21):
        page(session, "a", second, 10.0 * second)
        if second < 10:
            page(session, "b", second, 5.0 * second)
    frame = session.tick(21 * S)
    assert [row.tokens_per_s.state for row in frame.workers] == [State.OK, State.STALE]
    assert total(frame) == (10.0, State.OK, 1, 2)
    assert counted(frame) == "1/2"


@pytest.mark.parametrize(
    ("status", "workers", "part"),
    [(TargetStatus.DOWN, 2, "1/2"), (TargetStatus.REJECTED, 2, "1/2"), (TargetStatus.GONE, 1, "")],
)
def test_nor_is_one_of_a_target_that_does_not_answer(status: TargetStatus, workers: int, part: str) -> None:
    session = Session("virtual")
    for second in (1, 2):
        page(session, "a", second, 10.0 * second)
        page(session, "b", second, 5.0 * second)
    says(session, "b", 3, status)
    frame = session.tick(3 * S + S // 2)
    assert total(frame) == (10.0, State.OK, 1, workers)
    assert counted(frame) == part
    assert f"{workers} worker" in observed(frame)[0]
    assert ("1 gone" in observed(frame)[0]) == (workers == 1)


def test_where_nothing_is_known_now_it_is_stale_as_a_whole() -> None:
    session = Session("virtual")
    for second in (1, 2):
        page(session, "a", second, 10.0 * second)
        page(session, "b", second, 5.0 * second)
    assert total(session.tick(20 * S)) == (15.0, State.STALE, 2, 2)


def test_routers_count_where_no_worker_says() -> None:
    session = Session("virtual")
    for second in (1, 2):
        page(session, "router", second, 15.0 * second, Role.ROUTER)
    session.feed(Batch("a", S, (Status("http://a", "x", TargetStatus.UP), Inventory((WorkerInfo(0, "a/0"),)))))
    assert total(session.tick(3 * S)) == (15.0, State.OK, 1, 1)


def test_a_router_of_now_counts_before_workers_of_before() -> None:
    session = Session("virtual")
    for second in range(1, 21):
        page(session, "router", second, 15.0 * second, Role.ROUTER)
        if second < 10:
            page(session, "a", second, 10.0 * second)
    assert total(session.tick(21 * S)) == (15.0, State.OK, 1, 1)


def test_the_token_that_a_prefill_engine_samples_is_counted_by_the_decode_engine() -> None:
    session = Session("virtual")
    for second in (1, 2):
        page(session, "p", second, 1.0 * second, Role.PREFILL)
        page(session, "d", second, 10.0 * second, Role.DECODE)
    frame = session.tick(3 * S)
    assert total(frame) == (10.0, State.OK, 1, 1)
    assert counted(frame) == ""
    assert [(row.worker, row.tokens.value) for row in frame.placements if row.primary] == [("d/0", 10)]
    assert frame.workers[0].tokens_per_s.value == 1.0  # what its page says of it


def test_prefill_engines_alone_make_no_output() -> None:
    session = Session("virtual")
    for second in (1, 2):
        page(session, "p", second, 1.0 * second, Role.PREFILL)
        page(session, "router", second, 15.0 * second, Role.ROUTER)
    frame = session.tick(3 * S)
    assert total(frame) == (15.0, State.OK, 1, 1)
    assert [(row.worker, row.tokens.value) for row in frame.placements if row.primary] == [(None, 15)]
