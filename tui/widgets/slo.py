"""Objectives: which profile, how surely each is met, and by whom; and what a token takes there of energy and money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collectors.diagnose.prices import CONFIG
from tui import format as fmt
from tui import meanings
from tui.format import Unit
from tui.glyphs import ABSENT, AT_LEAST
from tui.inks import figure_ink
from tui.judgement import NAMES, assumed, interval_text, objective_text, percent, share_forms
from tui.line import Line, Pen, clip_middle
from tui.plain import printable
from tui.table import Column, fields_of, grid, heading, heads, row_lines, told_of
from tui.theme import Ink, device_ink
from tui.told import Told
from tui.widgets.panel import Panel
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from collectors.model.frame import Frame
    from collectors.model.slo import Share, Slo, SloRow
    from tui.filter import Field
    from tui.table import Cell
    from tui.view import View

INKS: Final = {"met": Ink.GOOD, "violated": Ink.BAD, "indeterminate": Ink.WARN}
_SIGNS: Final = {"met": "✓", "violated": "✗", "indeterminate": "?"}


def told_share(name: str, it: Share | None, means: str, of: str, *, emulated: bool) -> Told:
    """A share as the figure that it is, with its interval."""
    from collectors.model.figure import Figure, Quantile  # what it needs is not loaded before the first frame
    from collectors.model.vocabulary import Provenance, State

    population = "requests that ended in the window; low and high: 95 % confidence (Wilson)"
    if it is None:
        return Told(name, Figure(None, State.ABSENT, None, emulated, None), Unit.SHARE, means, population, 0, of)
    middle = (it.least + it.most) / 2 / it.n
    made = Quantile(
        middle, State.OK if middle else State.ZERO, Provenance.DERIVED, emulated, None, it.n, low=it.low, high=it.high
    )
    return Told(name, made, Unit.SHARE, means, population, it.n, of)


def row_name(row: SloRow, view: View) -> str:
    if row.of == "worker":
        return view.name(row.name)
    return (
        "all requests" if row.of == "all" else printable(f"{row.name} workers" if row.of == "device kind" else row.name)
    )


def slo_columns(view: View, frame: Frame) -> list[Column[SloRow]]:
    slo = frame.slo
    wanted = [one for one in slo.objectives if one.what in NAMES] if slo is not None else []

    def shared(name: str, of: str, means: str, rank: int) -> Column[SloRow]:
        def told(row: SloRow) -> Told:
            return told_share(name, getattr(row, of), means, row_name(row, view), emulated=row.tokens_per_s.emulated)

        signed = of != "attained"  # which has its sign before the row
        return Column(name, 10 + signed, lambda row: _share_cell(getattr(row, of), signed=signed), rank, told=told)

    def number(name: str, width: int, of: str, unit: Unit, means: str, rank: int) -> Column[SloRow]:
        def told(row: SloRow) -> Told:
            return Told(name, getattr(row, of), unit, means, of=row_name(row, view))

        return Column(name, width, lambda row: _number(row, of, unit, frame), rank, told=told)

    return [
        Column("", 1, lambda row: _sign(row.attained), text=True),
        Column("whose", 12, lambda row: _whose(row, view), text=True, most=24, shorten=clip_middle),
        Column("model", 12, lambda row: ((_model(row),), Ink.DIM), 5, text=True, most=24, shorten=clip_middle),
        shared("attained", "attained", meanings.ATTAINED, 0),
        Column(
            "95 % lies in",
            13,
            lambda row: ((ABSENT if row.attained is None else interval_text(row.attained),), Ink.DIM),
            2,
        ),
        Column("n", 6, lambda row: ((ABSENT if row.attained is None else fmt.count(row.attained.n),), Ink.DIM), 1),
        *(shared(f"{NAMES[one.what]}", one.what, f"{meanings.MET}: {objective_text(one)}", 3) for one in wanted),
        number("goodput/s", 9, "goodput_per_s", Unit.RATE, meanings.GOODPUT, 1),
        number("tok/s", 6, "tokens_per_s", Unit.RATE, meanings.TOKENS_PER_S, 4),
        number("J/token", 7, "joules_per_token", Unit.RATE, meanings.JOULES, 2),
        number("$/Mtok", 7, "dollars_per_mtok", Unit.RATE, meanings.DOLLARS, 2),
    ]


def _sign(it: Share | None) -> Cell:
    return (_SIGNS[it.state] if it is not None else " ",), INKS[it.state] if it is not None else Ink.DIM


def _share_cell(it: Share | None, *, signed: bool) -> Cell:
    if it is None:
        return (ABSENT,), Ink.DIM
    forms = share_forms(it)
    return tuple(f"{form} {_SIGNS[it.state]}" for form in forms) if signed else forms, INKS[it.state]


def _number(row: SloRow, of: str, unit: Unit, frame: Frame) -> Cell:
    it = getattr(row, of)
    return fmt.figure(it, unit, frame.time_ns), figure_ink(it)


def _whose(row: SloRow, view: View) -> Cell:
    ink = device_ink(row.device, 2) if row.of in ("device kind", "worker") else Ink.STRONG
    indent = "  " if row.of == "worker" else ""
    return (f"{indent}{row_name(row, view)}",), ink


def _model(row: SloRow) -> str:
    return printable(row.model.rpartition("/")[2]) if row.of in ("device kind", "worker") else ""


class Attainment(RowsPanel):
    """A row for all requests, for each model on each kind of device, for each model, and for each worker."""

    def body(self, view: View, width: int, height: int) -> Body:
        frame = view.frame
        if frame is None or frame.slo is None:
            return Body([Pen(width).put(ABSENT, Ink.DIM).line()], 0, 0, 0)
        specs = slo_columns(view, frame)
        rows = self.pick(frame.slo.rows, lambda: fields_of(specs))
        widest = {
            "whose": max(len(row_name(row, view)) + 2 for row in frame.slo.rows),
            "model": max(len(_model(row)) for row in frame.slo.rows),
        }
        table = grid(specs, width, [widest.get(column.name, 0) for column in specs])
        shown = min(max(height - 1, 0), len(rows))
        first = min(self.scroll_rows, len(rows) - shown)
        lines = heading(table, width, self.order)
        for row in rows[first : first + shown]:
            lines += row_lines(table, row, width)
        keys = [(row.of, row.name, row.model) for row in rows]
        return Body(lines, first, shown, len(rows), len(table.left_out), keys, stacked(shown, head=1), heads(table))

    def title(self, view: View) -> tuple[str, str]:
        return "Attainment and cost", "of requests that ended in the window, by the worker that generated last"

    def fields(self, view: View) -> Sequence[Field[SloRow]]:
        return fields_of(slo_columns(view, view.frame)) if view.frame is not None else ()

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        frame = view.frame
        rows = frame.slo.rows if frame is not None and frame.slo is not None else ()
        found = [one for one in rows if (one.of, one.name, one.model) == row]
        return [told for one in found if frame is not None for told in told_of(slo_columns(view, frame), one)]


def profile_lines(slo: Slo, width: int) -> list[Line]:
    """The profile, what it wants, and how it stands."""
    first = Pen(width).put(f"{_SIGNS[slo.state]} {slo.state}", INKS[slo.state]).gap(2)
    first.put(printable(slo.profile), Ink.STRONG).gap().put(f"({printable(slo.source)})", Ink.DIM).gap(2)
    first.put("p: the next profile", Ink.DIM)
    second = Pen(width).put(printable(" · ".join(map(objective_text, slo.objectives))), Ink.TEXT)
    counts = [
        f"{count} {what}"
        for count, what in (
            (slo.errors, "ended in an error: met nothing"),
            (slo.aborted, "given up by their clients: not judged"),
            (slo.unjudged, "not judged: a time is not known"),
        )
        if count
    ]
    known = any(row.attained is not None for row in slo.rows)
    nothing = "no errors, none given up, all judged" if known else "no source tells how requests end, or none has ended"
    third = Pen(width).put(", ".join(counts) or nothing, Ink.WARN if slo.errors else Ink.DIM)
    lines = [first.line(), second.line(), third.line()]
    return [*lines, price_line(slo, width)] if says_prices(slo) else lines


def says_prices(slo: Slo) -> bool:
    """Whether the operator has said any; offers stand with the figures that were counted with them (`i`)."""
    return any(it is not None and it.by == CONFIG for chip in slo.chips for it in (chip.dollars_per_hour, chip.watts))


def price_line(slo: Slo, width: int) -> Line:
    """What a device of each chip costs and is assumed to draw, and who says so."""
    pen = Pen(width)
    for index, chip in enumerate(slo.chips):
        pen.put(" · " if index else "", Ink.DIM).put(printable(chip.chip or chip.device), Ink.TEXT).gap()
        told = assumed(chip)
        if not told:
            pen.put("no price", Ink.DIM)
        for number, (figure, by) in enumerate(told):
            pen.put(", " if number else "", Ink.DIM).put(figure, Ink.STRONG).put(f" ({by})", Ink.DIM)
    return pen.line()


class Profile(Panel):
    """What is wanted, and of whom it is said."""

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        slo = view.frame.slo if view.frame is not None else None
        if slo is None:
            return [Pen(width).gap().put(ABSENT, Ink.DIM).line()]
        return [((" ", Ink.TEXT), *line) for line in profile_lines(slo, width - 1)]


def headline(slo: Slo) -> tuple[str, ...]:
    """All requests, for the strip of key figures: the share, with its interval where there is room."""
    whole = slo.rows[0].attained if slo.rows else None
    if whole is None:
        return (ABSENT,)
    rate = fmt.figure(slo.rows[0].goodput_per_s, Unit.RATE)[0]
    bound = AT_LEAST if whole.least < whole.most else ""
    return f"{bound}{percent(whole.least / whole.n)} % {rate}/s", f"{bound}{percent(whole.least / whole.n)} %"
