"""Two parts of recordings beside each other: what differs, by how much, and whether that is more than chance. The object that `compare --json` prints.

A difference is b − a. Quantiles and rates have a bootstrap interval of 95 %, shares Newcombe's (Statistics in Medicine 17, 1998, method 10); what is told as one number has none.
"""

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from collectors.compare.bootstrap import Bounds, difference, quantile, rate_difference
from collectors.compare.samples import ALL, Histogram, Population, Samples
from collectors.export.whole import Whole
from collectors.model.figure import Figure
from collectors.model.slo import Share, SloRow
from collectors.stats.quantiles import enough

SCHEMA: Final = "tokenyard.compare/1"
QUANTILES: Final = (("p50", 0.5), ("p99", 0.99))
KINDS: Final = ("ttft", "tpot", "gap")


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
    """Gaps of one population, as bins of `stats.sketch` and how many are in each."""

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


def comparison(sides: Sequence[tuple[Side, Whole, Samples]]) -> Comparison:
    (a, whole_a, samples_a), (b, whole_b, samples_b) = sides
    return Comparison(
        a,
        b,
        tuple(_unlike(a, b, whole_a, whole_b)),
        (*_rate(samples_a, samples_b), *_attained(whole_a, whole_b), *_quantiles(samples_a, samples_b)),
        tuple(_plain(whole_a, whole_b)),
        tuple(_spreads(samples_a, samples_b)),
    )


def _rate(a: Samples, b: Samples) -> Iterator[Row]:
    bounds = rate_difference(a.seconds, b.seconds)
    means = [float(one.seconds.mean()) if len(one.seconds) else None for one in (a, b)]
    yield _row("output tokens", "all", "/s", means[0], means[1], (len(a.seconds), len(b.seconds)), bounds)


def _quantiles(a: Samples, b: Samples) -> Iterator[Row]:
    for kind in KINDS:
        for population in _populations(a, b, kind):
            one, other = (side.kinds[kind].get(population) or Histogram() for side in (a, b))
            for name, q in QUANTILES:
                known = [quantile(it, q) if enough(it.n, q) else None for it in (one, other)]
                bounds = difference(one, other, q) if None not in known else None
                yield _row(f"{kind} {name}", named(population), "s", known[0], known[1], (one.n, other.n), bounds)


def _populations(a: Samples, b: Samples, kind: str) -> list[Population]:
    found = {*a.kinds[kind], *b.kinds[kind]} - {ALL}
    # Where there is only one population, all is the same.
    return ([ALL] if len(found) != 1 else []) + sorted(found, key=named)


def named(of: Population) -> str:
    return "all" if of == ALL else " ".join(filter(None, (of.device, of.model)))


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


def _attained(a: Whole, b: Whole) -> Iterator[Row]:
    rows = [
        {(row.of, row.name): row.attained for row in _slo_rows(it) if row.of in ("all", "device kind")} for it in (a, b)
    ]
    for of in [key for key in rows[0] if key in rows[1]]:
        one, other = rows[0][of], rows[1][of]
        if one is None or other is None or one.least != one.most or other.least != other.most:
            continue  # of buckets: which of them met the objectives is not known
        name = "all" if of[0] == "all" else of[1]
        yield _row(
            "attained", name, "share", one.least / one.n, other.least / other.n, (one.n, other.n), newcombe(one, other)
        )


def newcombe(a: Share, b: Share) -> Bounds:
    """Of the difference of two independent shares, by the Wilson intervals of both."""
    share_a, share_b = a.least / a.n, b.least / b.n
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


def _spreads(a: Samples, b: Samples) -> Iterator[Spread]:
    for population in _populations(a, b, "gap"):
        one, other = (side.kinds["gap"].get(population) or Histogram() for side in (a, b))
        yield Spread(named(population), *(tuple(part.tolist()) for it in (one, other) for part in it.totals()))


def _unlike(a: Side, b: Side, whole_a: Whole, whole_b: Whole) -> Iterator[str]:
    if a.emulated != b.emulated:
        yield f"{'a' if a.emulated else 'b'} is EMULATED, the other is not"
    if a.models != b.models:
        yield f"models: {', '.join(a.models) or 'unknown'}; {', '.join(b.models) or 'unknown'}"
    workers = [sorted((row.device.value, row.role.value) for row in it.frame.workers) for it in (whole_a, whole_b)]
    if workers[0] != workers[1]:
        yield f"workers: {len(workers[0])} and {len(workers[1])}, of other kinds or roles"
    if not math.isclose(a.until_s - a.from_s, b.until_s - b.from_s, rel_tol=0.05):
        yield f"length: {a.until_s - a.from_s:g} s and {b.until_s - b.from_s:g} s"
    if a.name == b.name:
        yield "both are parts of one recording: a request that is in both makes the intervals narrower than they should be"
