"""`cast`: what a film shows at any moment is the screen of that moment."""

import asyncio
import io
import json
import re
from pathlib import Path

import pytest

from tests.e2e.commands import tokenyard
from tests.tui.screen import lines
from tui.app import TokenyardApp
from tui.casting import Film, Press, film
from tui.headless import demo_frames
from tui.replaying import ReplayDriver

SIZE = (100, 24)
SPAN_S = (0.25, 8.0)
_LINE = re.compile(r"\x1b\[(\d+);1H((?:(?!\x1b\[\d+;1H).)*)", re.DOTALL)
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cast") / "demo.tyard"
    asyncio.run(demo_frames("default", 7, SPAN_S[1], path, lambda _: None))
    return path


async def filmed(
    recording: Path, it: Film, page: str = "1", *presses: Press
) -> tuple[dict[str, object], list[tuple[float, str]]]:
    out = io.BytesIO()
    pictures = await film(out, recording, SPAN_S, SIZE, it, page, presses)
    head, *events = map(json.loads, out.getvalue().decode().splitlines())
    assert pictures == it.pictures
    assert all(kind == "o" for _, kind, _ in events)
    return head, [(at, text) for at, _, text in events]


def seen(events: list[tuple[float, str]], until_s: float) -> list[str]:
    """As a terminal has it then."""
    screen = [""] * SIZE[1]
    for at, text in events:
        if at > until_s:
            break
        for row, line in _LINE.findall(text):
            screen[int(row) - 1] = _STYLE.sub("", line).split("\x1b")[0].rstrip()
    return screen


async def shown(recording: Path, at_s: float, key: str) -> list[str]:
    driver = ReplayDriver(recording, at_s)
    app = TokenyardApp(driver)
    async with app.run_test(size=SIZE) as pilot:
        driver.player.playing = False
        while app.playhead.shown is None:
            await pilot.pause()
        await pilot.press(key)
        while app.page.looks_into_requests and driver.detail is None:
            await pilot.pause(0.01)
        await pilot.pause(0.2)
        return lines(app)


@pytest.mark.parametrize("key", ["1", "2", "4"])
async def test_a_moment_of_a_film_is_the_screen_of_that_moment(recording: Path, key: str) -> None:
    _, events = await filmed(recording, Film(1.0, 7.0, 2.0, 1.0), key)
    assert seen(events, 4.0)[2:-2] == (await shown(recording, 5.0, key))[2:-2]


async def test_only_lines_that_changed_are_written(recording: Path) -> None:
    head, events = await filmed(recording, Film(2.0, 6.0, 4.0, 2.0))
    assert (head["version"], head["width"], head["height"]) == (2, *SIZE)
    sizes = [len(_LINE.findall(text)) for _, text in events]
    assert sizes[0] == SIZE[1]
    assert max(sizes[1:]) < SIZE[1]
    assert [at for at, _ in events] == sorted(at for at, _ in events)
    assert events[-1][0] == 2.0
    assert all("EMULATED" in "".join(seen(events, at)) for at, _ in events)
    assert "2×" in seen(events, 2.0)[0]


async def test_keys_are_pressed_when_it_is_their_time(recording: Path) -> None:
    _, events = await filmed(recording, Film(1.0, 4.0, 4.0, 1.0), "1", Press(2.5, "4"))
    assert any("Fleet" in line for line in seen(events, 1.25))
    assert any("Stall ledger" in line for line in seen(events, 2.75))


def test_from_the_command_line(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.cast"
    done = tokenyard("cast", str(recording), "-o", str(out), "--size", "80x24", "--until", "2s", "--fps", "2")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"file": str(out), "pictures": 4, "seconds": 2.0, "torn": None}
    assert out.stat().st_mode & 0o777 == 0o600
    assert "\\u001b]" not in out.read_text()


@pytest.mark.parametrize(
    ("more", "said", "code"),
    [
        (("--size", "9x9"), "not a size", 64),
        (("--page", "none"), "no page 'none'", 64),
        (("--press", "4"), "not a time and a key", 64),
        (("--from", "1h"), "nothing was recorded", 1),
    ],
)
def test_what_cannot_be_filmed_is_said(
    recording: Path, tmp_path: Path, more: tuple[str, ...], said: str, code: int
) -> None:
    done = tokenyard("cast", str(recording), "-o", str(tmp_path / "a.cast"), *more)
    assert done.returncode == code
    assert said in done.stderr
