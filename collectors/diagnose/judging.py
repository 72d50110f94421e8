"""By what a session judges requests, and counts what a token takes."""

from typing import NamedTuple

from collectors.diagnose.objectives import PROFILES, Profile
from collectors.diagnose.prices import NONE, Prices


class Judging(NamedTuple):
    """`prices` are the operator's own; offers hold behind them."""

    profile: Profile = PROFILES["chat"]
    prices: Prices = NONE
