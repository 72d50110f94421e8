"""Every show that comes with tokenyard: the screen at the end of each chapter, and what its chapters say."""

from pathlib import Path

import pytest
from rich.cells import cell_len

from collectors.diagnose.claims import parsed
from emulators.scenarios import SCENARIOS
from tests.tui.screen import at_rest, lines, settled, text
from tests.tui.test_golden import check
from tests.tui.test_show import until
from tui.app import TokenyardApp
from tui.show import notes
from tui.show.driver import ShowDriver
from tui.show.scripts import script_of

SHOWS = {name: one for name, one in SCENARIOS.items() if one.chapters}
SIZES = ((80, 24), (120, 36))
SEED = 7
TICK = 250_000_000


def test_there_are_the_shows_that_are_wanted() -> None:
    assert set(SHOWS) >= {
        "face-off", "prefill-storm", "agent-day", "kv-journey", "afd", "bad-day", "voice", "economics",
    }  # fmt: skip


@pytest.mark.parametrize("name", SHOWS)
def test_a_show_is_told_in_chapters_of_one_sentence_with_claims(name: str) -> None:
    one = SHOWS[name]
    assert 60 <= one.length_s <= 300
    assert len(one.chapters) >= 3
    assert sum(bool(chapter.claim) for chapter in one.chapters) >= 2
    for chapter in one.chapters:
        assert chapter.look
        assert chapter.caption.endswith(".")
        assert chapter.caption.count(". ") == 0
        if chapter.claim:
            parsed(chapter.claim)


@pytest.mark.parametrize("name", SHOWS)
async def test_the_screen_at_each_chapters_end(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "folder", lambda: tmp_path / "run")
    script = script_of(name)
    assert script is not None
    driver = ShowDriver(script, name, SEED, None)
    app = TokenyardApp(driver)
    async with app.run_test(size=SIZES[0]) as pilot:
        await until(lambda: app.playhead.shown is not None)
        ends = [end_ns - TICK for end_ns in (*script.begins[1:], script.length_ns)]
        driver.player.stops = ends
        for number, (chapter, at_ns) in enumerate(zip(script.chapters, ends, strict=True), 1):
            app.playhead.hold(False)
            driver.jump(at_ns)
            await until(lambda at_ns=at_ns: driver.ahead_ns is None and driver.world_ns >= at_ns)  # type: ignore[misc]
            app.action_seek(at_ns)
            await settled(pilot)
            assert app.playhead.shown is not None
            assert app.playhead.shown.time_ns == at_ns
            app.open_page(chapter.look.partition("/")[0])
            for size in SIZES:
                await pilot.resize_terminal(*size)
                await at_rest(pilot)
                await until(lambda: not app.page.looks_into_requests or driver.detail is not None)
                await at_rest(pilot)
                shown = lines(app)
                assert "EMULATED" in text(app)
                assert all(cell_len(line) <= size[0] for line in shown)
                check(f"show-{name}-{number}-{size[0]}x{size[1]}", text(app))
