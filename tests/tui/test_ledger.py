"""Jitter's ledger has the longest stalls beside the newest, by when or by how long."""

import re

import msgspec

from collectors.model.vocabulary import Provenance
from collectors.stats.figures import figure
from tests.tui import frames
from tests.tui.playing import Played
from tests.tui.screen import lines, running, settled
from tui.widgets.rows import RowsPanel
from tui.widgets.stalls import StallKey


async def test_a_long_stall_is_last_by_time_and_first_by_length() -> None:
    frame = frames.emulated(3600)
    newest = frame.stalls[0]
    gap = figure(7.5, Provenance.DERIVED, emulated=True, heard_ns=0)
    long = msgspec.structs.replace(newest, at=newest.at - 20, request="long-ago", gap_s=gap)
    frame = msgspec.structs.replace(frame, long_stalls=(long,))
    async with running(Played([frame]), (120, 36)) as (app, pilot):
        await pilot.press("4")
        await settled(pilot)
        ledger = app.page.own["ledger"]
        assert isinstance(ledger, RowsPanel)
        app.page.put_cursor("ledger")
        first = {}
        for by in ("at", "gap"):
            while ledger.order is None or ledger.order.field != by:
                await pilot.press("s")
                await settled(pilot)
            shown = (re.search(r"gpu-1 +(r-\d+|long-ago)", line) for line in lines(app))
            first[by] = next(found[1] for found in shown if found)
        assert (first["at"], first["gap"]) == (newest.request, "long-ago")
        app.page.put_cursor("ledger", StallKey(long.at, long.worker, long.request))
        await pilot.press("i")
        await settled(pilot)
        assert any("of long-ago" in line for line in lines(app))
