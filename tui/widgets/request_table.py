"""Requests as a table, one a line: where each went, how soon it answered, how steadily it ran."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.model.detail import State
from collectors.model.figure import Figure
from collectors.model.vocabulary import State as Known
from tui import format as fmt
from tui.filter import Field
from tui.format import Unit
from tui.glyphs import ABSENT, AT_LEAST, STALL, UNEQUAL
from tui.line import Pen, cells, clip_middle
from tui.plain import printable
from tui.table import Column, Drawn, grid, heading, heads, row_lines
from tui.theme import Ink
from tui.told import Told, quantiles
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from collectors.model.detail import RequestLine
    from collectors.model.figure import Quantile
    from collectors.session.detail import Detail
    from tui.line import Line
    from tui.table import Cell
    from tui.view import View

TTFT: Final = "its first delivery with content − when the teller had it"
GAP: Final = "time between its consecutive deliveries, on the teller's clock"
TOKENS: Final = "as its teller says at its end, until then the last delivered"
_COSTLY: Final = "gap"
"""What is asked for by it takes another look at every delivery of every request."""
LONG_S: Final = 0.1
"""Where picking from all requests takes longer, it is not done again before REST times as long: thousands would leave no time for anything else."""
REST: Final = 4
SEEN_NS: Final = 10_000_000_000
"""What is shown now is what was shown before, gone on, where it is no further on."""


class _Picked(NamedTuple):
    asked: object
    time_ns: int
    keys: Sequence[int]
    all: int
    until_s: float
    """On this machine's clock."""


_STATE_INKS: Final = {State.LOST: Ink.WARN, State.DECODES: Ink.GOOD, State.PREFILLS: Ink.ACCENT}


class RequestTable(RowsPanel):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._shown: Sequence[RequestLine] = ()
        self._drawn: Drawn[RequestLine, list[Line]] = Drawn()
        self._picked: _Picked | None = None

    def title(self, view: View) -> tuple[str, str]:
        return "Requests", "gaps are each request's own; n of them beside"

    def body(self, view: View, width: int, height: int) -> Body:
        frame, detail = view.frame, view.detail
        self.picked_before = ""
        if frame is None or detail is None:
            return Body([Pen(width).put(ABSENT, Ink.DIM).line()], 0, 0, 0)
        now, room = frame.time_ns, max(height - 1, 1)
        if self.picking or self.order is not None:
            keys = self._pick(view, detail, now)
            first = min(self.scroll_rows, max(len(keys) - room, 0))
            part = keys[first : first + room]
            shown: Sequence[RequestLine] = detail.some(part, now)
            if len(shown) < len(part):  # some were let go since
                keys = [*keys[:first], *(row.key for row in shown), *keys[first + room :]]
        else:
            found = detail.requests(now, first=self.scroll_rows, limit=room)
            first, shown, keys = found.first, found.lines, found.keys
        if not keys:
            text = "no request yet" if detail.watched else "nobody tells single requests"
            return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
        columns = _columns(view)
        needs = [
            max((cells(column.cell(row)[0][0]) for row in shown), default=0) if column.text else 0 for column in columns
        ]
        it = grid(columns, width, needs)
        lines = heading(it, width, self.order)
        self._shown = shown
        how = it.shape, width, view.names
        for row in shown:
            lines += self._drawn.of(row.key, row, how, partial(row_lines, it, row, width))
        spots = stacked(len(shown), head=1)
        left_out = len(it.left_out)
        return Body(lines, first, len(shown), len(keys), left_out, keys=keys, spots=spots, heads=heads(it))

    def _pick(self, view: View, detail: Detail, now: int) -> Sequence[int]:
        asked, last = (self.filtered_by, self.order, view.names), self._picked
        begun_s = time.monotonic()
        if last is not None and last.asked == asked and begun_s < last.until_s and 0 <= now - last.time_ns < SEEN_NS:
            self._all = last.all
            if now > last.time_ns:
                self.picked_before = f"picked {fmt.seconds((now - last.time_ns) / 1e9)} before"
            return last.keys
        costly = _COSTLY in self.filter_text + (self.order.field if self.order is not None else "")
        rows = self.pick(detail.lines(now, gaps=costly), lambda: self.fields(view))
        took_s = time.monotonic() - begun_s
        rest_s = REST * took_s if took_s > LONG_S else 0.0
        self._picked = _Picked(asked, now, [row.key for row in rows], self._all, begun_s + took_s + rest_s)
        return self._picked.keys

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        one = next((line for line in self._shown if line.key == row), None)
        if one is None:
            return ()
        of = printable(one.id)

        def told(name: str, value: float | None, unit: Unit, definition: str) -> Told:
            state = Known.ABSENT if value is None else Known.OK if value else Known.ZERO
            it = Figure(value, state, None if value is None else one.provenance, one.emulated, None)
            return Told(name, it, unit, definition, "this request", of=of, now=True)

        gaps = () if one.gap is None else quantiles("gap", one.gap, definition=GAP, of=of)
        return (
            told("TTFT", one.ttft_s, Unit.SECONDS, TTFT),
            told("output tokens", one.tokens, Unit.TOKENS, TOKENS),
            *gaps,
            told("longest gap", one.longest_s, Unit.SECONDS, GAP),
        )

    def fields(self, view: View) -> Sequence[Field[RequestLine]]:
        def text(name: str, column: Column[RequestLine]) -> Field[RequestLine]:
            return Field(name, lambda row: column.cell(row)[0][0])

        texts = [text(column.name.casefold(), column) for column in _columns(view) if column.text]
        return [
            *texts,
            Field("worker", lambda row: f"{view.name(row.prefill)} {view.name(row.decode)}"),
            Field("label", lambda row: " ".join(row.labels) or None),
            Field("ttft", lambda row: row.ttft_s, number=True),
            Field("tok", lambda row: row.tokens, number=True),
            Field("prompt", lambda row: row.prompt_tokens, number=True),
            Field("hit", _hit_share, number=True),
            Field("gap.p50", lambda row: None if row.gap is None else row.gap.p50.value, number=True),
            Field("gap.p99", lambda row: None if row.gap is None else row.gap.p99.value, number=True),
            Field("longest", lambda row: row.longest_s, number=True),
            Field("stalls", lambda row: row.stalls, number=True),
            Field("took", lambda row: row.last_s, number=True),
            Field("at", lambda row: row.at, number=True),
        ]


def _columns(view: View) -> list[Column[RequestLine]]:
    def text(value: str, ink: int = Ink.TEXT) -> Cell:
        return (printable(value) or ABSENT,), ink if value else Ink.DIM

    def seconds(value: float | None, ink: int = Ink.TEXT) -> Cell:
        return (ABSENT if value is None else fmt.seconds(value),), Ink.DIM if value is None else ink

    def count(value: int | None, *, about: bool = False) -> Cell:
        if value is None:
            return (ABSENT,), Ink.DIM
        return ((AT_LEAST if about else "") + fmt.count(value),), Ink.TEXT

    def gap(it: Quantile | None) -> Cell:
        if it is None:
            return (ABSENT,), Ink.DIM
        return fmt.quantile(it, Unit.SECONDS), Ink.TEXT if it.value is not None else Ink.DIM

    def where(row: RequestLine) -> Cell:
        names = [view.name(one) for one in (row.prefill, row.decode) if one]
        return text(" → ".join(names))

    def hit(row: RequestLine) -> Cell:
        share = _hit_share(row)
        return (ABSENT if share is None else fmt.percent(share, 1.0),), Ink.DIM if share is None else Ink.TEXT

    return [
        Column("request", 8, lambda row: text(row.id, Ink.STRONG), text=True, most=28, shorten=clip_middle),
        Column("at", 8, lambda row: (("" if row.at is None else fmt.wall(view.utc_s(row.at), row.at),), Ink.DIM), 6),
        Column("state", 8, _state, text=True, most=10),
        Column("where", 13, where, text=True, most=26, shorten=clip_middle),
        Column("prompt", 6, lambda row: count(row.prompt_tokens), 4),
        Column("hit", 5, hit, 5),
        Column("TTFT", 8, lambda row: seconds(row.ttft_s)),
        Column("tok", 5, lambda row: count(row.tokens, about=row.uncounted), 1),
        Column("gap p50", 8, lambda row: gap(row.gap.p50 if row.gap is not None else None), 2),
        Column("gap p99", 9, lambda row: gap(row.gap.p99 if row.gap is not None else None), 1),
        Column("n", 5, lambda row: count(None if row.gap is None else row.gap.n), 3),
        Column("longest", 8, lambda row: seconds(row.longest_s, Ink.STALL if row.stalls else Ink.TEXT)),
        Column(f"{STALL}", 3, lambda row: ((str(row.stalls) if row.stalls else "",), Ink.STALL), 2),
        Column("took", 8, lambda row: seconds(row.last_s), 5),
        Column("run", 6, lambda row: text(row.workflow), 7, text=True, most=14, shorten=clip_middle),
        Column("model", 8, lambda row: text(row.model), 9, text=True, most=20, shorten=clip_middle),
        Column("labels", 10, lambda row: text(" ".join(row.labels)), 8, text=True, most=44),
    ]


def _state(row: RequestLine) -> Cell:
    sign = f"{UNEQUAL} " if row.remarked else ""
    if row.state is State.ENDED:
        return (sign + (printable(row.reason) or "ended"),), Ink.DIM if row.reason in ("stop", "length") else Ink.WARN
    return (f"{sign}{row.state}",), _STATE_INKS.get(row.state, Ink.TEXT)


def _hit_share(row: RequestLine) -> float | None:
    """Of its prompt, what was found in some tier."""
    if row.hit_tokens is None or not row.prompt_tokens:
        return None
    return row.hit_tokens / row.prompt_tokens
