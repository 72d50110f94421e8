"""Claims: what may be said, what it is held against, and that nothing holds of what is not known."""

from collections.abc import Callable
from math import inf
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.diagnose.claimed import FUNCTIONS, TRUTHS, Told, known
from collectors.diagnose.claims import MOST_LETTERS, ClaimError, held, parsed
from collectors.diagnose.ranges import Range, UnknownError
from collectors.model.figure import Figure, Quantile
from collectors.model.frame import Frame, WorkerRow
from collectors.model.vocabulary import Provenance, State
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
        ("share('nowhere') < 1", None),
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
    led = Told(FRAME, frozenset({found, ("queue", "gpu-0/0")}), frozenset({found}))
    assert held(parsed("leads('straggler', 'gpu-1')"), led).holds is True
    assert held(parsed("verdict('queue', 'gpu-0') and not leads('queue')"), led).holds is True


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
        ("p99(gaps) > 0", "'gaps' is not gap, ttft, tpot or queue"),
        ("flow(hbm, drum) > 0", "'drum' is not a tier"),
        ("verdict('stragler', 'gpu-1')", "'stragler' is not a kind of finding; there are .*straggler"),
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


def test_names_of_workers_are_checked_where_they_are_known() -> None:
    there = {"gpu-0/0", "host-0"}
    parsed("p99(gap, 'GPU-0') > p99(gap, lpu) and used('host-0') > 0 and verdict('queue', 'gpu-0/0')", there)
    for claim in ("p99(gap, 'gpu-9') > 0", "used('host-9') > 0", "verdict('queue', 'gpu-9')", "hit_rate('host') > 0"):
        parsed(claim)
        with pytest.raises(ClaimError, match=r"there are .*gpu-0, host-0"):
            parsed(claim, there)


def changed(which: Callable[[WorkerRow], bool], name: str, figure: Figure) -> Frame:
    """The Frame, but for one figure of the gaps of some workers."""
    rows = [
        msgspec.structs.replace(row, gap=msgspec.structs.replace(row.gap, **{name: figure})) if which(row) else row
        for row in FRAME.workers
    ]
    return msgspec.structs.replace(FRAME, workers=tuple(rows), gaps=())


def a_quantile(low: float, high: float | None, state: State = State.OK) -> Quantile:
    value = None if high is None else (low + high) / 2
    return Quantile(value, state, Provenance.MEASURED, True, 0, 1_000, low=low, high=high)


def test_what_is_only_about_right_makes_nothing_true() -> None:
    exact = Figure(8.0, State.OK, Provenance.DERIVED, True, 0)
    assert known(exact) == Range(8, 8)
    assert known(msgspec.structs.replace(exact, at_least=True)) == Range(8, inf)
    with pytest.raises(UnknownError, match=r"only about 8\.0: some were missed"):
        known(msgspec.structs.replace(exact, estimate=True, formula="some were missed"))
    about = msgspec.structs.replace(exact, estimate=True)
    frame = changed(lambda _: True, "max", about)
    assert (holds("max(gap) > 1", frame), holds("max(gap) < 1", frame)) == (None, None)


def test_a_quantile_over_every_bound_is_known_from_below() -> None:
    frame = changed(lambda row: row.id == "lpu-0/0", "p99", a_quantile(10, None, State.OVER_RANGE))
    assert holds("p99(gap, 'lpu-0') > 9", frame) is True
    assert holds("p99(gap, 'lpu-0') < 9", frame) is False
    assert holds("p99(gap, 'lpu-0') > 11", frame) is None
    assert holds("p99(gap, 'lpu-0') > 5 * p50(gap, 'lpu-0')", frame) is True
    assert holds("p99(gap, 'lpu-0') / p99(gap, 'lpu-0') > 0", frame) is None
    told = held(parsed("p99(gap, 'lpu-0') > 9"), Told(frame)).told
    assert told == (("p99(gap, 'lpu-0')", "≥ 10"),)
    with pytest.raises(UnknownError):
        known(Quantile(None, State.TOO_FEW, Provenance.MEASURED, True, 0, 3))


def test_the_longest_of_several_workers_is_the_longest_of_theirs() -> None:
    longest = max(float(row.gap.max.value or 0) for row in FRAME.workers if row.gap.n)
    told = dict(held(parsed("max(gap) > 0"), Told(FRAME)).told)
    assert told == {"max(gap)": f"{longest:.4g}"}
    one = changed(lambda row: row.id == "lpu-1/0", "max", a_quantile(7, 9))
    assert held(parsed("max(gap) > 6.9"), Told(one)).told == (("max(gap)", "7 … 9"),)


def test_docs_name_every_function_and_no_other() -> None:
    table = Path("docs/show.md").read_text("utf-8").partition("| function |")[2].partition("\n\n")[0]
    heads = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert {name.partition("(")[0].strip(" `") for head in heads for name in head.split("`, `")} == {
        *FUNCTIONS,
        *TRUTHS,
    }


def test_ranges_are_told_as_far_as_they_are_known() -> None:
    assert Range(1.0, 1.0).text == "1"
    assert Range(1.0, 2.0).text == "1 … 2"
    assert Range(1.0, inf).text == "≥ 1"
