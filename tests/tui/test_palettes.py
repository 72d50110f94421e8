"""The themes: contrasts, and hues that are told apart, also by those who see fewer of them."""

from itertools import combinations

import pytest

from collectors.model.vocabulary import Device
from tests.tui.colour import DEUTERANOPIA, NORMAL, PROTANOPIA, ciede2000, contrast, lab, luminance, rgb
from tui.palettes import ANSI, LIGHT, PALETTES, SAFE
from tui.theme import LATENESS_STEPS, Ink, Palette, styles

FIXED = [palette for palette in PALETTES.values() if palette is not ANSI]
KINDS = [device for device in Device if device not in (Device.CPU, Device.UNKNOWN)]
QUIET = (Ink.FAINT, Ink.BAR_FREE)
"""Rules, frames and what is not there: they say nothing that is not said otherwise."""
GRAPHICS = (Ink.BAR_ACTIVE, Ink.BAR_EVICTABLE)
STATES = (Ink.GOOD, Ink.WARN, Ink.BAD)
VISIONS = {"normal": NORMAL, "protanopia": PROTANOPIA, "deuteranopia": DEUTERANOPIA}


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_difference_is_that_of_its_authors(
    one: tuple[float, float, float], other: tuple[float, float, float], difference: float
) -> None:
    """Rows of the test data of Sharma, Wu and Dalal (2005)."""
    assert ciede2000(one, other) == pytest.approx(difference, abs=1e-4)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast(rgb(16), rgb(231)) == pytest.approx(21)
    assert contrast((119 / 255,) * 3, rgb(231)) == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize("palette", FIXED, ids=lambda palette: palette.name)
def test_text_can_be_read(palette: Palette) -> None:
    """WCAG AA: 4.5 for text, 3 for graphics; AAA (7) where contrast is what was asked for. Also on the row under the cursor."""
    assert palette.fore is not None
    assert palette.back is not None
    assert palette.row is not None
    least = 7.0 if palette.name.endswith("contrast") else 4.5
    for ink, paint in palette.paints.items():
        fore = palette.fore if paint.fore is None else paint.fore
        back = palette.back if paint.back is None else paint.back
        if ink in QUIET:
            continue
        need = 3.0 if ink in GRAPHICS else least
        assert contrast(rgb(fore), rgb(back)) >= need, ink.name
        if paint.back is None:
            assert contrast(rgb(fore), rgb(palette.row)) >= min(need, 4.5) * 0.8, f"{ink.name} under the cursor"
    assert all(contrast(rgb(number), rgb(palette.back)) >= 2.5 for number in palette.heat)


@pytest.mark.parametrize("palette", FIXED, ids=lambda palette: palette.name)
def test_kinds_of_device_are_seen_and_told_apart(palette: Palette) -> None:
    assert palette.back is not None
    for steps in palette.devices.values():
        assert all(contrast(rgb(number), rgb(palette.back)) >= 3 for number in steps[1:])
        away = [abs(luminance(rgb(number)) - luminance(rgb(palette.back))) for number in steps]
        assert away == sorted(away), "later is further from the ground"
    for one, other in combinations([*KINDS, Device.CPU], 2):
        first, second = (lab(rgb(palette.devices[device][1])) for device in (one, other))
        assert ciede2000(first, second) >= 15, (one, other)


@pytest.mark.parametrize("vision", VISIONS)
def test_the_safe_theme_is_told_apart_by_those_who_see_fewer_hues(vision: str) -> None:
    """Simulated after Machado, Oliveira and Fernandes (2009), severity 1."""
    for one, other in combinations([*KINDS, Device.CPU], 2):
        for step in (1, 2):
            first, second = (lab(rgb(SAFE.devices[kind][step]), VISIONS[vision]) for kind in (one, other))
            assert ciede2000(first, second) >= (14 if step == 1 else 10), (one, other, step)
    inks = [SAFE.paints[ink].fore for ink in STATES]
    for fore, behind in combinations(inks, 2):
        assert fore is not None
        assert behind is not None
        assert ciede2000(lab(rgb(fore), VISIONS[vision]), lab(rgb(behind), VISIONS[vision])) >= 20
    for cooler, hotter in zip(SAFE.heat, SAFE.heat[1:], strict=False):
        assert ciede2000(lab(rgb(cooler), VISIONS[vision]), lab(rgb(hotter), VISIONS[vision])) >= 8


def test_the_other_themes_would_not_do() -> None:
    """The measure measures: what is right for one eye is not for another."""
    worst = min(
        ciede2000(lab(rgb(LIGHT.devices[a][1]), DEUTERANOPIA), lab(rgb(LIGHT.devices[b][1]), DEUTERANOPIA))
        for a, b in combinations(KINDS, 2)
    )
    assert worst < 10


def test_the_terminals_own_colours_are_its_sixteen() -> None:
    for style in styles(ANSI):
        for colour in (style.color, style.bgcolor):
            assert colour is not None
            assert colour.is_default or (colour.number is not None and colour.number < 16)
    for device in KINDS:
        assert len({ANSI.devices[one][1] for one in KINDS}) == len(KINDS), device


@pytest.mark.parametrize("palette", PALETTES.values(), ids=lambda palette: palette.name)
def test_a_theme_is_whole(palette: Palette) -> None:
    assert set(palette.paints) == set(list(Ink)[: list(Ink).index(Ink.HEAT)])
    assert set(palette.devices) == set(Device)
    assert all(len(steps) == LATENESS_STEPS for steps in palette.devices.values())
    assert len(styles(palette)) == len(styles(palette, colour=False))
