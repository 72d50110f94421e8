"""What a report says, as headings, sentences and tables of text: the same for every form that it is written in. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import Device, TargetStatus
from tui import format as fmt
from tui.format import Unit
from tui.glyphs import ABSENT
from tui.judgement import assumed, interval_text, judgement, share_forms
from tui.plain import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.export.whole import Episode, Whole
    from collectors.model.figure import Distribution, Figure
    from collectors.model.frame import Frame, StallRow, WorkerRow
    from collectors.model.memory import TierRow
    from collectors.model.slo import Slo, SloRow

WORST: Final = 20
"""Stalls that are listed."""


@dataclass(frozen=True)
class Table:
    """`figures`: columns that stand right."""

    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    figures: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    """`note` tells of whom, over what, and how it is counted."""

    title: str
    note: str = ""
    lines: list[str] = field(default_factory=list)
    table: Table | None = None


def title(it: Whole, name: str) -> str:
    return f"{'EMULATED · ' if it.frame.emulated else ''}{printable(name)}"


def sections(it: Whole) -> Iterator[Section]:
    yield _about(it)
    yield _attainment(it)
    yield _verdicts(it)
    yield _fleet(it.frame)
    yield _stalls(it)
    yield _tiers(it.frame)
    yield _placements(it.frame)


def _about(it: Whole) -> Section:
    frame, info = it.frame, it.info
    lines = [f"{it.last_s - it.first_s:g} s of observation, from {moment(it, it.first_s)} to {moment(it, it.last_s)}"]
    lines.append(f"recorded by {info.writer}, redaction: {info.redaction}")
    if frame.emulated:
        lines.append("EMULATED: figures of emulated workers are those of a model, not of hardware")
    if it.torn is not None:
        lines.append(f"incomplete: {it.torn}")
    ttft = frame.ttft
    lines.append(
        f"{_text(frame.tokens_per_s, Unit.RATE)} output tokens a second; TTFT p50 {_quantile(ttft, 'p50')}, p99 {_quantile(ttft, 'p99')} (n {ttft.n} {ttft.population})"
    )
    lines += [
        f"at the end {printable(row.name)} was {row.status}: {printable(row.reason)}"
        for row in frame.targets
        if row.status is not TargetStatus.UP or row.reason
    ]
    return Section("About", lines=lines)


def _attainment(it: Whole) -> Section:
    slo = it.frame.slo
    heads = "whose", "model", "attained", "95 % lies in", "n", "goodput/s", "tok/s", "J/token", "$/Mtok"
    if slo is None:
        return Section("Attainment and cost", lines=["not known"])
    rows = [_slo_row(row) for row in slo.rows]
    return Section(
        "Attainment and cost",
        "requests that ended in that time, by the worker that generated last; an interval of 95 % confidence (Wilson). Joules and dollars are of the row's own workers, idle and prefill included",
        [*judgement(slo, emulated=it.frame.emulated), *_assumed(slo)],
        Table(heads, rows, frozenset(range(2, len(heads)))),
    )


def _assumed(slo: Slo) -> Iterator[str]:
    for chip in slo.chips:
        if told := assumed(chip):
            yield f"a device of {printable(chip.chip or chip.device)}: {', '.join(f'{figure} ({by})' for figure, by in told)}"


def _slo_row(row: SloRow) -> tuple[str, ...]:
    whose = {"all": "all requests", "device kind": f"{row.name} workers"}.get(row.of, row.name)
    attained = row.attained
    return (
        printable(whose),
        printable(row.model) if row.of in ("device kind", "worker") else "",
        share_forms(attained)[0],
        ABSENT if attained is None else f"{interval_text(attained)} %",
        ABSENT if attained is None else str(attained.n),
        *(_text(one, Unit.RATE) for one in (row.goodput_per_s, row.tokens_per_s)),
        *(_text(one, Unit.RATE) for one in (row.joules_per_token, row.dollars_per_mtok)),
    )


def _verdicts(it: Whole) -> Section:
    rows = [_episode(it, one) for one in it.episodes]
    lines = [] if rows else ["nothing was found to be wrong, as far as the evidence goes"]
    heads = "from", "to", "what", "hop", "at", "evidence", "what to turn"
    note = "as it was told then; * it was the verdict, the others were told behind one"
    return Section("Verdicts", note if rows else "", lines, Table(heads, rows) if rows else None)


def _episode(it: Whole, one: Episode) -> tuple[str, ...]:
    found = one.finding
    what = f"{found.kind}{' *' if one.led else ''}"
    times = moment(it, one.first_s), moment(it, one.last_s)
    said = f"{found.said} ({found.figures})"
    return (*times, what, str(found.hop), printable(found.worker), printable(said), printable(found.knob))


def _fleet(frame: Frame) -> Section:
    heads = (
        "worker",
        "kind",
        "role",
        "model",
        "tok/s",
        "TTFT p50",
        "TTFT p99",
        "n",
        "gap p50",
        "gap p99",
        "n",
        "longest stall",
    )
    rows = [_worker(row) for row in frame.workers]
    note = "TTFT and gaps of all deliveries of that time, or of buckets of pages, as intervals; too few for a quantile are said to be"
    return Section("Workers", note, table=Table(heads, rows, frozenset(range(4, len(heads)))))


def _worker(row: WorkerRow) -> tuple[str, ...]:
    return (
        printable(row.id),
        _kind(row.device),
        str(row.role),
        printable(row.model),
        _text(row.tokens_per_s, Unit.RATE),
        *(_quantile(row.ttft, which) for which in ("p50", "p99")),
        str(row.ttft.n),
        *(_quantile(row.gap, which) for which in ("p50", "p99")),
        str(row.gap.n),
        _text(row.longest_stall_s, Unit.SECONDS),
    )


def _stalls(it: Whole) -> Section:
    events: dict[tuple[float, str | None], list[StallRow]] = {}
    for row in it.stalls:
        events.setdefault((row.at, row.worker), []).append(row)
    worst = sorted(events.values(), key=lambda rows: -max(row.gap_s.value or 0 for row in rows))[:WORST]
    if not worst:
        judged = any(row.longest_stall_s.value is not None for row in it.frame.jitter)
        return Section("Stalls", lines=["none" if judged else "not known: nobody told of single deliveries"])
    note = (
        f"a gap above 5 × its request's own median; those of one worker that ended at one moment are one; the longest {len(worst)} of {len(events)} "
        "that the ledger listed: in one moment it lists the newest"
    )
    heads = "at", "worker", "longest gap", "usual", "request", "requests", "candidate causes"
    return Section("Stalls", note, table=Table(heads, [_stall(it, rows) for rows in worst], frozenset({2, 3, 5})))


def _stall(it: Whole, rows: list[StallRow]) -> tuple[str, ...]:
    longest = max(rows, key=lambda row: row.gap_s.value or 0)
    return (
        moment(it, longest.at),
        printable(longest.worker or ABSENT),
        _text(longest.gap_s, Unit.SECONDS),
        _text(longest.median_s, Unit.SECONDS),
        printable(longest.request),
        str(len(rows)),
        printable("; ".join(longest.causes)),
    )


def _tiers(frame: Frame) -> Section:
    heads = (
        "owner",
        "tier",
        "capacity",
        "used at the end",
        "in use then",
        "hits",
        "stored/s",
        "evicted/s",
        "stored again",
        "never read",
    )
    rows = [_tier(row) for row in frame.tiers]
    note = "rates are blocks a second; stored again: of what was stored, what had been evicted in the same time; hits: prompt tokens found there"
    if not rows:
        return Section("Memory tiers", lines=["not known: nobody told of them"])
    return Section("Memory tiers", note, table=Table(heads, rows, frozenset(range(2, len(heads)))))


def _tier(row: TierRow) -> tuple[str, ...]:
    return (
        printable(row.owner),
        str(row.tier),
        *(_text(one, Unit.BYTES) for one in (row.capacity_bytes, row.used_bytes, row.active_bytes)),
        _text(row.hit_tokens, Unit.TOKENS),
        *(_text(one, Unit.RATE) for one in (row.stored_per_s, row.evicted_per_s)),
        *(_text(one, Unit.SHARE) for one in (row.stored_again, row.unread)),
    )


def _placements(frame: Frame) -> Section:
    """Where tokens ran: rows of the primary stage add up to the output tokens."""
    if not frame.placements:
        return Section("Placement", lines=["not known: nobody told of single tokens"])
    total = sum(row.tokens.value or 0 for row in frame.placements if row.primary)
    rows: list[tuple[str, ...]] = [
        (
            str(row.stage),
            printable(row.worker or ABSENT),
            _kind(row.device),
            str(row.tier),
            _text(row.tokens, Unit.TOKENS),
            fmt.percent(row.tokens.value or 0, total) if row.primary else "beside",
        )
        for row in frame.placements
    ]
    heads = "stage", "worker", "kind", "tier", "tokens", "share"
    return Section("Placement", "where output tokens were made", table=Table(heads, rows, frozenset({4, 5})))


def _kind(device: Device) -> str:
    return ABSENT if device is Device.UNKNOWN else str(device)


def _text(it: Figure | object, unit: Unit) -> str:
    """ABSENT where a figure is not there at all."""
    from collectors.model.figure import Figure

    return fmt.figure(it, unit)[0] if isinstance(it, Figure) else ABSENT


def _quantile(it: Distribution, which: str) -> str:
    return fmt.quantile(getattr(it, which), Unit.SECONDS)[0]


def moment(it: Whole, at_s: float) -> str:
    utc_s, now_s = it.frame.utc_s, it.frame.time_ns / 1e9
    return fmt.wall(None if utc_s is None else utc_s - now_s + at_s, at_s)
