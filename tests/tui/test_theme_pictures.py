"""The same screens in each theme as pictures, as the app exports them: all colours that a terminal gets."""

import pytest

from tests.tui.demo import demo
from tests.tui.screen import at_rest, running
from tests.tui.test_golden import GOLDENS, check
from tui.palettes import PALETTES

PAGES = {"overview": "1", "jitter": "4"}


@pytest.mark.parametrize("name", PALETTES)
@pytest.mark.parametrize("page", PAGES)
async def test_the_picture(page: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    async with running(demo().played(), (80, 24)) as (app, pilot):
        app.dress(name)
        await pilot.press(PAGES[page])
        await at_rest(pilot)
        check(f"{page}-{name}.svg", app.export_screenshot(title=f"tokenyard: {page}"))


def test_no_two_themes_look_the_same() -> None:
    for page in PAGES:
        pictures = {(GOLDENS / f"{page}-{name}.svg").read_text() for name in PALETTES}
        assert len(pictures) == len(PALETTES)
