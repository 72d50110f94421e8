"""The token river large: any rows, any width of its columns. Its columns stay where they are until the right edge is reached, so that few cells change in a tick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from collectors.model.detail import NO_PLACE, By, Cell
from collectors.model.figure import Figure
from collectors.model.vocabulary import Device, Provenance, State
from tui import format as fmt
from tui.format import Unit
from tui.glyphs import ABSENT, NO_DATA, STALL, UNOBSERVED
from tui.line import Line, Pen, clip_middle, fitting
from tui.plain import printable
from tui.theme import Ink, device_ink
from tui.told import Told
from tui.tracks import STAGE_LETTERS, Hue, drawn, hues, place_hue, scale_of, tracks
from tui.view import LATER
from tui.widgets.river import ROLE_LETTERS
from tui.widgets.rows import Body, RowsPanel, Spot

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from collectors.model.detail import River, RiverLine
    from collectors.model.vocabulary import Role
    from tui.view import View

_KINDS: Final = tuple(Device)
MS: Final = 1_000_000
SLICES_NS: Final = tuple(one * MS for one in (10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000))
BEGIN: Final = SLICES_NS.index(250 * MS)
WIDEST: Final = 18
REQUEST: Final = 14
"""Cells for a row's name."""
TALLEST: Final = 8
_SHORT: Final = 110
"""Cells below which the legend is written with fewer words."""
_TAIL: Final = 8
"""Cells for a row's scale."""
_HEAD: Final = 1
_FOOT: Final = 2
_STEP_NS: Final = 1_000 * MS
"""The columns move on by so much at least, at once."""
_MARK: Final = 10
"""Columns between two times on the axis."""
TOKENS: Final = "output tokens, each in the row of the stage that sampled it"
BESIDE: Final = "the same tokens' other stages that this row had: attention, feed-forward, draft"
NOBODY: Final = (
    "no source tells single deliveries: a router's placement stream does (docs/placement-stream.md), or a tap in front of the endpoint "
    "(tokenyard tap --upstream URL)"
)


class Placement(RowsPanel):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.by = By.WORKER
        self.hue = Hue.DEVICE
        self.slice = BEGIN
        self.on: str | None = None
        """Of requests those that this worker had a stage of."""
        self._asked: tuple[object, River] | None = None
        self._edge = 0
        """Cells before the first column."""

    @property
    def slice_ns(self) -> int:
        return SLICES_NS[self.slice]

    def title(self, view: View) -> tuple[str, str]:
        of = f" on {view.name(self.on)}" if self.on is not None and self.by is not By.WORKER else ""
        return "Token river", f"a row a {self.by}{of} · a column {fmt.seconds(self.slice_ns / 1e9)} · hue {self.hue}"

    def body(self, view: View, width: int, height: int) -> Body:
        frame, detail = view.frame, view.detail
        if frame is None or detail is None or not detail.watched:
            text = ABSENT if frame is None else LATER if detail is None and view.clock == "replay" else NOBODY
            return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
        names = {row.worker: row for row in frame.river}
        longest = max((len(view.name(row.worker)) for row in frame.river), default=0)
        label = min(WIDEST, max(6, longest)) if self.by is By.WORKER else REQUEST
        columns = width - label - 3 - _TAIL
        room = height - _HEAD - _FOOT
        river = self._river(view, columns, max(room, 1))
        devices = {row.id: row.device for row in frame.workers}
        both = self.by is not By.WORKER and any(any(line.beside_tokens) for line in river.lines)
        each = max(1, min(TALLEST, room // max(len(river.lines), 1))) if self.by is By.WORKER else 1 + both
        shown = river.lines[: room // each]
        hue_of = hues(river, self.hue, devices)
        lines = [self._axis(view, river, label)]
        for line in shown:
            role = names[str(line.key)].role if line.key in names else None
            lines += self._row(view, river, line, role, hue_of, label, each, both=both)
        if not shown:
            lines.append(Pen(width).put(f"no {self.by} had a token in this time", Ink.DIM).line())
        lines += [Pen(width).line()] * (height - _FOOT - len(lines))
        current = next((line for line in shown if line.key == self.cursor), shown[0] if shown else None)
        lines += [self._told(view, river, current, devices, width), self._legend(devices, width)]
        spots = [Spot(_HEAD + index * each, each) for index in range(len(shown))]
        self._edge = label + 3
        return Body(lines, river.first, len(shown), len(river.keys), keys=river.keys, spots=spots)

    def action_at(self, x: int, y: int) -> str | None:
        """A click on a cell of the axis goes to that moment."""
        if self._asked is None or y != 1:
            return None
        river = self._asked[1]
        column = x - self._left - self._edge
        if not 0 <= column < river.columns:
            return None
        return f"seek({river.begin_ns + (column + 1) * river.slice_ns})"

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        """Of the row's column at the moment shown, as far as it has gone."""
        frame, river = view.frame, self._asked[1] if self._asked else None
        line = next((one for one in river.lines if one.key == row), None) if river is not None else None
        if frame is None or river is None or line is None:
            return ()
        at = (frame.time_ns - river.begin_ns - 1) // river.slice_ns
        if not 0 <= at < river.columns:
            return ()
        worker = next((one for one in frame.workers if one.id == row), None)
        emulated = frame.emulated if worker is None else worker.tokens_per_s.emulated
        gone_ns = min(frame.time_ns - river.begin_ns - at * river.slice_ns, river.slice_ns)
        return list(cell_figures(line, at, gone_ns, emulated=emulated, of=self._called(view, line)))

    def _called(self, view: View, line: RiverLine) -> str:
        return view.name(str(line.key)) if self.by is By.WORKER else printable(line.name)

    def _river(self, view: View, columns: int, room: int) -> River:
        """As of the moment shown, whose column is not the last one: the columns move on by an eighth of them at once."""
        assert view.frame is not None
        assert view.detail is not None
        now = view.frame.time_ns
        step = max(self.slice_ns * (columns // 8), _STEP_NS)
        step -= step % self.slice_ns
        end = -(-now // step) * step
        workers = tuple(row.worker for row in view.frame.river)
        asked = (now, end, columns, room, self.scroll_rows, self.by, self.slice, self.on, workers)
        if self._asked is None or self._asked[0] != asked:
            river = view.detail.river(
                now,
                self.slice_ns,
                columns,
                self.by,
                workers=workers,
                first=self.scroll_rows,
                limit=room,
                end_ns=end,
                on=self.on,
            )
            self._asked = asked, river
        return self._asked[1]

    def _axis(self, view: View, river: River, label: int) -> Line:
        """Times of some columns, each above its own."""
        assert view.frame is not None
        pen = Pen(label + 3 + river.columns + _TAIL).to(label + 3)
        now = min((view.frame.time_ns - river.begin_ns - 1) // river.slice_ns, river.columns - 1)
        every = _MARK if river.slice_ns < 10**9 else 2 * _MARK
        first = -(river.begin_ns // river.slice_ns) % every
        for column in range(first, river.columns, every):
            at_s = (river.begin_ns + column * river.slice_ns) / 1e9
            text = fmt.wall(view.utc_s(at_s), at_s) if at_s >= 0 else ""
            if column + len(text) < now:
                pen.to(label + 3 + column).put("╷" + text if text else "", Ink.FAINT)
        if now >= 0:
            pen.to(label + 3 + now).put("▼", Ink.ACCENT)
        return pen.line()

    def _row(
        self,
        view: View,
        river: River,
        line: RiverLine,
        role: Role | None,
        hue_of: bytes,
        label: int,
        each: int,
        *,
        both: bool,
    ) -> list[Line]:
        made = tracks(line, both=both)
        name = self._called(view, line)
        out: list[Line] = []
        for track in made:
            scale = scale_of(track)
            at = track.stage
            known = river.places[at] if at < len(river.places) else None
            letter = (
                ROLE_LETTERS[role] if role and track is made[0] else STAGE_LETTERS[known.stage] if known else ABSENT
            )
            ink = hue_of[at] >> 3
            rows = drawn(track, hue_of, each // len(made), scale)
            for number, cells in enumerate(rows):
                pen = Pen(label + 3)
                if number == 0:
                    head = name if track is made[0] else f" {known.stage}" if known is not None else ""
                    pen.cell(clip_middle(head, label), label, Ink.STRONG if track is made[0] else Ink.DIM).gap()
                    pen.put(letter, device_ink(_KINDS[ink], 2))
                tail = Pen(_TAIL).gap()
                if number == 0 and any(track.values):
                    about = "≥" if line.uncounted and not track.beside else ""
                    tail.cell(f"{about}{fmt.scale(scale * 1e9 / river.slice_ns)}/s", _TAIL - 1, Ink.DIM, right=True)
                out.append((*pen.line(), *cells, *tail.line()))
        return out

    def _told(
        self, view: View, river: River, line: RiverLine | None, devices: Mapping[str, Device], width: int
    ) -> Line:
        """What the cell of the row under the cursor at the moment shown says, in words."""
        pen = Pen(width)
        if line is None or view.frame is None:
            return pen.line()
        column = (view.frame.time_ns - river.begin_ns - 1) // river.slice_ns
        if not 0 <= column < river.columns:
            return pen.line()
        at_s = (river.begin_ns + column * river.slice_ns) / 1e9
        name = self._called(view, line)
        pen.put("▼ ", Ink.ACCENT).put(clip_middle(name, 24), Ink.STRONG)
        pen.put(f" from {fmt.wall(view.utc_s(at_s), at_s)}: ", Ink.DIM)
        if line.seen[column] == Cell.UNOBSERVED:
            return pen.put("not observed", Ink.WARN).line()
        if line.seen[column] == Cell.NOT_KEPT:
            return pen.put(f"not kept: deliveries are since {_moment(view, river.since_ns)}", Ink.WARN).line()
        tokens = line.tokens[column]
        place = line.place[column]
        where = river.places[place] if place != NO_PLACE and place < len(river.places) else None
        pen.put(f"{'≥' if line.uncounted else ''}{fmt.count(tokens)} tok", Ink.TEXT)
        if where is not None:
            kind = devices.get(where.worker, Device.UNKNOWN)
            pen.put(f" {where.stage} on {view.name(where.worker)} ({kind}, {where.tier})", Ink.TEXT)
        if line.beside_tokens[column]:
            other = river.places[line.beside[column]]
            pen.put(
                f" + {other.stage} of {fmt.count(line.beside_tokens[column])} on {view.name(other.worker)}", Ink.TEXT
            )
        late = line.late[column]
        words = ("", "on time", "≥ 1.5 × its median", "≥ 3 × its median", "a stall")
        if tokens and late:
            pen.put(f" · latest {words[late]}", Ink.STALL if late == len(words) - 1 else Ink.DIM)
        return pen.line()

    def _legend(self, devices: Mapping[str, Device], width: int) -> Line:
        if self.hue is Hue.DEVICE:
            kinds = [(str(one), one) for one in Device if one in devices.values()]
        else:
            kinds = _tier_kinds(self._asked[1] if self._asked else None, devices)
        short = width < _SHORT
        signs = [("█", device_ink(hue, 2), text) for text, hue in kinds]
        signs += [
            ("▁▄█", Ink.TEXT, " tok ÷ top" if short else " tokens ÷ the row's top, brighter is later"),
            ("⣀⣤⣿", Ink.TEXT, " beside" if short else " a stage beside it"),
            (STALL, Ink.STALL, " stall"),
            (UNOBSERVED, Ink.TEXT, " unobserved" if short else " not observed"),
            (NO_DATA, Ink.TEXT, " not kept"),
        ]
        return fitting((((sign, ink), (words, Ink.DIM)) for sign, ink, words in signs), width)


def cell_figures(line: RiverLine, at: int, gone_ns: int, *, emulated: bool, of: str) -> Iterator[Told]:
    """What column `at` of a row says, of which `gone_ns` have gone by."""
    kept = line.seen[at] == Cell.SEEN
    about = True if line.uncounted else UNSET
    span = f"{fmt.seconds(gone_ns / 1e9)} of this column"

    def told(name: str, tokens: int, unit: Unit, definition: str, per: float = 1.0) -> Told:
        state = State.ABSENT if not kept else State.OK if tokens else State.ZERO
        value, provenance = (tokens / per, Provenance.DERIVED) if kept else (None, None)
        it = Figure(value, state, provenance, emulated, None, at_least=about if tokens and kept else UNSET)
        return Told(name, it, unit, definition, "tokens by when they came", line.tokens[at], of, span=span)

    yield told("tokens", line.tokens[at], Unit.TOKENS, TOKENS)
    yield told("tok/s", line.tokens[at], Unit.RATE, f"{TOKENS}, ÷ the time", gone_ns / 1e9)
    if line.beside_tokens[at]:
        yield told("tokens beside", line.beside_tokens[at], Unit.TOKENS, BESIDE)


def _tier_kinds(river: River | None, devices: Mapping[str, Device]) -> list[tuple[str, Device]]:
    found: dict[str, Device] = {}
    for place in river.places if river is not None else ():
        found.setdefault(str(place.tier), place_hue(place, Hue.TIER, devices))
    return list(found.items())


def _moment(view: View, time_ns: int) -> str:
    return fmt.wall(view.utc_s(time_ns / 1e9), time_ns / 1e9)
