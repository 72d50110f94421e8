"""What a fleet costs, in US dollars, by the hour and by the token. Prices are `catalogue/prices.toml`'s: dated defaults, to be edited or overridden (`emulators.catalogue.add`, `[price.NAME]`).

Rent of chips only; a chip whose price nobody publishes makes the sum unknown, never smaller.
"""

from collections.abc import Iterable
from typing import Final

from emulators.catalogue import prices

HOUR_S: Final = 3_600


def per_hour(fleet: Iterable[tuple[str, int]]) -> float | None:
    """Dollars an hour of (chip, how many); None if one of them has no price."""
    total = 0.0
    for chip, count in fleet:
        price = prices().get(chip)
        if price is None:
            return None
        total += price.per_hour.value * count
    return total


def per_million_tokens(dollars_per_hour: float | None, tokens_per_s: float) -> float | None:
    """Dollars for a million tokens at that rate; None without a price or without tokens."""
    if dollars_per_hour is None or tokens_per_s <= 0:
        return None
    return dollars_per_hour / HOUR_S / tokens_per_s * 1e6
