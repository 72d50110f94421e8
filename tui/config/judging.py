"""By what requests are judged, out of the configuration: the operator's profiles before the built-in ones, the one that is chosen, and the operator's prices. No I/O."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import UNSET

from collectors.diagnose.judging import Judging
from collectors.diagnose.objectives import DEFAULT_SHARE, PROFILES, Limit, Profile
from collectors.diagnose.prices import CONFIG, Price
from collectors.wire.safe import safe_text
from tui.config.load import ConfigError, Loaded
from tui.config.tables import DEFAULTS, PriceTable, ProfileTable

OBJECTIVES: Final = ("ttft", "tpot", "request")
_NAME: Final = re.compile(r"[\w.+-]{1,64}", re.ASCII)


class Judged(NamedTuple):
    """`profiles`: all that may be chosen, the operator's first."""

    judging: Judging = Judging()
    profiles: Mapping[str, Profile] = PROFILES


def judged(loaded: Loaded) -> Judged:
    """Raises ConfigError."""
    config = loaded.config
    own = {}
    for name, profile in (config.profiles or {}).items():
        own[name] = _profile(name, profile, _at(loaded, "profiles", name))
    prices = {name: _price(one, _at(loaded, "prices", name)) for name, one in (config.prices or {}).items()}
    profiles = {**own, **{name: one for name, one in PROFILES.items() if name not in own}}
    chosen = config.slo or DEFAULTS["slo"]
    if chosen not in profiles:
        where = loaded.settings["slo"].where
        raise ConfigError(f"{where}: slo: no profile {chosen!r}; there are {', '.join(profiles)}")
    return Judged(Judging(profiles[chosen], prices), profiles)


def _at(loaded: Loaded, key: str, name: str) -> str:
    """Where that table stands. Raises ConfigError where its name would not do on a screen."""
    where = f"{loaded.settings[key].where}: {key}"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: {name!r} is no name; write letters, digits and . _ + -")
    return f"{where}.{name}"


def _profile(name: str, table: ProfileTable, at: str) -> Profile:
    limits: dict[str, Limit | None] = {}
    for what in OBJECTIVES:
        seconds, share = getattr(table, f"{what}_s"), getattr(table, f"{what}_share")
        if seconds is UNSET and share is not UNSET:
            raise ConfigError(f"{at}.{what}_share: a share of what? write {what}_s")
        limits[what] = None if seconds is UNSET else Limit(seconds, share or table.share or DEFAULT_SHARE)
    if not any(limits.values()):
        raise ConfigError(f"{at}: no objective; write {', '.join(f'{what}_s' for what in OBJECTIVES)}, or some of them")
    source = f"{CONFIG}: {safe_text(table.source)}" if table.source else CONFIG
    return Profile(name, limits["ttft"], limits["tpot"], limits["request"], source)


def _price(table: PriceTable, at: str) -> Price:
    if table.dollars_per_hour is UNSET and table.watts is UNSET:
        raise ConfigError(f"{at}: nothing is said; write dollars_per_hour, watts, or both")
    per_hour = None if table.dollars_per_hour is UNSET else table.dollars_per_hour
    watts = None if table.watts is UNSET else table.watts
    return Price(per_hour, safe_text(table.source or ""), table.date or "", watts)
