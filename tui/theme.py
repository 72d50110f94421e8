"""Colours: every style that is drawn, by the meaning that it carries, for each theme.

All colours are of the fixed part (16–255) of the 256-colour palette: the same in every terminal and in tmux, and half the bytes of true colour. Nothing
is told by colour alone; with NO_COLOR only bold and reverse are left.
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
    fore: int
    back: int
    paints: dict[Ink, Paint]
    heat: tuple[int, int, int, int, int]
    devices: dict[Device, tuple[int, int, int, int]]
    row: int
    """Ground of the row under the cursor."""


DARK: Final = Palette(
    name="tokenyard-dark",
    dark=True,
    fore=252,
    back=234,
    paints={
        Ink.TEXT: Paint(),
        Ink.DIM: Paint(246),
        Ink.FAINT: Paint(240),
        Ink.STRONG: Paint(255, bold=True),
        Ink.HEADING: Paint(153, bold=True),
        Ink.ACCENT: Paint(117),
        Ink.GOOD: Paint(114, bold=True),
        Ink.WARN: Paint(215, bold=True),
        Ink.BAD: Paint(210, bold=True),
        Ink.BADGE: Paint(234, 215, bold=True),
        Ink.BAR_ACTIVE: Paint(75),
        Ink.BAR_EVICTABLE: Paint(67),
        Ink.BAR_FREE: Paint(239),
        Ink.STALL: Paint(210, bold=True),
        Ink.CURSOR: Paint(234, 255, bold=True),
    },
    heat=(66, 109, 179, 215, 203),
    devices={
        Device.LPU: (30, 37, 80, 159),
        Device.GPU: (64, 71, 113, 193),
        Device.TPU: (61, 68, 111, 189),
        Device.TRAINIUM: (130, 172, 214, 223),
        Device.WSE: (96, 133, 176, 225),
        Device.CPU: (240, 245, 250, 255),
        Device.UNKNOWN: (240, 245, 250, 255),
    },
    row=237,
)
LIGHT: Final = Palette(
    name="tokenyard-light",
    dark=False,
    fore=236,
    back=255,
    paints={
        Ink.TEXT: Paint(),
        Ink.DIM: Paint(241),
        Ink.FAINT: Paint(249),
        Ink.STRONG: Paint(232, bold=True),
        Ink.HEADING: Paint(24, bold=True),
        Ink.ACCENT: Paint(25),
        Ink.GOOD: Paint(22, bold=True),
        Ink.WARN: Paint(94, bold=True),
        Ink.BAD: Paint(124, bold=True),
        Ink.BADGE: Paint(231, 94, bold=True),
        Ink.BAR_ACTIVE: Paint(25),
        Ink.BAR_EVICTABLE: Paint(67),
        Ink.BAR_FREE: Paint(250),
        Ink.STALL: Paint(160, bold=True),
        Ink.CURSOR: Paint(255, 232, bold=True),
    },
    heat=(109, 66, 136, 166, 160),
    devices={
        Device.LPU: (116, 37, 30, 23),
        Device.GPU: (150, 71, 28, 22),
        Device.TPU: (147, 68, 26, 17),
        Device.TRAINIUM: (180, 172, 130, 94),
        Device.WSE: (182, 133, 90, 53),
        Device.CPU: (249, 245, 240, 234),
        Device.UNKNOWN: (249, 245, 240, 234),
    },
    row=252,
)
PALETTES: Final = {palette.name: palette for palette in (DARK, LIGHT)}


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
        foreground=_hex(palette.fore),
        background=_hex(palette.back),
        surface=_hex(palette.back),
        panel=_hex(236 if palette.dark else 253),
    )


def _style(paint: Paint, fore: int, back: int) -> Style:
    fore = fore if paint.fore is None else paint.fore
    back = back if paint.back is None else paint.back
    return Style(color=Color.from_ansi(fore), bgcolor=Color.from_ansi(back), bold=paint.bold or None)


def _colourless(paint: Paint) -> Style:
    return Style(bold=paint.bold or None, reverse=(paint.back is not None) or None)


def _hex(number: int | None) -> str:
    assert number is not None
    return str(Color.from_ansi(number).get_truecolor().hex)
