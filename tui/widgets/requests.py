"""Single requests: how long each phase took and who says so, where it ran, and where those who tell of it contradict each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import About, Phase, Provenance
from tui import format as fmt
from tui.format import Unit
from tui.glyphs import ABSENT, AT_LEAST, DOUBTFUL, ESTIMATE, MOVED, OURS, UNEQUAL
from tui.line import Line, Pen, cells, clip_middle, wrap
from tui.plain import printable
from tui.theme import Ink
from tui.widgets.rows import Body, RowsPanel, Spot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from collectors.model.requests import FactRow, PhaseRow, RequestRow
    from tui.view import View

LETTERS: Final = {
    Provenance.MEASURED: "M",
    Provenance.REPORTED: "R",
    Provenance.DERIVED: "D",
    Provenance.ASSUMED: "A",
}
_ORDER: Final = (
    Phase.REQUEST,
    Phase.FIRST_TOKEN,
    Phase.TO_SERVER,
    Phase.QUEUE,
    Phase.FETCH,
    Phase.PREFILL,
    Phase.TRANSFER,
    Phase.FROM_SERVER,
    Phase.DECODE,
    Phase.PREEMPTED,
)
_WORDS: Final = {
    Phase.REQUEST: "all",
    Phase.FIRST_TOKEN: "first token",
    Phase.TO_SERVER: "there",
    Phase.FROM_SERVER: "back",
}
_TRUST: Final = tuple(LETTERS)
_MARGIN: Final = 2
SAME_S: Final = 1e-9
"""By which two times that are the same may differ for their rounding."""
_LINES: Final = 3
"""Of one sentence, at most."""


def request_lines(row: RequestRow, view: View, width: int) -> list[Line]:
    """One request: a line of its phases, one of its workers, and one for each thing that is not as it should be."""
    name = max(10, min(36, width // 4))
    mark, ink = _mark(row)
    at = ABSENT if row.at is None else fmt.wall(view.utc_s(row.at), row.at)
    pen = Pen(width).put(mark, ink).gap().cell(clip_middle(printable(row.id), name), name, Ink.STRONG).gap()
    pen.cell(at, 8, Ink.DIM).gap().cell(_end(row), 8, Ink.DIM).gap()
    lines: list[Line] = []
    for phase in _phases(row.phases):
        if cells(phase) > pen.left:
            lines.append(pen.line())
            pen = Pen(width).gap(_MARGIN)
        pen.put(phase, Ink.TEXT).gap(2)
    lines.append(pen.line())
    where = [text for about in (About.PREFILL_WORKER, About.DECODE_WORKER) if (text := _worker(row.facts, about))]
    if where:
        lines.append(Pen(width).gap(_MARGIN).put(" → ".join(where), Ink.DIM).line())
    for sign, text, colour in _remarks(row):
        for index, part in enumerate(wrap(printable(text), width - _MARGIN - 2, _LINES)):
            lines.append(Pen(width).gap(_MARGIN).put(" " if index else sign, colour).gap().put(part, colour).line())
    return lines


def requests(view: View, width: int, height: int, first: int) -> Body:
    frame = view.frame
    rows = frame.requests if frame is not None else ()
    if not rows:
        text = "none yet: no source tells single requests (a tap, a placement stream, a trace file, spans)"
        return Body([Pen(width).put(ABSENT if frame is None else text, Ink.DIM).line()], 0, 0, 0)
    first = min(first, len(rows) - 1)
    lines: list[Line] = []
    spots: list[Spot] = []
    for row in rows[first:]:
        its = request_lines(row, view, width)
        if spots and len(lines) + len(its) > height:
            break
        spots.append(Spot(len(lines), len(its)))
        lines += its
    return Body(lines, first, len(spots), len(rows), keys=[row.id for row in rows], spots=spots)


class Requests(RowsPanel):
    """The Frame's requests with all that tell of them; or `only` one, whichever it is."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.only: int | None = None

    def told(self, view: View) -> bool:
        """Whether anybody else tells of the one."""
        row = self._row(view)
        return row is not None and len({phase.teller for phase in row.phases}) > 1

    def body(self, view: View, width: int, height: int) -> Body:
        if self.only is None:
            return requests(view, width, height, self.scroll_rows)
        row = self._row(view)
        lines = [] if row is None else request_lines(row, view, width)
        return Body(lines[:height], 0, min(len(lines), height), len(lines))

    def _row(self, view: View) -> RequestRow | None:
        if view.detail is None or view.frame is None or self.only is None:
            return None
        one = view.detail.request(self.only, view.frame.time_ns)
        return None if one is None else one.joined

    def title(self, view: View) -> tuple[str, str]:
        return (
            "Who says so" if self.only is not None else "Requests",
            "who says so: M measured here, R reported, D derived; each once, whoever tells of it",
        )


def _mark(row: RequestRow) -> tuple[str, int]:
    if row.disagree:
        return UNEQUAL, Ink.WARN
    if row.migrations:
        return MOVED, Ink.WARN
    if row.doubt:
        return DOUBTFUL, Ink.WARN
    return (OURS, Ink.DIM) if row.probe else (" ", Ink.TEXT)


def _end(row: RequestRow) -> str:
    """How it ended: whoever timed it knows best."""
    ends = sorted((_TRUST.index(fact.provenance), str(fact.value)) for fact in row.facts if fact.about is About.FINISH)
    return printable(ends[0][1]) if ends else "runs" if row.live else ABSENT


def _phases(rows: Iterable[PhaseRow]) -> Iterator[str]:
    """The best that is known of each: measured before reported, in the order in which they follow each other. Of several pieces that one teller has timed, all."""
    best: dict[Phase, list[PhaseRow]] = {}
    for row in rows:
        known = best.get(row.phase)
        if known is None or _TRUST.index(row.provenance) < _TRUST.index(known[0].provenance):
            best[row.phase] = [row]
        elif (row.teller, row.provenance, row.clocks) == (known[0].teller, known[0].provenance, ()):
            known.append(row)
    for phase in _ORDER:
        if phase in best:
            pieces = best[phase]
            yield f"{_WORDS.get(phase, phase)} {_length(pieces)} {LETTERS[pieces[0].provenance]}"


def _length(pieces: list[PhaseRow]) -> str:
    for one in pieces:
        if one.negative:
            return f"{fmt.seconds(one.duration_s[1])} (negative)" if one.duration_s[1] else "negative"
    low, high = _together(pieces)
    about = ESTIMATE if any(one.formula and not one.clocks for one in pieces) else ""
    return about + (fmt.seconds(low) if low == high else fmt.interval(low, high, Unit.SECONDS)[0])


def _together(pieces: list[PhaseRow]) -> tuple[float, float]:
    """Seconds in which any of them went on: where it is not known when each began, they may have been one after the other or at once."""
    if len(pieces) == 1:
        return pieces[0].duration_s
    lengths = [one.duration_s[1] for one in pieces]
    starts = [one.start_s for one in pieces]
    widths = [one[1] - one[0] for one in starts if one is not None]
    if len(widths) < len(pieces) or max(widths) - min(widths) > SAME_S:
        return max(lengths), sum(lengths)
    total = 0.0
    until = -math.inf
    for begin, length in sorted(
        (one[0], length) for one, length in zip(starts, lengths, strict=True) if one is not None
    ):
        total += max(begin + length - max(begin, until), 0.0)
        until = max(until, begin + length)
    return total, total


def _worker(facts: Iterable[FactRow], about: About) -> str:
    """Who made it, as most tell."""
    named = [fact for fact in facts if fact.about is about]
    if not named:
        return ""
    best = max(named, key=lambda fact: len(fact.tellers))
    word = "prefill" if about is About.PREFILL_WORKER else "decode"
    return f"{word} {printable(str(best.value))} {LETTERS[best.provenance]} ({printable(', '.join(best.tellers))})"


def _remarks(row: RequestRow) -> Iterator[tuple[str, str, int]]:
    for move in row.migrations:
        to = "nobody that is named" if move.to is None else move.to
        after = f"{AT_LEAST if move.at_least else ''}{move.after_tokens}"
        yield (
            MOVED,
            f"taken from {move.worker} after {after} tokens, given to {to} ({', '.join(move.tellers)})",
            Ink.WARN,
        )
    for one in row.disagree:
        about = str(one.about).replace("_", " ") + (f" from token {one.from_token}" if one.from_token else "")
        says = "; ".join(f"{said.value} say {', '.join(said.tellers)}" for said in one.says)
        yield UNEQUAL, f"{about}: {says}", Ink.WARN
    if row.doubt:
        yield DOUBTFUL, row.doubt, Ink.WARN
