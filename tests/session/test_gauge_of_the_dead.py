"""What a worker has running is a level of now: unknown once its target does not answer, however short ago it was told."""

import numpy as np
import pytest

from collectors.model.batch import Batch, Inventory, Layout, Samples, Status, WorkerInfo
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import Role, State, TargetStatus
from collectors.session.session import Session

S = 1_000_000_000


def page(session: Session, second: int, running: float) -> None:
    told = tuple(
        Series(signal, Kind.GAUGE, "a/0", f"x:{signal}")
        for signal in (Signal.REQUESTS_RUNNING, Signal.REQUESTS_WAITING)
    )
    status = Status("http://a", "x", TargetStatus.UP)
    known = Inventory((WorkerInfo(0, "a/0", Role.DECODE),))
    session.feed(Batch("a", second * S, (status, known, Layout(told), Samples(np.array([running, 2.0])))))


@pytest.mark.parametrize("status", [TargetStatus.DOWN, TargetStatus.REJECTED])
def test_nobody_knows_what_runs_where_nobody_answers(status: TargetStatus) -> None:
    session = Session("virtual")
    page(session, 1, 7.0)
    (row,) = session.tick(2 * S).workers
    assert (row.running.value, row.waiting.value) == (7.0, 2.0)
    session.feed(Batch("a", 3 * S, (Status("http://a", "x", status, "refused"),)))
    (row,) = session.tick(3 * S).workers
    assert (row.running.value, row.running.state) == (None, State.ABSENT)
    assert (row.waiting.value, row.waiting.state) == (None, State.ABSENT)
    page(session, 4, 1.0)
    (row,) = session.tick(5 * S).workers
    assert (row.running.value, row.running.state) == (1.0, State.OK)
