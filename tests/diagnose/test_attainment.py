"""Which requests met what: of single requests, and of buckets, which know less."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.diagnose.attainment import Met, counted, judge, objectives, of_buckets, overall, share, together
from collectors.diagnose.objectives import PROFILES, Limit, Profile
from collectors.model.slo import Attained
from collectors.stats.buckets import buckets
from collectors.stats.outcomes import UNKNOWN, Ended, Outcome, Outcomes, OutcomeSlots

MS = 1_000_000
CHAT = objectives(PROFILES["chat"])


def outcome(ttft_ms: int = 100, tpot_ms: int = 20, ended: Ended = Ended.COMPLETED) -> Outcome:
    ttft_ns, tpot_ns = (one if one == UNKNOWN else one * MS for one in (ttft_ms, tpot_ms))
    return Outcome(1, 0, 0, ttft_ns, tpot_ns, 1_000 * MS, int(ended))


def of(*rows: Outcome) -> Outcomes:
    slots = OutcomeSlots()
    for row in rows:
        slots.add(0, row)
    return slots.window()


def test_a_request_has_to_meet_every_objective() -> None:
    judged = judge(of(outcome(), outcome(ttft_ms=201), outcome(tpot_ms=51), outcome(200, 50)), CHAT)
    assert [met.tolist() for met in judged.met] == [[True, False, True, True], [True, True, False, True]]
    assert judged.all_met.tolist() == [True, False, False, True]


def test_an_error_has_met_nothing_and_an_abort_is_not_judged() -> None:
    judged = judge(
        of(outcome(ended=Ended.ERROR), outcome(UNKNOWN, UNKNOWN, Ended.ERROR), outcome(ended=Ended.ABORTED)), CHAT
    )
    group, nobody = np.array([2, 2, 0]), Met(0, 0, 0)
    assert counted(judged.all_count, judged.all_met, group, 4) == [nobody, nobody, Met(0, 0, 2), nobody]
    assert counted(judged.counts[0], judged.met[0], group, 4) == [nobody, nobody, Met(0, 0, 2), nobody]


def test_what_cannot_be_measured_is_not_counted() -> None:
    """An answer that was not streamed has no first token; one of a single token no TPOT, which it therefore cannot have missed."""
    judged = judge(of(outcome(ttft_ms=UNKNOWN), outcome(tpot_ms=UNKNOWN)), CHAT)
    assert judged.all_count.tolist() == [False, True]
    assert judged.all_met.tolist() == [False, True]
    assert [known.tolist() for known in judged.counts] == [[False, True], [True, False]]


def test_a_profile_of_whole_requests() -> None:
    (one,) = objectives(PROFILES["agent"])
    assert (one.what, one.seconds) == ("request", 5.0)
    assert judge(of(outcome()), (one,)).all_met.tolist() == [True]


def test_buckets_know_a_bracket_and_a_bound_exactly() -> None:
    of_page = buckets([0.1, 0.25, np.inf], [60, 90, 100])
    assert of_buckets(of_page, 0.25) == Met(90, 90, 100)
    assert of_buckets(of_page, 0.2) == Met(60, 90, 100)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_of_two_objectives_apart_it_is_known_how_many_met_both_at_least_and_at_most(
    met: list[tuple[bool, bool]],
) -> None:
    n, both = len(met), sum(one and two for one, two in met)
    each = [Met(count, count, n) for count in (sum(one for one, _ in met), sum(two for _, two in met))]
    found = together(each)
    assert found is not None
    assert found.least <= both <= found.most


def test_a_share_that_may_lie_on_both_sides_is_indeterminate() -> None:
    assert share(None, 0.99) is None
    found = share(Met(900, 1_000, 1_000), 0.99)
    assert found is not None
    assert found.state is Attained.INDETERMINATE
    assert found.low < 0.9 < 1.0 == found.high


def test_a_profile_is_violated_by_any_of_its_objectives() -> None:
    met, missed, few = (
        share(Met(1_000, 1_000, 1_000), 0.99),
        share(Met(900, 900, 1_000), 0.99),
        share(Met(9, 9, 9), 0.99),
    )
    assert overall([met, met]) is Attained.MET
    assert overall([met, missed, None]) is Attained.VIOLATED
    assert overall([met, few]) is Attained.INDETERMINATE
    assert overall([]) is Attained.INDETERMINATE


@pytest.mark.parametrize("quantile", [0.9, 0.99])
def test_each_objective_has_its_own_share(quantile: float) -> None:
    (one,) = objectives(Profile("mine", Limit(1.0, quantile), None, None, "here"))
    assert one.share == quantile
