"""Why a request went where it went: every candidate with its score and the terms of it, as the router told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.model.detail import DecisionCard
from tui import format as fmt
from tui.glyphs import ABSENT
from tui.line import Line, Pen, Run, clip, clip_middle, fitting, wrap
from tui.plain import printable
from tui.theme import Ink
from tui.widgets.rows import Body, RowsPanel, stacked
from tui.widgets.waterfall import detail_of

if TYPE_CHECKING:
    from collectors.model.detail import Named
    from tui.view import View

CHOSEN: Final = "◆"
_PARTS: Final = "▏▎▍▌▋▊▉█"
_BARS: Final = (10, 8, 6, 4, 3)
"""Cells of a bar: as many as there is room for."""
SUMS: Final = 1e-6
"""A score that differs by less from the sum of its terms is their sum."""
_NUMBER: Final = 6
_TERM: Final = 12
_ACROSS: Final = 30


def bar(value: float, most: float, width: int) -> str:
    """`value` ÷ `most` of `width` cells, by eighths; a negative one has a minus before it."""
    if not most or not value:
        return ""
    eighths = max(1, round(8 * width * min(abs(value) / most, 1.0)))
    whole, rest = divmod(eighths, 8)
    text = "█" * whole + (_PARTS[rest - 1] if rest else "")
    return f"−{text}" if value < 0 else text


def score(value: float) -> str:
    return fmt.significant(value) if value >= 0 else f"−{fmt.significant(-value)}"


class Card(RowsPanel):
    """Of the request `of` (its key); its rows are the candidates, the best first."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.of: int | None = None

    def title(self, view: View) -> tuple[str, str]:
        return "Decision", "the higher score wins; bars are shares of a term's largest"

    def body(self, view: View, width: int, height: int) -> Body:
        one = detail_of(view, self.of)
        if one is None:
            return Body([], 0, 0, 0)
        it = one.decision
        if not isinstance(it, DecisionCard):
            hint = f"what would tell: {it.hint}" if it.hint else ""
            lines = [
                Pen(width).put(text, Ink.WARN if text == it.reason else Ink.DIM).line()
                for text in _wrapped(it.reason, hint, width)
            ]
            return Body(lines, 0, 0, 0)
        head = _head(view, it, width)
        table = _table(view, it, width)
        room = max(height - len(head) - len(table.heading), 0)
        first = min(self.scroll_rows, max(len(table.rows) - room, 0))
        shown = table.rows[first : first + room]
        top = [*head, *table.heading]
        return Body(
            [*top, *shown],
            first,
            len(shown),
            len(table.rows),
            table.left_out,
            keys=range(len(table.rows)),
            spots=stacked(len(shown), head=len(top)),
        )


class _Table(NamedTuple):
    heading: list[Line]
    rows: list[Line]
    left_out: int = 0


def _table(view: View, it: DecisionCard, width: int) -> _Table:
    """A row a candidate and a column a term; of few candidates with too many terms for that the other way round."""
    if not it.candidates:
        return _Table([Pen(width).put("candidates are not told", Ink.DIM).line()], [])
    terms = list(dict.fromkeys(name for named in it.candidates for name, _ in named.terms))
    values = [dict(named.terms) for named in it.candidates]
    most = {term: max(abs(one.get(term, 0.0)) for one in values) for term in terms}
    label = min(max(len(_who(view, named)) for named in it.candidates), 24)
    room = width - label - _NUMBER - 5
    bars = next((size for size in _BARS if len(terms) * (_NUMBER + size + 2) <= room), 0)
    across = (width - _TERM) // len(it.candidates)
    if not bars and across >= _NUMBER + _BARS[-1] + 3:
        return _turned(view, it, terms, values, most, min(across, _ACROSS), width)
    bars = bars or _BARS[-1]
    each = _NUMBER + bars + 2
    shown = terms[: max(room // each, 0)]
    rows = [
        _candidate(view, named, one, shown, most, label, bars, width)
        for named, one in zip(it.candidates, values, strict=True)
    ]
    return _Table([_names(shown, len(terms), label, each, width)], rows, len(terms) - len(shown))


def _turned(
    view: View,
    it: DecisionCard,
    terms: list[str],
    values: list[dict[str, float]],
    most: dict[str, float],
    each: int,
    width: int,
) -> _Table:
    head = Pen(width).gap(_TERM)
    total = Pen(width).cell("score", _TERM, Ink.STRONG)
    best = max(abs(named.score) for named in it.candidates)
    for named in it.candidates:
        name = clip_middle(_who(view, named), each - 3)
        head.put(f"{CHOSEN} " if named.chosen else "  ", Ink.GOOD)
        head.cell(name, each - 2, Ink.STRONG if named.chosen else Ink.TEXT)
        _value(total, named.score, best, each, chosen=named.chosen)
    rows = [total.line()]
    for term in terms:
        pen = Pen(width).cell(clip(printable(term), _TERM - 1), _TERM, Ink.DIM)
        for named, one in zip(it.candidates, values, strict=True):
            _value(pen, one.get(term), most[term], each, chosen=named.chosen)
        rows.append(pen.line())
    return _Table([head.line()], rows)


def _value(pen: Pen, value: float | None, most: float, each: int, *, chosen: bool) -> None:
    """A number and its bar, in `each` cells."""
    left = pen.left
    pen.cell(ABSENT if value is None else score(value), _NUMBER, Ink.DIM if value is None else Ink.TEXT, right=True)
    pen.gap().put(bar(value or 0.0, most, each - _NUMBER - 3), Ink.ACCENT if chosen else Ink.BAR_EVICTABLE)
    pen.gap(each - (left - pen.left))


def _wrapped(reason: str, hint: str, width: int) -> list[str]:
    return [*wrap(reason, width, 2), *wrap(hint, width, 4)]


def _head(view: View, it: DecisionCard, width: int) -> list[Line]:
    """The rule and the labels; the chosen one with its margin; how much time was left."""
    rule = Pen(width).put("rule ", Ink.DIM).put(printable(it.rule) or ABSENT, Ink.STRONG)
    rule.put(f"  labels {printable(' '.join(it.labels)) or ABSENT}", Ink.DIM)
    chosen = next((named for named in it.candidates if named.chosen), None)
    who = view.name(it.chosen or None) if chosen is None else _who(view, chosen)
    first: list[Run] = [(f"{CHOSEN} ", Ink.GOOD), (clip_middle(who, width - 2), Ink.STRONG)]
    if it.tie:
        first.append(("  a tie: the scores are equal", Ink.WARN))
    elif it.margin is not None:
        first.append((f"  {score(it.margin)} before the next", Ink.TEXT))
        if decided := _decided(it):
            first.append((f": {printable(decided[0])} +{score(decided[1])}", Ink.STRONG))
    else:
        first.append(("  the only candidate" if len(it.candidates) == 1 else "  margin not told", Ink.DIM))
    second: list[Run] = [("SLO headroom ", Ink.DIM)]
    if it.headroom_s is None:
        second += [(f"{ABSENT} not told", Ink.DIM)]
    elif it.headroom_s < 0:
        second += [(f"−{fmt.seconds(-it.headroom_s)}", Ink.BAD), (" predicted above the objective", Ink.DIM)]
    else:
        second += [(f"+{fmt.seconds(it.headroom_s)}", Ink.GOOD), (" objective − predicted TTFT", Ink.DIM)]
    second += [(f"  decided {fmt.seconds(it.at_s)} after receipt  R", Ink.DIM)]
    return [rule.line(), *(fitting(((part,) for part in parts), width, 0) for parts in (first, second))]


def _decided(it: DecisionCard) -> tuple[str, float] | None:
    """The term in which the chosen one is furthest before the next, and by how much; None where terms do not sum to scores."""
    chosen = next((one for one in it.candidates if one.chosen), None)
    others = [one for one in it.candidates if not one.chosen]
    if chosen is None or not others:
        return None
    following = max(others, key=lambda one: one.score)
    if any(abs(sum(value for _, value in one.terms) - one.score) > SUMS for one in (chosen, following)):
        return None
    theirs = dict(following.terms)
    ahead = [(name, value - theirs.get(name, 0.0)) for name, value in chosen.terms]
    return max((one for one in ahead if one[1] > SUMS), key=lambda one: one[1], default=None)


def _names(terms: list[str], total: int, label: int, each: int, width: int) -> Line:
    pen = Pen(width).gap(2).cell("candidate", label, Ink.DIM).gap().cell("score", _NUMBER, Ink.DIM, right=True).gap(2)
    for term in terms:
        pen.cell(clip(printable(term), each - 2), each - 1, Ink.DIM).gap()
    if not total:
        pen.put("terms are not told", Ink.DIM)
    return pen.line()


def _candidate(
    view: View,
    named: Named,
    values: dict[str, float],
    terms: list[str],
    most: dict[str, float],
    label: int,
    bars: int,
    width: int,
) -> Line:
    ink = Ink.STRONG if named.chosen else Ink.TEXT
    pen = Pen(width).put(f"{CHOSEN} " if named.chosen else "  ", Ink.GOOD)
    pen.cell(clip_middle(_who(view, named), label), label, ink).gap()
    pen.cell(score(named.score), _NUMBER, ink, right=True).gap(2)
    for term in terms:
        _value(pen, values.get(term), most[term], _NUMBER + bars + 2, chosen=named.chosen)
    return pen.line()


def _who(view: View, named: Named) -> str:
    """The worker that generates, and the one that would ingest the prompt before it."""
    before = f"{view.name(named.prefill)} → " if named.prefill and named.prefill != named.worker else ""
    return before + view.name(named.worker or None)
