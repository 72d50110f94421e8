"""What a figure on the screen is: its value as it is known, its meaning, source, population, window, samples, state, provenance and age."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import Provenance, State
from tui import format as fmt
from tui.format import Unit
from tui.glyphs import AT_LEAST, ESTIMATE, SELECTED
from tui.inks import figure_ink
from tui.line import Line, Pen, framed, titled, wrap
from tui.plain import printable
from tui.theme import Ink
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence
    from typing import TypeGuard

    from collectors.model.figure import Figure, Quantile
    from tui.told import Told
    from tui.view import View

ROWS: Final = 8
"""Lines of content that there is always room for."""
_LABEL: Final = 8
STATES: Final = {
    State.OK: "known",
    State.ZERO: "known to be zero",
    State.ABSENT: "nobody says it",
    State.NAN: "the back end says that it is not a number",
    State.UNSAMPLED: "declared, but nothing was counted yet",
    State.STALE: "old: the last value that was heard",
    State.TOO_FEW: "fewer samples than 1 ÷ (1 − q), so no quantile",
    State.OVER_RANGE: "above the highest bound that is counted",
}
SAYS: Final = {
    Provenance.MEASURED: "measured by our own clock",
    Provenance.REPORTED: "reported by the back end",
    Provenance.DERIVED: "derived: a formula over what was reported or measured",
    Provenance.ASSUMED: "assumed: configuration says so",
}


def explained(told: Told, view: View) -> Iterator[tuple[str, str, int]]:
    """Label, text and ink of each line about a figure."""
    it, frame = told.it, view.frame
    now_ns = frame.time_ns if frame is not None else None
    forms = fmt.quantile(it, told.unit, now_ns) if _is_quantile(it) else fmt.figure(it, told.unit, now_ns)
    yield "value", forms[0] + _bounds(it, told.unit), figure_ink(it, Ink.STRONG)
    if told.definition:
        yield "is", told.definition, Ink.TEXT
    yield "from", _source(it), Ink.TEXT
    for sign, holds in ((ESTIMATE, it.estimate), (AT_LEAST, it.at_least)):
        if holds is True:
            why = it.formula if sign == ESTIMATE and isinstance(it.formula, str) else "what nobody counted is not in it"
            yield "but", f"{sign} {why}", Ink.WARN
    yield "over", _samples(told, frame.window_s if frame is not None else None), Ink.TEXT
    state = STATES[it.state] + (f", {SAYS[it.provenance]}" if it.provenance is not None else "")
    emulated = "EMULATED, " if it.emulated else ""
    yield "state", emulated + state, Ink.WARN if it.emulated or it.state is State.STALE else Ink.TEXT
    yield "heard", _heard(it, view), Ink.TEXT


def lines(told: Told, view: View, width: int, height: int) -> list[Line]:
    """Label and text below each other; long texts go on below, as far as there is room."""
    texts = list(explained(told, view))
    spare = height - len(texts)
    out: list[Line] = []
    for label, text, ink in texts:
        parts = wrap(printable(text), width - _LABEL - 1, 1 + max(0, min(spare, 2)))
        spare -= len(parts) - 1
        for index, part in enumerate(parts):
            out.append(Pen(width).cell("" if index else label, _LABEL, Ink.DIM).gap().put(part, ink).line())
    return out


class Inspector(Panel):
    """Shows one of the figures of `row` of `of`: the one that is called `chosen`, or the first."""

    of: Panel | None = None
    row: Hashable = None
    chosen = ""
    text = ""
    """What it shows, for the clipboard."""

    def told(self, view: View) -> Sequence[Told]:
        return self.of.figures(view, self.row) if self.of is not None else ()

    def step(self, view: View, by: int) -> None:
        """Go to another figure of the row."""
        if all_ := self.told(view):
            self.chosen = all_[(_index(all_, self.chosen) + by) % len(all_)].name

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        inner = width - 4 if self.boxed else width - 2
        rows = height - (2 if self.boxed else 1)
        all_ = self.told(view)
        if all_:
            index = _index(all_, self.chosen)
            told = all_[index]
            body = lines(told, view, inner, rows)
            said = "; ".join(f"{label} {text}" for label, text, _ in explained(told, view))
            self.text = printable(f"{told.name} of {told.of}: {said}" if told.of else f"{told.name}: {said}")
            title, note = told.name, f"{index + 1} of {len(all_)} ←→ · esc back"
            subtitle = f"of {told.of}" if told.of else ""
        else:
            self.text = ""
            body = [Pen(inner).put("no figure under the cursor", Ink.DIM).line()]
            title, subtitle, note = "What is it?", "", "esc back"
        corners = "╭╮" if self.boxed else ""
        top = titled(width, printable(title), printable(subtitle), note, corners=corners, mark=SELECTED)
        return framed(body, width, height, top, box=self.boxed)


def _index(all_: Sequence[Told], name: str) -> int:
    return next((index for index, told in enumerate(all_) if told.name == name), 0)


def _is_quantile(it: Figure) -> TypeGuard[Quantile]:
    from collectors.model.figure import Quantile  # what it needs is not loaded before the first frame

    return isinstance(it, Quantile)


def _bounds(it: Figure, unit: Unit) -> str:
    """In which interval it is known to lie, where that is wider than its digits tell."""
    if not _is_quantile(it) or it.low is None or it.high is None or it.high <= it.low:
        return ""
    low, high = fmt.plain(it.low, unit), fmt.plain(it.high, unit)
    return f"   in ({low}, {high}]" if low != high else ""


def _source(it: Figure) -> str:
    if isinstance(it.metric, str):
        how = "buckets of " if _is_quantile(it) and it.provenance is Provenance.REPORTED else ""
        made = (
            ": its growth ÷ seconds"
            if it.provenance is Provenance.DERIVED and " " not in it.metric and not _is_quantile(it)
            else ""
        )
        return f"{how}{it.metric}{made}"
    if it.provenance is None:
        return "–"
    if it.provenance is Provenance.MEASURED:
        return "single events, timed as they came"
    return "single events that the source sends" if it.provenance is Provenance.DERIVED else "what the source says"


def _samples(told: Told, window_s: float | None) -> str:
    parts = [told.population]
    n = told.it.n if isinstance(told.it.n, int) else told.n
    if n is not None:
        parts.append(f"n {n:,}")
    if told.span:
        parts.append(told.span)
    elif told.now:
        parts.append("at this moment")
    elif window_s is not None:
        parts.append(f"the last {fmt.plain(told.window_s or window_s, Unit.COUNT)} s")
    return " · ".join(part for part in parts if part)


def _heard(it: Figure, view: View) -> str:
    if it.heard_ns is None or view.frame is None:
        return "–"
    age_s = max(view.frame.time_ns - it.heard_ns, 0) / 1e9
    at_s = it.heard_ns / 1e9
    return f"{fmt.age(age_s)} before this moment, at {fmt.wall(view.utc_s(at_s), at_s)}"
