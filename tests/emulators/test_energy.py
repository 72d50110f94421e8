"""Energy by tier and by phase, against figures worked out by hand."""

import pytest

from emulators import catalogue
from emulators.energy import drawn, moved, tables, watts
from emulators.events import TIERS

WEIGHTS = 70_600_000_000
"""A 70B model in 8 bits."""


def test_streaming_the_weights_of_a_70b_model_once() -> None:
    assert moved(WEIGHTS, "SRAM") == pytest.approx(0.12, abs=0.06)
    assert moved(WEIGHTS, "HBM") == pytest.approx(2.2, abs=0.05)
    assert moved(WEIGHTS, "DRAM") == pytest.approx(11.3, abs=0.05)


def test_the_further_away_the_dearer() -> None:
    joules = [moved(1, tier) for tier in ("SRAM", "HBM", "GDDR", "DRAM", "flash")]
    assert all(joule is not None for joule in joules)
    assert joules == sorted(joules, key=lambda joule: joule or 0.0)


def test_every_figure_is_of_a_tier_and_has_a_source() -> None:
    assert set(tables().pj_per_bit) < set(TIERS)
    for figure in (
        *tables().pj_per_bit.values(),
        *(share for shares in tables().power_share.values() for share in shares.values()),
    ):
        assert figure.source
        assert figure.date


def test_what_nobody_publishes_is_absent() -> None:
    assert moved(1, "peer") is None
    assert moved(1, "object") is None
    assert watts(catalogue.lpu("Groq-3-LPU"), 8, "decode") is None
    assert drawn(catalogue.gpu("H100-SXM"), 8, "queue", 1.0) is None


def test_power_by_phase() -> None:
    chip = catalogue.gpu("H100-SXM")
    assert watts(chip, 8, "prefill") == 5_600
    decoding = drawn(chip, 8, "decode", 2.0)
    assert decoding == pytest.approx(2 * 5_600 * 0.535)
    assert watts(catalogue.lpu("Groq-LPU-v1"), 576, "decode") == pytest.approx(576 * 185, rel=0.005)
