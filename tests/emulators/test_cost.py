"""Prices of fleets and of tokens."""

from pathlib import Path

import pytest

from emulators import catalogue
from emulators.catalogue import prices
from emulators.cost import per_hour, per_million_tokens


def test_a_fleet_costs_what_its_chips_cost() -> None:
    h100, b200 = (prices()[name].per_hour.value for name in ("H100-SXM", "B200-SXM"))
    assert per_hour([("H100-SXM", 8), ("B200-SXM", 4)]) == pytest.approx(8 * h100 + 4 * b200)
    assert per_hour([]) == 0


def test_a_chip_without_a_price_makes_the_sum_unknown() -> None:
    assert "Groq-3-LPU" in catalogue.chips()
    assert per_hour([("H100-SXM", 8), ("Groq-3-LPU", 8)]) is None
    assert per_million_tokens(None, 100.0) is None


def test_a_user_says_what_a_chip_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[price.H100-SXM]\nper_hour = { value = 1.5, source = "my contract", date = "2026-11" }\n')
    monkeypatch.setitem(prices(), "H100-SXM", prices()["H100-SXM"])
    catalogue.add(path)
    assert per_hour([("H100-SXM", 8)]) == 12.0


def test_tokens() -> None:
    assert per_million_tokens(36.0, 1_000.0) == pytest.approx(10.0)
    assert per_million_tokens(36.0, 0.0) is None


def test_every_price_is_of_a_known_chip_and_dated() -> None:
    assert set(prices()) <= set(catalogue.chips())
    assert all(price.per_hour.date and price.per_hour.source for price in prices().values())
