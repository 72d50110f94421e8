"""Tiers that are known in other units than bytes are drawn as full as they are."""

import msgspec

from collectors.model.figure import Figure
from collectors.model.memory import TierRow
from collectors.model.vocabulary import Provenance, State, Tier
from tests.tui import frames
from tui import format as fmt
from tui.format import Unit
from tui.line import text_of
from tui.playhead import Mode
from tui.view import View
from tui.widgets.tiers import bar, cols, fill, tier_line

ABSENT = Figure(None, State.ABSENT, None, False, None)


def told(value: float, unit: str) -> Figure:
    return Figure(value, State.OK, Provenance.REPORTED, False, 0, msgspec.UNSET, unit)


def test_a_share_is_of_the_whole() -> None:
    active = fill(TierRow("w", None, Tier.DRAM, ABSENT, told(0.4, "ratio"), ABSENT, ABSENT))
    assert active.active_only
    assert bar(active, 10) == (4, 0, 6)
    used = fill(TierRow("w", None, Tier.DRAM, told(0.5, "ratio"), ABSENT, ABSENT, ABSENT))
    assert bar(used, 10) == (0, 5, 5)


def test_blocks_are_counted() -> None:
    assert fmt.figure(told(4096, "blocks"), Unit.BYTES)[0] == "4096"
    assert fmt.figure(told(4096, "tokens"), Unit.BYTES)[0] == "4.10k tok"
    assert fmt.figure(told(0.148, "ratio"), Unit.BYTES)[0] == "15 %"
    assert fmt.figure(told(4096, "ells"), Unit.BYTES)[0] == "4.00 KiB"


def test_a_long_tier_is_cut_and_no_figure_beside_it() -> None:
    frame = frames.emulated(3600)
    row = msgspec.structs.replace(frame.tiers[0], tier=Tier.OBJECT)
    seen = View(frame, frame, Mode.FOLLOWING)
    for width in (44, 60, 78):
        it = cols(frame, seen, width)
        other = tier_line(frame.tiers[0], seen, width, it, repeat=False)
        line = tier_line(row, seen, width, it, repeat=False)
        assert text_of([line])[it.owner + 7 :] == text_of([other])[it.owner + 7 :]
        assert text_of([line])[it.owner :][:7] == " obje… "
