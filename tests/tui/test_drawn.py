"""Rows that look as they did are not drawn again, and look as if they were."""

import msgspec
import pytest

from collectors.model.frame import Frame, WorkerRow
from collectors.model.memory import TierRow
from collectors.model.vocabulary import TargetStatus
from tests.tui import frames
from tui import table
from tui.line import Line
from tui.table import Drawn
from tui.view import View, worker_names
from tui.widgets import fleet as fleet_panel
from tui.widgets import tiers as tiers_panel

FLEET = frames.big_fleet(300)


def view(frame: Frame) -> View:
    return View(frame, frame, names=worker_names(row.id for row in frame.workers))


def later(frame: Frame, ticks: int = 1) -> Frame:
    return msgspec.structs.replace(frame, time_ns=frame.time_ns + ticks * frames.TICK_NS)


def test_only_rows_on_the_screen_are_drawn_and_only_those_that_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(it: table.Grid[WorkerRow], row: WorkerRow, width: int) -> list[Line]:
        asked.append(row.id)
        return table.row_lines(it, row, width)

    monkeypatch.setattr(fleet_panel, "row_lines", counted)
    drawn: Drawn[WorkerRow, list[Line]] = Drawn()
    frame = frames.emulated(3600, FLEET)
    body = fleet_panel.fleet(view(frame), 160, 41, 10, drawn=drawn)
    assert (body.shown, body.total) == (40, 300)
    assert asked == [row.id for row in frame.workers[10:50]]
    asked.clear()
    fleet_panel.fleet(view(later(frame)), 160, 41, 10, drawn=drawn)
    assert asked == []
    rows = list(frame.workers)
    rows[20] = msgspec.structs.replace(rows[20], waiting=frames.known(77))
    rows[200] = msgspec.structs.replace(rows[200], waiting=frames.known(77))
    changed = msgspec.structs.replace(frame, workers=tuple(rows))
    fleet_panel.fleet(view(changed), 160, 41, 10, drawn=drawn)
    assert asked == [rows[20].id]


def test_what_was_drawn_before_looks_as_if_drawn_anew() -> None:
    known: Drawn[WorkerRow, list[Line]] = Drawn()
    levels: Drawn[TierRow, Line] = Drawn()
    first = frames.emulated(3600)
    trouble = frames.with_trouble(3600)
    aged = later(trouble, 4 * 30)
    down = msgspec.structs.replace(
        first, targets=tuple(msgspec.structs.replace(row, status=TargetStatus.DOWN) for row in first.targets)
    )
    mixed = msgspec.structs.replace(
        first,
        workers=(
            msgspec.structs.replace(first.workers[0], tokens_per_s=frames.known(1, emulated=False)),
            *first.workers[1:],
        ),
    )
    for frame in (first, trouble, later(trouble), aged, down, mixed, first, frames.emulated(3601)):
        for width, height, top, fold in ((150, 20, 0, False), (100, 20, 1, False), (100, 40, 0, True)):
            shown = view(frame)
            again = fleet_panel.fleet(shown, width, height, top, fold=fold, drawn=known)
            assert again == fleet_panel.fleet(shown, width, height, top, fold=fold)
            for columns in (1, 2):
                assert tiers_panel.tiers(shown, width, 6, top, columns, levels) == tiers_panel.tiers(
                    shown, width, 6, top, columns
                )
