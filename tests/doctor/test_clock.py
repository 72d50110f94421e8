"""How far a clock may be off is an interval that holds the truth, and only ever narrows."""

from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from collectors.doctor.clock import from_date
from collectors.stats.offsets import Offset, between

NOW_S = 1_700_000_000.0
seconds = st.floats(0.0, 5.0)


@given(st.floats(-1e6, 1e6), seconds, seconds, st.floats(0.0, 0.99))
def test_a_date_holds_the_true_offset(true_s: float, there_s: float, back_s: float, kept_s: float) -> None:
    """However long the way took, and though the server wrote the text up to a second ago."""
    sent_s = NOW_S + 0.25
    theirs_s = sent_s + there_s + true_s
    found = from_date(formatdate(int(theirs_s - kept_s), usegmt=True), sent_s, sent_s + there_s + back_s)
    assert found is not None
    assert found.low_s - 1e-6 <= true_s <= found.high_s + 1e-6
    assert found.high_s - found.low_s <= 2.0 + there_s + back_s + 1e-6


def test_answers_narrow_each_other() -> None:
    first, second = (
        between(NOW_S, NOW_S + 2, NOW_S, NOW_S + 1, "x"),
        between(NOW_S + 1, NOW_S + 3, NOW_S + 2, NOW_S + 3, "x"),
    )
    assert (first.low_s, first.high_s) == (-1, 2)
    assert (second.low_s, second.high_s) == (-2, 1)
    both = first.narrowed(second)
    assert (both.low_s, both.high_s, both.contradicts) == (-1, 1, False)
    assert both.narrowed(Offset(5, 6, "x")).contradicts


def test_what_is_no_date_tells_nothing() -> None:
    for text in ("", "yesterday", "Thu, 99 Foo 2026 99:99:99 GMT", "\x1b[31m", "9" * 5_000):
        assert from_date(text, NOW_S, NOW_S) is None
