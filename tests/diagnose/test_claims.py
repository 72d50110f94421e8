"""Claims: what may be said, what it is held against, and that nothing holds of what is not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.diagnose.claims import FUNCTIONS, MOST_LETTERS, ClaimError, Range, Told, held, names, parsed
from collectors.model.frame import Frame
from tests.tui import frames

FRAME: Frame = frames.emulated(4)


def holds(claim: str, frame: Frame = FRAME, *findings: tuple[str, str]) -> bool | None:
    return held(parsed(claim), Told(frame, frozenset(findings))).holds


@pytest.mark.parametrize(
    ("claim", "wanted"),
    [
        ("n(gap) > 0", True),
        ("n(gap) < 0", False),
        ("tokens() > 0 and n(gap, gpu) > 0", True),
        ("tokens() > 0 and not n(gap, gpu) > 0", False),
        ("n(gap, gpu) + n(gap, lpu) >= n(gap)", True),
        ("n(gap, gpu) / n(gap, gpu) <= 1", True),
        ("2 * 3 - 1 > 4.5", True),
        ("n(gap, 'nowhere') > 0", None),
        ("n(gap, 'nowhere') > 0 or tokens() > 0", True),
        ("n(gap, 'nowhere') > 0 and tokens() > 0", None),
        ("n(gap, 'nowhere') > 0 and tokens() < 0", False),
        ("1 / (n(gap) - n(gap)) > 0", None),
        ("p99(nothing) > 0", None),
    ],
)
def test_a_claim_is_true_false_or_not_known(claim: str, wanted: bool | None) -> None:
    assert holds(claim) is wanted


def test_intervals_that_overlap_tell_nothing() -> None:
    p50 = held(parsed("p50(gap, lpu) < 1"), Told(FRAME))
    assert p50.holds is True
    assert holds("p50(gap, lpu) < p50(gap, lpu)") is not True
    assert holds("p50(gap, lpu) * 2 > p50(gap, lpu)") is True


def test_findings_are_told_by_kind_and_by_worker() -> None:
    found = ("straggler", "gpu-1/0")
    assert holds("verdict('straggler')", FRAME, found) is True
    assert holds("verdict('straggler', 'gpu-1')", FRAME, found) is True
    assert holds("verdict('straggler', 'gpu-0')", FRAME, found) is False
    assert holds("verdict('queue')", FRAME, found) is False


def test_each_figure_that_was_asked_for_is_told() -> None:
    it = held(parsed("n(gap, gpu) > 5 and p99(ttft, 'nowhere') < 1"), Told(FRAME))
    assert it.holds is None
    told = dict(it.told)
    assert set(told) == {"n(gap, gpu)", "p99(ttft, 'nowhere')"}
    assert told["p99(ttft, 'nowhere')"].startswith("not known: no worker")


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("", "not an expression"),
        ("p99(gap) >", "not an expression"),
        ("p99(gap)", "there are"),
        ("1 < 2 < 3", "one comparison"),
        ("p99(gap) == 1", "one comparison"),
        ("__import__('os').system('true') > 0", "there are"),
        ("eval('1') > 0", "there are"),
        ("(lambda: 1)() > 0", "there are"),
        ("n(gap, gpu, lpu) > 0", "n takes"),
        ("n(1) > 0", "a name"),
        ("n(gap=1) > 0", "there are"),
        ("9 ** 9 ** 9 > 0", "is no figure"),
        ("[1] > 0", "is no figure"),
        ("True > 0", "is no figure"),
        ("1 + 2", "is no comparison"),
        ("n(gap) > 0" + " and n(gap) > 0" * 40, "at most"),
    ],
)
def test_what_is_no_claim_is_said(claim: str, said: str) -> None:
    with pytest.raises(ClaimError, match=said):
        parsed(claim)


@given(st.text(max_size=MOST_LETTERS))
def test_any_text_is_a_claim_or_a_claim_error(text: str) -> None:
    try:
        claim = parsed(text)
    except ClaimError:
        return
    assert held(claim, Told(FRAME)).holds in (True, False, None)


def test_every_function_is_named_with_what_it_takes() -> None:
    assert len(list(names())) == len(FUNCTIONS) + 1
    assert Range(1.0, 1.0).text == "1"
    assert " … " in Range(1.0, 2.0).text
