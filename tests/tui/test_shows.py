"""Every show that comes with tokenyard: the screen at the end of each chapter, and what its chapters say."""

from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from emulators.scenarios import SCENARIOS
from tests.tui.screen import at_rest, lines, text
from tests.tui.test_golden import check
from tests.tui.test_show import S, until
from tui.app import TokenyardApp
from tui.cli import cli
from tui.headless import demo_frames
from tui.replaying import ReplayDriver
from tui.show.claims import claims_of

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
    claims_of(name, one)


def test_a_claim_of_a_users_file_that_is_none_is_refused_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    text = (resources.files("emulators.deployments") / "voice.toml").read_text("utf-8")
    assert "p99(gap, lpu)" in text
    file.write_text(text.replace("p99(gap, lpu)", "p99(gaps, lpu)", 1), "utf-8")
    told = CliRunner().invoke(cli, ["demo", str(file), "--rehearse"])
    assert told.exit_code == 2
    assert f"{file}: [[chapter]] 2 'Faster than speech': claim: 'gaps' is not gap, ttft, tpot or queue" in told.output


@pytest.mark.parametrize("name", SHOWS)
async def test_the_screen_at_each_chapters_end(name: str, tmp_path: Path) -> None:
    """Of a recording of the show, in which all that will be is known at any moment."""
    one, path = SHOWS[name], tmp_path / "show.tyard"
    await demo_frames(name, SEED, one.length_s, path, lambda _: None)
    driver = ReplayDriver(path, 0.0)
    driver.player.playing = False
    app = TokenyardApp(driver)
    async with app.run_test(size=SIZES[0]) as pilot:
        await until(lambda: app.playhead.shown is not None)
        ends = [round(end_s * S) - TICK for end_s in (*(chapter.at_s for chapter in one.chapters[1:]), one.length_s)]
        for number, (chapter, at_ns) in enumerate(zip(one.chapters, ends, strict=True), 1):
            app.action_seek(at_ns)
            app.open_page(chapter.look.partition("/")[0])
            for size in SIZES:
                await pilot.resize_terminal(*size)
                await at_rest(pilot)
                await until(lambda: not app.page.looks_into_requests or driver.detail is not None)
                await at_rest(pilot)
                shown = lines(app)
                assert app.playhead.shown is not None
                assert app.playhead.shown.time_ns == at_ns
                assert "EMULATED" in text(app)
                assert all(cell_len(line) <= size[0] for line in shown)
                check(f"show-{name}-{number}-{size[0]}x{size[1]}", text(app))
