"""What is kept between runs, and what the configuration chooses."""

import stat
from pathlib import Path

import pytest

from tests.tui import frames
from tests.tui.playing import Played
from tests.tui.screen import settled, text
from tui.app import TokenyardApp
from tui.choices import Choices
from tui.palettes import PALETTES
from tui.remembered import PageState, Remembered, load, save


def app_of(choices: Choices) -> TokenyardApp:
    return TokenyardApp(Played([frames.emulated()]), choices)


async def test_the_next_run_begins_as_the_last_one_ended(tmp_path: Path) -> None:
    choices = Choices(kept=tmp_path / "state" / "screen.json")
    app = app_of(choices)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("t", "x", "s", "5")
        await settled(pilot)
    again = app_of(choices)
    async with again.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert again.page.name == "requests"
        assert again.palette == "light"
        await pilot.press("1")
        await settled(pilot)
        assert "Fleet" not in text(again)
        assert "▸Tiers" in text(again)
        await pilot.press("X")
        await settled(pilot)
        assert "Fleet" in text(again)
    one_page = app_of(choices)
    async with one_page.run_test() as pilot:
        await settled(pilot)
    assert "requests" in load(choices.kept or tmp_path)[0].pages, "pages that were not looked at keep theirs"


def test_what_is_written_is_read_and_only_its_folders_owner_can(tmp_path: Path) -> None:
    path = tmp_path / "state" / "screen.json"
    kept = Remembered("safe", "slo", {"overview": PageState(["river"], {"fleet": ("gap.p99", True)})})
    save(path, kept)
    assert load(path) == (kept, "")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["screen.json"]
    assert load(tmp_path / "nothing") == (Remembered(), "")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b'{"version": 2}', b"\xff\xfe", b'{"version": 1, "theme": "", "page": "", "pages": {"a": {"hidden": 3, "orders": {}}}}', b"[" * 100_000, b" " * (2 << 20)],
    ids=range(9),
)  # fmt: skip
async def test_a_broken_file_is_left_out_and_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "screen.json"
    path.write_bytes(content)
    kept, problem = load(path)
    assert kept == Remembered()
    assert "begins anew" in problem
    app = app_of(Choices(kept=path))
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        for _ in range(100):
            await settled(pilot)
            if "anew" in text(app):
                break
        assert "anew" in text(app)


async def test_what_is_kept_of_what_is_no_more_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "screen.json"
    gone = PageState(
        ["fleet", "tiers", "river", "stalls", "no such"], {"fleet": ("no such", True), "gone": ("x", False)}
    )
    save(path, Remembered("no such", "no such", {"overview": gone, "no such": gone}))
    app = app_of(Choices(kept=path))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert app.page.name == "overview"
        assert app.palette == next(iter(PALETTES))
        assert "▸Fleet" in text(app)


async def test_what_is_chosen_goes_before_what_was_last(tmp_path: Path) -> None:
    path = tmp_path / "screen.json"
    save(path, Remembered("light", "requests"))
    keys = {"pause-or-resume": "p", "no-such": "k"}
    app = app_of(Choices(theme="contrast", page="overview", glyphs="ascii", keys=keys, stage=True, kept=path))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert (app.palette, app.page.name) == ("contrast", "overview")
        assert text(app).isascii()
        assert "p pause" in text(app)
        await pilot.press("space")
        assert "LIVE" in text(app)
        await pilot.press("p")
        await settled(pilot)
        assert "PAUSED" in text(app)
        app.pace.focused = False
        assert app.pace.due()
        assert app.pace.due(), "on a stage"
