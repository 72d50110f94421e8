"""Where each worker's prompt tokens came from: found or computed, what does not add up, and what had to be computed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui import format as fmt
from tui import meanings
from tui.filter import Field
from tui.format import Unit
from tui.glyphs import ABSENT, ACTIVE, EVICTABLE
from tui.inks import figure_ink
from tui.line import Line, Pen, clip_middle
from tui.table import Cell, Column, Grid, Head, fields_of, grid, heading, heads, row_lines, signed, told_of
from tui.theme import Ink
from tui.told import Told
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from collectors.model.figure import Figure
    from collectors.model.memory import PromptRow
    from tui.view import View

NAME: Final = (6, 14)
BAR: Final = (4, 30)


def columns(view: View, now_ns: int) -> list[Column[PromptRow]]:
    def number(
        title: str,
        width: int,
        of: Callable[[PromptRow], Figure],
        unit: Unit,
        means: str,
        rank: int = 0,
        *,
        odd: bool = False,
    ) -> Column[PromptRow]:
        """`odd`: anything but nothing is worth a look."""

        def cell(row: PromptRow) -> Cell:
            it = of(row)
            return fmt.figure(it, unit, now_ns), Ink.WARN if odd and it.value else figure_ink(it)

        def told(row: PromptRow) -> Told:
            return Told(title, of(row), unit, means, of=view.name(row.worker), window_s=row.window_s)

        return Column(title, width, cell, rank, told=told)

    return [
        number("prompt", 6, lambda row: row.prompt_tokens, Unit.COUNT, meanings.PROMPT),
        number("found", 5, lambda row: row.hit_rate.rate, Unit.SHARE, meanings.FOUND),
        number("residual", 8, lambda row: row.residual_tokens, Unit.COUNT, meanings.RESIDUAL, 1, odd=True),
        number("tax", 5, lambda row: row.recompute_tax, Unit.SHARE, meanings.TAX, 1, odd=True),
        number("preempt", 7, lambda row: row.preemptions, Unit.COUNT, meanings.PREEMPTED, 2, odd=True),
    ]


def fields(view: View, now_ns: int) -> list[Field[PromptRow]]:
    return [Field("worker", lambda row: view.name(row.worker)), *fields_of(columns(view, now_ns))]


def bar(row: PromptRow, size: int) -> tuple[int, int]:
    """Cells of what was found and of what was computed; none where either is not known."""
    found, computed = row.hit_tokens.value, row.computed_tokens.value
    if found is None or computed is None or not found + computed:
        return 0, 0
    cells = round(size * found / (found + computed))
    cells = min(max(cells, bool(found)), size - bool(computed))
    return cells, size - cells


def prompt_line(row: PromptRow, view: View, width: int, name: int, size: int, it: Grid[PromptRow]) -> Line:
    pen = Pen(name + size + 3).cell(clip_middle(view.name(row.worker), name), name, Ink.STRONG).gap()
    found, computed = bar(row, size)
    pen.put(ACTIVE * found, Ink.BAR_ACTIVE, found).put(EVICTABLE * computed, Ink.BAR_EVICTABLE, computed)
    return (*pen.line(), *row_lines(it, row, width - name - size - 3)[0])


class Prompts(RowsPanel):
    def body(self, view: View, width: int, height: int) -> Body:
        frame = view.frame
        every: Sequence[PromptRow] = frame.prompts if frame is not None else ()
        if frame is None or not every:
            text = "nobody tells where prompt tokens come from" if frame is not None else ABSENT
            return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
        rows = self.pick(every, lambda: fields(view, frame.time_ns))
        if not rows:
            return Body([], 0, 0, 0)
        least, most = NAME
        name = max(least, min(max(len(view.name(row.worker)) for row in rows), most))
        its = columns(view, frame.time_ns)
        it = grid(its, width - name - 3 - BAR[0], [column.width for column in its])
        taken = sum(size + it.gap for _, size in it.lines[0]) - it.gap
        size = max(BAR[0], min(width - name - 3 - taken, BAR[1]))
        shown = min(height - 1, len(rows))
        first = min(self.scroll_rows, len(rows) - shown)
        head = Pen(name + size + 3).cell(*signed("worker", name, "worker", self.order)).line()
        lines: list[Line] = [(*head, *heading(it, width - name - size - 3, self.order)[0])]
        lines += [prompt_line(row, view, width, name, size, it) for row in rows[first : first + shown]]
        return Body(
            lines,
            first,
            shown,
            len(rows),
            len(it.left_out),
            keys=[row.worker for row in rows],
            spots=stacked(shown, head=1),
            heads=[Head(0, name, "worker"), *(one._replace(x=one.x + name + size + 3) for one in heads(it))],
        )

    def fields(self, view: View) -> Sequence[Field[PromptRow]]:
        return fields(view, view.frame.time_ns) if view.frame is not None else ()

    def title(self, view: View) -> tuple[str, str]:
        return (
            "Prompt tokens",
            f"{ACTIVE} found {EVICTABLE} computed · tax: computed again ÷ computed",
        )

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        frame = view.frame
        found = next((one for one in frame.prompts if one.worker == row), None) if frame is not None else None
        if found is None:
            return ()
        return told_of(columns(view, frame.time_ns), found) if frame is not None else ()
