"""Objectives, how surely they are met, and how fast their error budget burns. Pure.

Not here: which requests met what. Whoever counts says of what population: an error counts as not met, and what cannot be measured is not counted at all.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from collectors.model.slo import Attained

HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S
Z_95: Final = 1.959963984540054
"""Quantile 0.975 of the normal distribution: an interval of 95 %."""


DEFAULT_SHARE: Final = 0.99


class Limit(NamedTuple):
    """At most `seconds` for the share `quantile` of the requests."""

    seconds: float
    quantile: float = DEFAULT_SHARE


@dataclass(frozen=True)
class Profile:
    """Objectives of one kind of work, None where it has none, and who says so."""

    name: str
    ttft: Limit | None
    gap: Limit | None
    request: Limit | None
    source: str


_GUIDELLM: Final = "GuideLLM docs"
_MLPERF: Final = "MLPerf Inference rules"
PROFILES: Final = {
    profile.name: profile
    for profile in (
        Profile("chat", Limit(0.200), Limit(0.050), None, _GUIDELLM),
        Profile("rag", Limit(0.300), Limit(0.100), Limit(3.0), _GUIDELLM),
        Profile("agent", None, None, Limit(5.0), _GUIDELLM),
        Profile("code", Limit(0.500), Limit(0.150), None, _GUIDELLM),
        Profile("mlperf-llama2-70b-interactive", Limit(0.450), Limit(0.040), None, f"{_MLPERF} v5.0"),
        Profile("mlperf-llama2-70b-server", Limit(2.000), Limit(0.200), None, f"{_MLPERF} v5.0"),
        Profile("mlperf-llama3.1-8b-interactive", Limit(0.500), Limit(0.030), None, f"{_MLPERF} v5.1"),
        Profile("mlperf-llama3.1-405b-interactive", Limit(4.500), Limit(0.080), None, f"{_MLPERF} v5.1"),
        Profile("mlperf-deepseek-r1-interactive", Limit(1.500), Limit(0.015), None, f"{_MLPERF} v6.0"),
    )
}


class Bounds(NamedTuple):
    low: float
    high: float


@lru_cache(4_096)
def wilson(met: int, n: int, z: float = Z_95) -> Bounds:
    """Where the true share lies of which `met` of `n` were seen (Wilson 1927, score interval); anywhere without any."""
    if not 0 <= met <= n:
        raise ValueError(f"{met} of {n} cannot have met an objective")
    if n == 0:
        return Bounds(0.0, 1.0)
    share, spread = met / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    # At the ends the formula gives 0 and 1 but for the rounding.
    return Bounds(0.0 if met == 0 else middle - half, 1.0 if met == n else middle + half)


def verdict(met: int, n: int, target: float, z: float = Z_95) -> Attained:
    """Whether the share `target` is reached; not to be told while the interval holds it."""
    bounds = wilson(met, n, z)
    if bounds.low >= target:
        return Attained.MET
    return Attained.VIOLATED if bounds.high < target else Attained.INDETERMINATE


@dataclass(frozen=True)
class BurnRule:
    """Fires when the budget burns more than `factor` times too fast, in both windows (Google, SRE workbook, chapter 5)."""

    name: str
    factor: float
    long_s: int
    short_s: int


BURN_RULES: Final = (
    BurnRule("page fast", 14.4, HOUR_S, 5 * 60),
    BurnRule("page slow", 6.0, 6 * HOUR_S, 30 * 60),
    BurnRule("ticket", 1.0, 3 * DAY_S, 6 * HOUR_S),
)
"""Of a budget of 30 days they spend 2 %, 5 % and 10 %."""


class Window(NamedTuple):
    """`missed` of `n` requests did not meet the objective, in the newest `observed_s` seconds."""

    missed: int
    n: int
    observed_s: float


class Burn(StrEnum):
    FIRING = "firing"
    QUIET = "quiet"
    NOT_FULL = "window not full"
    """Not seen for as long as the rule asks about: nothing is extrapolated."""
    NEVER = "can never fire"


def fastest(slo: float) -> float:
    """What the burn rate is when every request misses: it cannot be more."""
    if not 0.0 <= slo < 1.0:
        raise ValueError(f"an objective for the share {slo} leaves no budget: it has to be at least 0 and below 1")
    return 1.0 / (1.0 - slo)


def burn_rate(window: Window, slo: float) -> float | None:
    """How many times too fast the budget burns; None without requests."""
    return window.missed / window.n * fastest(slo) if window.n else None


def burn(rule: BurnRule, slo: float, long: Window, short: Window) -> Burn:
    """The state of a rule, for windows that end now."""
    if rule.factor >= fastest(slo):
        return Burn.NEVER
    if long.observed_s < rule.long_s or short.observed_s < rule.short_s:
        return Burn.NOT_FULL
    rates = burn_rate(long, slo), burn_rate(short, slo)
    return Burn.FIRING if all(rate is not None and rate > rule.factor for rate in rates) else Burn.QUIET
