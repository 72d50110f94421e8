"""What is known of a clock always holds the truth: through delays, drift, events out of order, and a clock that is set."""

from hypothesis import example, given
from hypothesis import strategies as st

from collectors.stats.offsets import DRIFT, Offset, Tracked, between

delay = st.floats(0.0, 0.5)
events = st.lists(st.tuples(st.floats(0.0, 3_000.0), delay, delay), min_size=1, max_size=30)


@given(st.floats(-1e6, 1e6), st.floats(-DRIFT, DRIFT), events, st.floats(0.0, 3_000.0))
@example(0.0, DRIFT, [(0.0, 0.0, 0.0), (1.5, 0.0, 0.0)], 0.0)
def test_the_true_offset_is_inside(
    offset_s: float, drift: float, seen: list[tuple[float, float, float]], now_s: float
) -> None:
    def ahead(at_s: float) -> float:
        return offset_s + drift * at_s

    tracked = Tracked()
    for at_s, there_s, back_s in seen:
        theirs = at_s + ahead(at_s)
        tracked.learn(between(theirs, theirs, at_s - there_s, at_s + back_s, "x"), at_s)
    known = tracked.at(now_s)
    assert known is not None
    assert known.low_s - 1e-6 <= ahead(now_s) <= known.high_s + 1e-6
    assert (tracked.n, tracked.steps) == (len(seen), 0)


def test_many_events_know_more_than_each() -> None:
    tracked = Tracked()
    tracked.learn(between(100, 100, 0.0, 0.010, "x"), 0.0)
    tracked.learn(between(101, 101, 0.991, 1.001, "x"), 1.0)
    known = tracked.at(1.0)
    assert known is not None
    assert known.high_s - known.low_s < 0.002 + 2 * DRIFT
    later = tracked.at(11.0)
    assert later is not None
    assert later.high_s - later.low_s > known.high_s - known.low_s


def test_a_clock_that_was_set_begins_anew() -> None:
    tracked = Tracked()
    tracked.learn(Offset(1.0, 1.1, "x"), 0.0)
    tracked.learn(Offset(5.0, 5.1, "x"), 1.0)
    known = tracked.at(1.0)
    assert known is not None
    assert (known.low_s, known.high_s, tracked.n, tracked.steps) == (5.0, 5.1, 1, 1)


def test_an_answer_before_its_question_teaches_nothing() -> None:
    tracked = Tracked()
    tracked.learn(Offset(2.0, 1.0, "x"), 0.0)
    assert (tracked.at(0.0), tracked.n, tracked.steps) == (None, 0, 1)
