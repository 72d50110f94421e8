"""Colours: every style that is drawn, by the meaning that it carries, for each theme.

All colours are of the fixed part (16–255) of the 256-colour palette: the same in every terminal and in tmux, and half the bytes of true colour; but for the
theme that has the terminal's own 16. Nothing is told by colour alone; with NO_COLOR only bold and reverse are left. The themes are in `palettes`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from rich.color import Color
from rich.style import Style
from textual.theme import Theme

from collectors.model.vocabulary import Device

LATENESS_STEPS: Final = 4
"""Nothing to judge, on time, late, later: brightness of a device's hue."""
HEAT_STEPS: Final = 5


class Ink(IntEnum):
    """What a run of cells means."""

    TEXT = 0
    DIM = 1
    FAINT = 2
    STRONG = 3
    HEADING = 4
    ACCENT = 5
    GOOD = 6
    WARN = 7
    BAD = 8
    BADGE = 9
    BAR_ACTIVE = 10
    BAR_EVICTABLE = 11
    BAR_FREE = 12
    STALL = 13
    CURSOR = 14
    HEAT = 15
    """The first of HEAT_STEPS."""
    DEVICE = 20
    """The first of LATENESS_STEPS for each device kind, in the order of `_DEVICES`."""


_DEVICES: Final = tuple(Device)
UNDER_CURSOR: Final = Ink.DEVICE + LATENESS_STEPS * len(_DEVICES)
"""Added to an ink: the same on the ground of the row under the cursor."""
_HUE: Final = {device: Ink.DEVICE + LATENESS_STEPS * index for index, device in enumerate(_DEVICES)}
ON_TIME: Final = 1


def device_ink(device: Device, lateness: int = ON_TIME) -> int:
    """The ink of a device kind's hue at a lateness of 0 … LATENESS_STEPS − 1."""
    return _HUE[device] + lateness


class Paint(NamedTuple):
    """Colour numbers and attributes of an ink; None is the theme's own foreground or background."""

    fore: int | None = None
    back: int | None = None
    bold: bool = False
    reverse: bool = False


class Palette(NamedTuple):
    """One theme. `devices` has LATENESS_STEPS colours for each device kind, from nothing to judge to very late."""

    name: str
    dark: bool
    fore: int | None
    back: int | None
    """None, here and below: the terminal's own."""
    paints: dict[Ink, Paint]
    heat: tuple[int, int, int, int, int]
    devices: dict[Device, tuple[int, int, int, int]]
    row: int | None
    """Ground of the row under the cursor."""
    panel: int
    """Ground of what Textual draws over the screen."""


def styles(palette: Palette, *, colour: bool = True) -> tuple[Style, ...]:
    """The style of every ink, by number. Without colour, bold and reverse stay, and the terminal's own colours."""
    paints: list[Paint] = [palette.paints[ink] for ink in list(Ink)[: Ink.HEAT]]
    paints += [Paint(number) for number in palette.heat]
    paints += [Paint(number) for device in _DEVICES for number in palette.devices[device]]
    grounds = (palette.back, palette.row)
    return tuple(
        _style(paint, palette.fore, back) if colour else _colourless(paint) for back in grounds for paint in paints
    )


def textual_theme(palette: Palette) -> Theme:
    """The same colours for what Textual draws itself: overlays, the palette, the screen's ground."""
    paints = palette.paints
    return Theme(
        name=palette.name,
        dark=palette.dark,
        primary=_hex(paints[Ink.ACCENT].fore),
        secondary=_hex(paints[Ink.HEADING].fore),
        warning=_hex(paints[Ink.WARN].fore),
        error=_hex(paints[Ink.BAD].fore),
        success=_hex(paints[Ink.GOOD].fore),
        accent=_hex(paints[Ink.ACCENT].fore),
        foreground=_hex(palette.fore, 252 if palette.dark else 236),
        background=_hex(palette.back, 16 if palette.dark else 231),
        surface=_hex(palette.back, 16 if palette.dark else 231),
        panel=_hex(palette.panel),
    )


def _style(paint: Paint, fore: int | None, back: int | None) -> Style:
    fore = fore if paint.fore is None else paint.fore
    back = back if paint.back is None else paint.back
    return Style(color=_colour(fore), bgcolor=_colour(back), bold=paint.bold or None, reverse=paint.reverse or None)


def _colour(number: int | None) -> Color:
    return Color.default() if number is None else Color.from_ansi(number)


def _colourless(paint: Paint) -> Style:
    return Style(bold=paint.bold or None, reverse=(paint.back is not None) or None)


def _hex(number: int | None, instead: int = 252) -> str:
    number = instead if number is None else number
    return str(Color.from_ansi(number).get_truecolor().hex)
