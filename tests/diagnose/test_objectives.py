"""Attainment with its interval, and burn rates that know when they cannot fire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.diagnose.objectives import (
    BURN_RULES,
    PROFILES,
    Burn,
    Window,
    burn,
    burn_rate,
    fastest,
    verdict,
    wilson,
)
from collectors.model.slo import Attained

FAST, SLOW, TICKET = BURN_RULES


def test_the_interval_of_a_share() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29, without correction for continuity.
    for met, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):  # fmt: skip
        bounds = wilson(met, n)
        assert bounds.low == pytest.approx(low, abs=5e-5)
        assert bounds.high == pytest.approx(high, abs=5e-5)


@given(st.integers(0, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_what_was_seen(seen: tuple[int, int]) -> None:
    met, n = seen
    low, high = wilson(met, n)
    assert 0.0 <= low <= (met / n if n else 0.5) <= high <= 1.0
    mirrored = wilson(n - met, n)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - high, 1 - low))


def test_more_cannot_have_met_than_there_were() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)


def test_a_verdict_waits_until_the_interval_lets_go_of_the_target() -> None:
    assert verdict(0, 0, 0.99) is Attained.INDETERMINATE
    assert verdict(100, 100, 0.99) is Attained.INDETERMINATE
    assert verdict(1_000, 1_000, 0.99) is Attained.MET
    assert verdict(985, 1_000, 0.99) is Attained.INDETERMINATE
    assert verdict(950, 1_000, 0.99) is Attained.VIOLATED


def test_a_rule_that_can_never_fire_says_so() -> None:
    assert fastest(0.9) == pytest.approx(10.0)
    whole = Window(missed=10_000, n=10_000, observed_s=10.0 * FAST.long_s)
    assert burn(FAST, 0.9, whole, whole) is Burn.NEVER
    assert burn(SLOW, 0.9, whole, whole) is Burn.FIRING
    assert burn(TICKET, 0.0, whole, whole) is Burn.NEVER
    assert burn(FAST, 0.99, whole, whole) is Burn.FIRING


def test_both_windows_must_exceed() -> None:
    bad, good = Window(200, 1_000, 3_600), Window(10, 1_000, 3_600)
    assert burn(FAST, 0.99, bad, bad) is Burn.FIRING
    assert burn(FAST, 0.99, bad, good) is Burn.QUIET
    assert burn(FAST, 0.99, good, bad) is Burn.QUIET


def test_a_window_that_is_not_full_extrapolates_nothing() -> None:
    bad = Window(1_000, 1_000, 3_599.0)
    assert burn(FAST, 0.99, bad, bad) is Burn.NOT_FULL
    assert burn(FAST, 0.99, bad._replace(observed_s=3_600.0), bad) is Burn.FIRING


def test_the_rules_spend_what_the_workbook_says() -> None:
    month_s = 30 * 24 * 3_600
    spent = [rule.factor * rule.long_s / month_s for rule in BURN_RULES]
    assert spent == pytest.approx([0.02, 0.05, 0.10])


def test_no_requests_have_no_burn_rate() -> None:
    assert burn_rate(Window(0, 0, 3_600), 0.99) is None
    assert burn(FAST, 0.99, Window(0, 0, 3_600), Window(0, 0, 3_600)) is Burn.QUIET
    with pytest.raises(ValueError, match="leaves no budget"):
        fastest(1.0)


def test_profiles_have_their_source() -> None:
    chat = PROFILES["chat"]
    assert chat.ttft is not None
    assert chat.gap is not None
    assert (chat.ttft.seconds, chat.gap.seconds, chat.request) == (0.2, 0.05, None)
    assert PROFILES["agent"].ttft is None
    assert len(PROFILES) == 9
    assert all(profile.source and (profile.ttft or profile.request) for profile in PROFILES.values())
