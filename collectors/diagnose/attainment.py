"""How many requests met an objective, of those whose times are known, or of a page's buckets. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from collectors.diagnose.objectives import Profile, verdict, wilson
from collectors.model.slo import Attained, Objective, Share
from collectors.stats.buckets import Buckets, share_below
from collectors.stats.outcomes import UNKNOWN, Ended, Outcomes
from collectors.stats.sketch import Bools, Index, Ints

NS: Final = 1e9


class Met(NamedTuple):
    """`least` … `most` of `n` requests."""

    least: int
    most: int
    n: int

    def and_(self, other: "Met") -> "Met":
        return Met(self.least + other.least, self.most + other.most, self.n + other.n)


def objectives(profile: Profile) -> tuple[Objective, ...]:
    """Those that the profile has. A limit for gaps is held against each request's TPOT, of which a request has one."""
    limits = {"ttft": profile.ttft, "tpot": profile.gap, "request": profile.request}
    return tuple(Objective(name, one.seconds, one.quantile) for name, one in limits.items() if one is not None)


class Judged(NamedTuple):
    """Of each request whether it met each objective, and all of them; masks over the columns of `Outcomes`."""

    counts: tuple[Bools, ...]
    """Whether it is known of each objective: of an error it is."""
    met: tuple[Bools, ...]
    all_count: Bools
    all_met: Bools


def judge(outcomes: Outcomes, wanted: Sequence[Objective]) -> Judged:
    """An answer of one token has no TPOT and cannot miss one; one that was not streamed has no first token's time and is not judged by it. Aborted requests are not
    judged."""
    ended = outcomes.column("ended")
    error, judged = ended == Ended.ERROR, ended != Ended.ABORTED
    counts, met = [], []
    all_count, all_met = judged, judged & ~error
    for one in wanted:
        times = outcomes.column(f"{one.what}_ns")
        known = times != UNKNOWN
        counts.append(judged & (known | error))
        met.append(judged & known & ~error & (times <= one.seconds * NS))
        if one.what != "tpot":
            all_count = all_count & (known | error)
        all_met = all_met & (met[-1] | (~known if one.what == "tpot" else False))
    return Judged(tuple(counts), tuple(met), all_count, all_met & all_count)


def counted(counts: Bools, met: Bools, group: Index | Ints, groups: int) -> list[Met]:
    """Of the requests of each group: theirs are 0 … `groups` − 1."""
    found = (np.bincount(group[some], minlength=groups).tolist() for some in (met, counts))
    return [Met(least, least, n) for least, n in zip(*found, strict=True)]


def of_buckets(buckets: Buckets, seconds: float) -> Met:
    """Exact where a bound lies at `seconds`, else as few and as many as its bucket allows."""
    share = share_below(buckets, seconds)
    if share is None:
        return Met(0, 0, 0)
    return Met(round(share.low * buckets.n), round(share.high * buckets.n), buckets.n)


def together(parts: Iterable[Met]) -> Met | None:
    """How many met all of several objectives of which it is only known how many met each (Fréchet's bounds). The objectives' populations differ in size while
    requests run: what holds of shares is told of the fewest. None where nothing is known of one."""
    known = list(parts)
    n = min((one.n for one in known), default=0)
    if not n:
        return None
    missed = sum(1 - one.least / one.n for one in known)
    least, most = max(0.0, 1 - missed), min(one.most / one.n for one in known)
    return Met(int(least * n), -int(-most * n // 1), n)


def share(met: Met | None, target: float) -> Share | None:
    if met is None or not met.n:
        return None
    states = {verdict(met.least, met.n, target), verdict(met.most, met.n, target)}
    state = states.pop() if len(states) == 1 else Attained.INDETERMINATE
    low, high = wilson(met.least, met.n).low, wilson(met.most, met.n).high
    return Share(met.least, met.most, met.n, low, high, state)


def overall(shares: Sequence[Share | None]) -> Attained:
    """Of a profile: violated by any objective, met by all."""
    states = [Attained.INDETERMINATE if one is None else one.state for one in shares]
    if Attained.VIOLATED in states:
        return Attained.VIOLATED
    return Attained.MET if states and set(states) == {Attained.MET} else Attained.INDETERMINATE
