"""Rows of the large token river as text: how high, how bright and in which hue each cell is. Pure.

A row has a track for the stage that made its tokens, and one for the stages that they passed beside it, in another family of glyphs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from operator import or_
from typing import TYPE_CHECKING, Final

from collectors.model.detail import NO_PLACE, Cell
from collectors.model.vocabulary import Device, Stage, Tier
from tui.glyphs import BUCKET_HEIGHTS, HEIGHTS, NO_DATA, STALL, UNOBSERVED
from tui.line import Line, Pen
from tui.theme import Ink, device_ink
from tui.widgets.river import STALLED, STEPS, glyphs_by_height, top

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collectors.model.detail import Place, River, RiverLine

STAGE_LETTERS: Final = {
    Stage.UNKNOWN: "–", Stage.PREFILL: "P", Stage.DECODE: "D", Stage.ATTENTION: "T",
    Stage.FFN: "F", Stage.DRAFT: "S", Stage.VERIFY: "V",
}  # fmt: skip
_DEVICES: Final = tuple(Device)
_TIER_HUES: Final = {
    Tier.SRAM: Device.LPU, Tier.HBM: Device.GPU, Tier.GDDR: Device.TPU, Tier.DRAM: Device.TRAINIUM, Tier.FLASH: Device.WSE,
    Tier.OBJECT: Device.CPU, Tier.PEER: Device.CPU, Tier.UNKNOWN: Device.UNKNOWN,
}  # fmt: skip
"""Tiers in the hues of the devices that mostly have them."""
_LATE: Final = 3
"""Bits of a cell's code for its lateness; above them its hue."""
_EMPTY: Final = 0xF0
"""From here on cells that say nothing of tokens, by `Cell`."""
_UNSEEN: Final = re.compile(rb"[^\0]+")
"""Cells that are not `Cell.SEEN`."""
_UNSEEN_CODES: Final = bytes(min(_EMPTY + seen, 255) for seen in range(256))


RUNS: Final = re.compile(rb"(.)\1*", re.DOTALL)
"""Of equal bytes."""
CAPPED: Final = bytes(min(late, STALLED) for late in range(256))
"""For `bytes.translate`: lateness classes as they are drawn."""


class Hue(StrEnum):
    DEVICE = "device"
    TIER = "tier"


def place_hue(place: Place, hue: Hue, devices: Mapping[str, Device]) -> Device:
    return _TIER_HUES[place.tier] if hue is Hue.TIER else devices.get(place.worker, Device.UNKNOWN)


def hues(river: River, hue: Hue, devices: Mapping[str, Device]) -> bytes:
    """A table from a cell's place to its hue's code."""
    table = bytearray([_DEVICES.index(Device.UNKNOWN) << _LATE]) * 256
    for number, place in enumerate(river.places):
        table[number] = _DEVICES.index(place_hue(place, hue, devices)) << _LATE
    return bytes(table)


@dataclass(frozen=True)
class Track:
    """Values of a row's cells, to be drawn `lines` high. `about`: the other stages."""

    values: Sequence[int]
    late: bytes
    place: bytes
    seen: bytes
    beside: bool = False

    @property
    def stage(self) -> int:
        """Number of the place of the newest cell that has one; NO_PLACE without any."""
        return next((one for one in reversed(self.place) if one != NO_PLACE), NO_PLACE)


def tracks(line: RiverLine, *, both: bool) -> list[Track]:
    """`both`: rows have room for the other stages, where any row has them."""
    made = Track(line.tokens, line.late, line.place, line.seen)
    beside = Track(line.beside_tokens, bytes(len(line.late)), line.beside, line.seen, beside=True)
    if both:
        return [made, beside]
    return [beside] if any(line.beside_tokens) and not any(line.tokens) else [made]


@lru_cache(64)
def _by_height(lines: int, glyphs: str) -> tuple[dict[int, str], ...]:
    """For `str.translate`: the glyph by the height of the column, of each line."""
    return tuple(dict(enumerate(some)) for some in glyphs_by_height(lines, glyphs))


def drawn(track: Track, hue_of: bytes, lines: int, scale: int) -> list[Line]:
    """A cell a column, `lines` high, the highest line first; `scale` tokens fill a column."""
    values = track.values
    codes = bytearray(map(or_, track.place.translate(hue_of), track.late.translate(CAPPED)))
    for unseen in _UNSEEN.finditer(track.seen):
        codes[unseen.start() : unseen.end()] = unseen[0].translate(_UNSEEN_CODES)
    high = bytes([-(-value * STEPS * lines // scale) for value in values]).decode("latin-1")
    runs = [(match.start(), match.end(), match[0][0]) for match in RUNS.finditer(codes)]
    out = []
    for line, glyphs in enumerate(_by_height(lines, BUCKET_HEIGHTS if track.beside else HEIGHTS)):
        cells = high.translate(glyphs)
        pen = Pen(len(values))
        for start, end, code in runs:
            size = end - start
            if code >= _EMPTY:
                _unseen(pen, code - _EMPTY, size, lowest=line == lines - 1)
                continue
            late = code & ((1 << _LATE) - 1)
            text = STALL * size if late == STALLED and line == 0 else cells[start:end]
            if text.isspace():
                pen.gap(size)
            else:
                ink = Ink.STALL if late == STALLED else device_ink(_DEVICES[code >> _LATE], late)
                pen.put(text, ink, size)
        out.append(pen.line())
    return out


def scale_of(track: Track) -> int:
    return top(max(track.values, default=0))


def _unseen(pen: Pen, state: int, size: int, *, lowest: bool) -> None:
    glyph = {Cell.UNOBSERVED: UNOBSERVED, Cell.NOT_KEPT: NO_DATA}.get(state, " ") if lowest else " "
    if glyph == " ":
        pen.gap(size)
    else:
        pen.put(glyph * size, Ink.FAINT, size)
