"""Two parts of recordings beside each other: what differs, by how much, and whether that is more than chance. The object that `compare --json` prints.

A difference is b − a. Quantiles and rates have a bootstrap interval of 95 %, shares the wider one of that and Newcombe's (Statistics in Medicine 17, 1998, method 10); what is told as one
number has none.
"""

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from collectors.compare.bootstrap import Bounds, difference, quantile, rate_difference, share_difference, wider
from collectors.compare.population import Group, Judged, Measure, Population, Samples
from collectors.diagnose.objectives import wilson
from collectors.export.whole import Whole
from collectors.model.figure import Figure
from collectors.model.slo import SloRow
from collectors.model.vocabulary import Device
from collectors.stats.quantiles import enough

SCHEMA: Final = "tokenyard.compare/1"
QUANTILES: Final = (("p50", 0.5), ("p99", 0.99))


class Says(StrEnum):
    """Of b, as against a."""

    HIGHER = "higher"
    LOWER = "lower"
    NOT_SHOWN = "no difference shown"
    TOO_FEW = "too few to tell"
    ONE_SIDED = "only one of them has any"


class Row(msgspec.Struct, frozen=True):
    """`a` and `b` of `n_a` and `n_b` samples, in `unit`; `low` … `high` is where the difference b − a lies. None: not known, or too few to tell."""

    figure: str
    of: str
    unit: str
    a: float | None
    b: float | None
    n_a: int
    n_b: int
    low: float | None
    high: float | None
    says: Says


class Plain(msgspec.Struct, frozen=True):
    """A figure of both that is no sample of anything: no interval. `panel` is where the screen has it."""

    panel: str
    figure: str
    of: str
    a: Figure | None
    b: Figure | None


class Spread(msgspec.Struct, frozen=True):
    """`figure` (`gap`, `ttft`, `tpot`) of one population, as bins of `stats.sketch` and how many are in each."""

    figure: str
    of: str
    bins_a: tuple[int, ...]
    counts_a: tuple[int, ...]
    bins_b: tuple[int, ...]
    counts_b: tuple[int, ...]


class Side(msgspec.Struct, frozen=True):
    """What was compared: seconds of the recording from its beginning."""

    name: str
    from_s: float
    until_s: float
    emulated: bool
    requests: int
    models: tuple[str, ...]
    workers: int
    torn: str | None


class Comparison(msgspec.Struct, frozen=True):
    a: Side
    b: Side
    unlike: tuple[str, ...]
    """In what they differ beside the figures, so that a difference may be of that."""
    rows: tuple[Row, ...]
    plain: tuple[Plain, ...]
    spreads: tuple[Spread, ...]
    schema: str = SCHEMA


def comparison(sides: Sequence[tuple[Side, Whole, Population]]) -> Comparison:
    (a, whole_a, found_a), (b, whole_b, found_b) = sides
    rows: list[Row] = []
    spreads: list[Spread] = []
    for measure in Measure:
        for of, one, other in pairs(found_a, found_b, measure):
            rows += _quantiles(measure, of, one, other)
            spreads.append(_spread(measure, of, one, other))
    return Comparison(
        a,
        b,
        (*_unlike(a, b, whole_a, whole_b), *_incomplete(found_a, found_b)),
        (_rate(found_a, found_b), *_attained(found_a, found_b), *rows),
        tuple(_plain(whole_a, whole_b)),
        tuple(spreads),
    )


def pairs(a: Population, b: Population, measure: Measure) -> Iterator[tuple[str, Samples, Samples]]:
    """What is held against each other, and its name: all requests, where there are several groups; then each group with the same of the other side, what is left over with the only
    one left of the same model. Gaps are never put together across groups: one of 1.3 ms and one of 19 ms have nothing in common (METRICS §1)."""
    left, right = a.groups(measure), b.groups(measure)
    if measure is not Measure.GAP and len({*left, *right}) > 1:
        yield "all", a.all(measure), b.all(measure)
    found: list[tuple[Group | None, Group | None]] = [(one, one) for one in left if one in right]
    left, right = [one for one in left if one not in right], [one for one in right if one not in left]
    for model in dict.fromkeys(one.model for one in left):
        mine, theirs = ([one for one in side if one.model == model] for side in (left, right))
        if len(mine) == len(theirs) == 1:
            found.append((mine[0], theirs[0]))
            left.remove(mine[0])
            right.remove(theirs[0])
    found += [(one, None) for one in left]
    found += [(None, one) for one in right]
    for one, other in sorted(found, key=lambda it: named(*it)):
        held = [side.samples[measure, group] if group else Samples() for side, group in ((a, one), (b, other))]
        yield named(one, other), held[0], held[1]


def named(one: Group | None, other: Group | None) -> str:
    names = [" ".join(filter(None, group)) for group in dict.fromkeys((one, other)) if group is not None]
    return " → ".join(names)


def _rate(a: Population, b: Population) -> Row:
    bounds = rate_difference(a.tokens, b.tokens, (a.seconds, b.seconds))
    tokens = [int(it.tokens.sum()) for it in (a, b)]
    return _row(
        "output tokens", "all", "/s", tokens[0] / a.seconds, tokens[1] / b.seconds, (tokens[0], tokens[1]), bounds
    )


def _quantiles(measure: Measure, of: str, one: Samples, other: Samples) -> Iterator[Row]:
    n = one.all().n, other.all().n
    for name, q in QUANTILES:
        known = [quantile(it, q) if enough(it.all().n, q) else None for it in (one, other)]
        yield _row(f"{measure} {name}", of, "s", known[0], known[1], n, difference(one, other, q))


def _row(
    figure: str, of: str, unit: str, a: float | None, b: float | None, n: tuple[int, int], bounds: Bounds | None
) -> Row:
    if (not n[0]) != (not n[1]):
        says = Says.ONE_SIDED
    elif bounds is None:
        says = Says.TOO_FEW
    else:
        says = Says.HIGHER if bounds.low > 0 else Says.LOWER if bounds.high < 0 else Says.NOT_SHOWN
    low, high = (None, None) if bounds is None else bounds
    return Row(figure, of, unit, a, b, *n, low, high, says)


def _attained(a: Population, b: Population) -> Iterator[Row]:
    """Of requests that are told of one by one; of buckets it is not known which of them met the objectives."""
    devices = {group.device for it in (a, b) for group in it.judged}
    for device in (None, *sorted(devices)) if len(devices) > 1 else (None,):
        one, other = (_judged(it, device) for it in (a, b))
        (met, n), (met_b, n_b) = ((int(it.met.sum()), int(it.n.sum())) for it in (one, other))
        drawn = share_difference(one, other)
        bounds = None if drawn is None else wider(drawn, newcombe(met, n, met_b, n_b))
        shares = [part / whole if whole else None for part, whole in ((met, n), (met_b, n_b))]
        if n or n_b:
            yield _row("attained", device or "all", "share", shares[0], shares[1], (n, n_b), bounds)


def _judged(it: Population, device: Device | None) -> Judged:
    every = Judged()
    for group, judged in it.judged.items():
        if device is None or group.device is device:
            every.take(judged)
    return every


def newcombe(met_a: int, n_a: int, met_b: int, n_b: int) -> Bounds:
    """Of the difference of two independent shares, by the Wilson intervals of both."""
    share_a, share_b = met_a / n_a, met_b / n_b
    a, b = wilson(met_a, n_a), wilson(met_b, n_b)
    apart = share_b - share_a
    return Bounds(
        apart - math.hypot(share_b - b.low, a.high - share_a), apart + math.hypot(b.high - share_b, share_a - a.low)
    )


def _slo_rows(it: Whole) -> tuple[SloRow, ...]:
    return it.frame.slo.rows if it.frame.slo is not None else ()


def _plain(a: Whole, b: Whole) -> Iterator[Plain]:
    told = [dict(_told(it)) for it in (a, b)]
    for key in (*told[0], *(key for key in told[1] if key not in told[0])):
        one, other = told[0].get(key), told[1].get(key)
        if any(it is not None and it.value is not None for it in (one, other)):
            yield Plain(*key, one, other)


def _told(it: Whole) -> Iterator[tuple[tuple[str, str, str], Figure]]:
    for row in _slo_rows(it):
        if row.of in ("all", "device kind", "worker"):
            name = "all" if row.of == "all" else row.name
            yield ("cost", "J/token", name), row.joules_per_token
            yield ("cost", "$/Mtok", name), row.dollars_per_mtok
    for place in it.frame.placements:
        if place.primary:
            yield ("placement", f"{place.stage} tokens", f"{place.worker or 'unknown'} {place.tier}"), place.tokens
    for tier in it.frame.tiers:
        of = f"{tier.owner} {tier.tier}"
        yield ("tiers", "used", of), tier.used_bytes
        yield ("tiers", "hits", of), tier.hit_tokens
        for name, one in (
            ("stored/s", tier.stored_per_s),
            ("evicted/s", tier.evicted_per_s),
            ("stored again", tier.stored_again),
        ):
            if isinstance(one, Figure):
                yield ("tiers", name, of), one
    for worker in it.frame.workers:
        yield ("workers", "tok/s", worker.id), worker.tokens_per_s
        yield ("workers", "longest stall", worker.id), worker.longest_stall_s


def _spread(measure: Measure, of: str, one: Samples, other: Samples) -> Spread:
    columns: list[tuple[int, ...]] = []
    for counts in (one.all(), other.all()):
        used = counts.counts.nonzero()[0]
        columns += [tuple((used + counts.offset).tolist()), tuple(counts.counts[used].tolist())]
    return Spread(measure, of, *columns)


def _unlike(a: Side, b: Side, whole_a: Whole, whole_b: Whole) -> Iterator[str]:
    if a.emulated != b.emulated:
        yield f"{'A' if a.emulated else 'B'} is EMULATED, the other is not"
    if a.models != b.models:
        yield f"models: {', '.join(a.models) or 'unknown'}; {', '.join(b.models) or 'unknown'}"
    workers = [sorted((row.device.value, row.role.value) for row in it.frame.workers) for it in (whole_a, whole_b)]
    if workers[0] != workers[1]:
        yield f"workers: {len(workers[0])} and {len(workers[1])}, of other kinds or roles"
    if not math.isclose(a.until_s - a.from_s, b.until_s - b.from_s, rel_tol=0.05):
        yield f"length: {a.until_s - a.from_s:g} s and {b.until_s - b.from_s:g} s"
    if a.name == b.name:
        yield "both are parts of one recording: a request that is in both makes the intervals narrower than they should be"


def _incomplete(a: Population, b: Population) -> Iterator[str]:
    for name, it in (("A", a), ("B", b)):
        for source, seconds in it.unobserved_s.items():
            yield f"{name}: {source} was not heard for {seconds:.1f} of {it.seconds:.1f} s"
        if it.uncounted:
            yield f"{name}: {it.uncounted} deliveries are not among the output tokens, as nobody says how many they brought"
        for source, other in it.twice.items():
            yield f"{name}: {source} tells of the same requests as {other}, and is not counted"
