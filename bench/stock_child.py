"""The Overview out of Textual's own widgets, for `bench.stock`: `play WORKERS HZ FRAMES all|sight`.

The same figures of the same Frames, in the same places, texts and inks: fleet and tiers are `DataTable`s with all rows (`sight`: with those alone that are in sight, so that nobody
can scroll), of which `update_cell` gets what changed; a row of the river, and jitter over time, are `Sparkline`s; the rest are `Static`s, updated without a layout. All as their documentation says, with nothing of theirs overridden.
"""

import asyncio
import sys
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from rich.text import Text
from textual.app import App, ComposeResult
from textual.widget import Widget
from textual.widgets import DataTable, Sparkline, Static

from bench.ui import COLUMNS, ROWS
from bench.ui_child import WARM_UP, made, mark
from collectors.model.frame import Frame
from collectors.model.timeline import level_of
from tui import format as fmt
from tui.format import Unit
from tui.glyphs import ACTIVE, EVICTABLE, FREE
from tui.layout import Section, Wants, plan
from tui.line import Line
from tui.palettes import PALETTES
from tui.places import FOOTER, HEADER, KPI, NOTICE, TIMELINE, Box, surround
from tui.playhead import Mode
from tui.table import grid
from tui.theme import Ink, styles
from tui.view import View, worker_names
from tui.widgets import tiers
from tui.widgets.fleet_columns import columns, needs
from tui.widgets.footer import footer
from tui.widgets.header import header
from tui.widgets.kpi import strip
from tui.widgets.notice import notices
from tui.widgets.river import NOT_OBSERVED, ROLE_LETTERS
from tui.widgets.stalls import stalls
from tui.widgets.timeline import ends
from tui.widgets.timeline import strip as cells_of

INKS: Final = styles(PALETTES["dark"])
EDGE: Final = 2
"""Of a border, both sides."""
LABEL: Final = 18
"""Cells before a row of the river."""


def counts(tokens: bytes) -> Sequence[int]:
    """Tokens of each tick of a row, oldest first."""
    values = array("H")
    values.frombytes(tokens)
    if sys.byteorder == "big":
        values.byteswap()
    return values


class Head(NamedTuple):
    name: str
    width: int
    right: bool


class Sheet(NamedTuple):
    """A table as it is to be: each row's cells by its key."""

    heads: Sequence[Head]
    rows: Mapping[str, Sequence[Line]]


def text(lines: Sequence[Line], *, right: bool = False) -> Text:
    runs = [(part, INKS[ink]) for line in lines for part, ink in (*line, ("\n", Ink.TEXT))]
    return Text.assemble(*runs[:-1], justify="right" if right else "left", no_wrap=True)


def fleet(view: View, frame: Frame, width: int, count: int | None) -> Sheet:
    specs = columns(view, frame)
    table = grid(specs, width, needs(specs, view, frame))

    def cells() -> Iterator[tuple[str, list[Line]]]:
        for row in frame.workers[:count]:
            line: list[Line] = []
            for column, size in table.lines[0]:
                forms, ink = column.cell(row)
                line.append(((column.shorten(forms[0], size) if column.text else fmt.pick(forms, size), ink),))
            yield row.id, line

    heads = [Head(column.name, size + table.gap, not column.text) for column, size in table.lines[0]]
    return Sheet(heads, dict(cells()))


def pools(view: View, frame: Frame, width: int, count: int | None) -> Sheet:
    it = tiers.cols(frame, view, width)

    def cells() -> Iterator[tuple[str, list[Line]]]:
        for row in frame.tiers[:count]:
            fill = tiers.fill(row)
            active, evictable, free = tiers.bar(fill, it.bar)
            bar = (
                (ACTIVE * active, Ink.BAR_ACTIVE),
                (EVICTABLE * evictable, Ink.BAR_EVICTABLE),
                (FREE * free, Ink.BAR_FREE),
            )
            (used, ink), (hits, hits_ink) = tiers.share(fill, row), tiers.hits(row, frame.time_ns)
            capacity = fmt.figure(row.capacity_bytes, Unit.BYTES, frame.time_ns)
            yield (
                f"{row.owner} {row.tier}",
                [
                    ((tiers.owner_name(row, view), Ink.STRONG),),
                    ((str(row.tier), Ink.TEXT),),
                    bar,
                    ((fmt.pick(used, it.share), ink),),
                    ((fmt.pick(capacity, it.capacity), Ink.DIM),),
                    ((fmt.pick(hits, it.hits), hits_ink),),
                ],
            )

    widths = it.owner, tiers.TIER_CELLS, it.bar, it.share, it.capacity, it.hits
    heads = [
        Head(name, size + 1, at > 2)
        for at, (name, size) in enumerate(zip(("owner", "tier", "", "used", "of", "hit"), widths, strict=True))
    ]
    return Sheet(heads, dict(cells()))


class Table:
    """A `DataTable`, of which cells that changed are updated."""

    def __init__(self, box: Box, *, every: bool) -> None:
        self.widget: DataTable[Text] = DataTable(cursor_type="row", cell_padding=0)
        self.width = box.width - 2 * EDGE
        self.count = None if every else box.height - EDGE - 1
        self._shown: dict[str, Sequence[Line]] = {}

    def show(self, it: Sheet) -> None:
        if not self._shown:
            for at, head in enumerate(it.heads):
                self.widget.add_column(head.name, width=head.width, key=str(at))
        for key, cells in it.rows.items():
            old = self._shown.get(key)
            if old is None:
                made = [text([cell], right=head.right) for cell, head in zip(cells, it.heads, strict=True)]
                self.widget.add_row(*made, key=key)
                continue
            for at, (cell, before) in enumerate(zip(cells, old, strict=True)):
                if cell != before:
                    self.widget.update_cell(key, str(at), text([cell], right=it.heads[at].right))
        self._shown = dict(it.rows)


class Stock(App[None]):
    CSS = """
    Screen > * { position: absolute; }
    .edged { border: round $primary; }
    """
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, frames: Sequence[Frame], hz: int, *, every: bool) -> None:
        super().__init__()
        self._frames, self._hz = frames, hz
        first = view_of(frames[0])
        around = surround(COLUMNS, ROWS, kpi=True, notices=len(notices(first, COLUMNS)))
        assert around is not None
        it = plan(around.body, around.boxed, Wants(len(frames[0].workers), len(frames[0].tiers), len(frames[0].river)))
        self._boxes: dict[str, Box] = {**around.boxes, **it.boxes}
        self._fleet, self._tiers = (Table(self._boxes[name], every=every) for name in (Section.FLEET, Section.TIERS))
        self._statics = {name: Static() for name in (HEADER, KPI, NOTICE, FOOTER, Section.STALLS, Section.RIVER)}
        self._jitter = Sparkline()
        room = self._boxes[Section.RIVER]
        self._each = it.river_lines
        self._rivers = [Sparkline() for _ in range((room.height - EDGE) // it.river_lines)]

    def compose(self) -> ComposeResult:
        river, line = self._boxes[Section.RIVER], self._boxes[TIMELINE]
        start, width = ends(COLUMNS)
        yield placed(self._fleet.widget, self._boxes[Section.FLEET], edged=True)
        yield placed(self._tiers.widget, self._boxes[Section.TIERS], edged=True)
        for name, widget in self._statics.items():
            yield placed(widget, self._boxes[name], edged=name in (Section.STALLS, Section.RIVER))
        for at, spark in enumerate(self._rivers):
            y = river.y + 1 + at * self._each
            yield placed(spark, Box(river.x + 2 + LABEL, y, river.width - LABEL - 4, self._each))
        yield placed(self._jitter, line._replace(x=start, width=width))

    def on_mount(self) -> None:
        self.run_worker(self._play())

    async def _play(self) -> None:
        cpu = wall = 0.0
        due = time.monotonic()
        for index, frame in enumerate(self._frames):
            if index == WARM_UP:
                mark("begin")
                cpu, wall = time.process_time(), time.monotonic()
            with self.batch_update():
                self._show(view_of(frame), frame)
            due += 1 / self._hz
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        mark("end", cpu_s=time.process_time() - cpu, wall_s=time.monotonic() - wall)
        self.exit()

    def _show(self, view: View, frame: Frame) -> None:
        self._fleet.show(fleet(view, frame, self._fleet.width, self._fleet.count))
        self._tiers.show(pools(view, frame, self._tiers.width, self._tiers.count))
        rows = frame.river[: len(self._rivers)]
        for row, spark in zip(rows, self._rivers, strict=True):
            width = self._boxes[Section.RIVER].width - LABEL - 4
            spark.data = [0 if value == NOT_OBSERVED else value for value in counts(row.tokens)][-width:]
        labels: list[Line] = []
        for row in rows:
            labels += [((f"{view.name(row.worker)} {ROLE_LETTERS[row.role]}", Ink.STRONG),), *[()] * (self._each - 1)]
        width = ends(COLUMNS)[1]
        known = cells_of(frame.timeline, frame.time_ns // 1_000_000_000, width).cells
        self._jitter.data = [level_of(byte) for byte in known]
        room = self._boxes[Section.STALLS]
        lines: dict[str, Sequence[Line]] = {
            HEADER: [header(view, COLUMNS)],
            KPI: strip(view, COLUMNS),
            NOTICE: notices(view, COLUMNS),
            FOOTER: [footer(view, COLUMNS)[0]],
            Section.STALLS: stalls(view, room.width - 2 * EDGE, room.height - EDGE, 0).lines,
            Section.RIVER: labels,
        }
        for name, some in lines.items():
            self._statics[name].update(text(some), layout=False)


def placed(widget: Widget, box: Box, *, edged: bool = False) -> Widget:
    widget.styles.offset = (box.x, box.y)
    widget.styles.width, widget.styles.height = box.width, box.height
    widget.set_class(edged, "edged")
    return widget


def view_of(frame: Frame) -> View:
    names = worker_names(worker.id for worker in frame.workers)
    return View(frame, frame, Mode.FOLLOWING, title="stock", names=names)


if __name__ == "__main__":
    _, workers, hz, count, rows = sys.argv[1:]
    Stock(made(int(workers), WARM_UP + int(count)), int(hz), every=rows == "all").run()
