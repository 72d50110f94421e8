"""Words that are escape sequences, markup, endless or no text at all are drawn, told, filmed and written as the text that they are."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree
from zlib import crc32

import pytest
from click.testing import CliRunner
from textual.events import Paste

from collectors.compare.comparison import Comparison
from collectors.diagnose.judging import Judging
from tests.tui import frames
from tests.tui.demo import Demo
from tests.tui.hostile import WORDS, Wire, hostile, listened, marked_up, odd, recorded_as, spoiled
from tests.tui.playing import Played
from tests.tui.screen import settled
from tui.app import TokenyardApp
from tui.casting import Film, film
from tui.choices import Choices
from tui.cli import cli
from tui.comparing import compared
from tui.pages import BY_NAME
from tui.screens.choosing import Choose
from tui.screens.page import Page
from tui.show.script import Chapter, Script, Showing, Side
from tui.summary import summary

EVERY = "".join(WORDS)
KEYS = (
    "i", "right", "right", "down", "tab", "i", "j", "escape", "y", "z", "z", "s", "r", "slash", "q", "escape", "V", "enter",
    "i", "down", "tab", "down", "y", "tab", "i", "f", "enter", "escape", "question_mark", "pagedown", "escape", "colon", "s", "escape",
)  # fmt: skip
SIZES = {8: (60, 20), 16: (200, 50), 24: (80, 24)}
"""To which the terminal is resized after so many keys."""
GPU, LPUS = hostile("gpu-1/0"), (hostile("lpu-0/0"), hostile("lpu-1/0"))
SCRIPT = Script(
    EVERY,
    60,
    (Chapter(0, EVERY, f"{EVERY}.", "", EVERY), Chapter(30, EVERY, "w" * 10_000)),
    (Side(EVERY, (GPU,)), Side(EVERY, LPUS)),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording with what it may hold."""
    path = tmp_path_factory.mktemp("hostile") / "demo.tyard"
    recorded_as(path, marked_up)
    return path


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """As no ingest and no recording lets it in."""
    return recorded_as(tmp_path_factory.mktemp("words") / "demo.tyard")


def app_on(seen: Demo, name: str, comparison: Comparison | None = None) -> TokenyardApp:
    driver = seen.played(len(seen.frames))
    driver.title = f"{EVERY}\udcff"
    return TokenyardApp(driver, Choices(page=name), comparison)


@pytest.fixture(scope="module")
def both(path: Path) -> Comparison:
    beside = path.with_name(f"{EVERY.replace('/', '').replace(chr(0), '')[:80]}.tyard")
    beside.write_bytes(path.read_bytes())
    return compared((path, beside), ((None, None), (None, None)), None, Judging())


@pytest.mark.parametrize("name", BY_NAME)
async def test_a_page(name: str, seen: Demo, both: Comparison) -> None:
    app = app_on(seen, name, both)
    async with listened(app, (120, 36)) as pilot:
        for at, key in enumerate(KEYS):
            await pilot.press(key)
            await pilot.pause()
            if key == "enter" and not isinstance(app.screen, Page):
                await pilot.press("escape")
            if at in SIZES:
                await pilot.resize_terminal(*SIZES[at])
    assert "\ufffd" in Wire.told


async def test_a_show(seen: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its caption, the two sides on the stage, and what is to be chosen from."""
    now = Showing(SCRIPT, 0, keys=True, key=EVERY, by_hand=[EVERY])
    monkeypatch.setattr(TokenyardApp, "showing", now)
    app = app_on(seen, "overview")
    async with listened(app) as pilot:
        for key in ("9", "tab", "i", "right", "escape", "question_mark", "escape"):
            await pilot.press(key)
            await pilot.pause()
        app.push_screen(Choose(EVERY, [EVERY, EVERY]))
        await settled(pilot)
        await pilot.press("down", "1")
        await settled(pilot)
        assert app.screen is app.page


async def test_what_is_told(seen: Demo) -> None:
    app = app_on(seen, "overview")
    async with listened(app) as pilot:
        app.bookmarks.notes[seen.frames[-1].time_ns] = EVERY
        tells: tuple[Callable[[str], None], ...] = app.say, app._say, app.playhead.fail
        for tell in tells:
            tell(f"{EVERY}\udcff")
            app.show_now()
            await settled(pilot)
        await pilot.press("B")
        await settled(pilot)
        await pilot.press("escape")
        for key in ("slash", "B"):
            await pilot.press(key)
            assert app.screen.focused is not None
            app.screen.focused.post_message(Paste(EVERY))
            await settled(pilot)
            await pilot.press("escape")


async def test_screenshots(seen: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TokenyardApp, "shots", tmp_path)
    app = app_on(seen, "overview")
    async with listened(app) as pilot:
        for page in BY_NAME:
            app.action_page(page)
            await settled(pilot)
            app.action_shoot()
    files = sorted(tmp_path.iterdir())  # noqa: ASYNC240
    assert len(files) == 2 * len(BY_NAME)
    for file in files:
        text = file.read_text()
        assert not odd(text)
        if file.suffix == ".svg":
            tags = {one.tag.rpartition("}")[2] for one in ElementTree.fromstring(text).iter()}
            assert tags <= {"svg", "style", "defs", "clipPath", "rect", "g", "text", "circle"}


async def test_a_film(path: Path) -> None:
    for page in ("1", "5"):
        out = io.BytesIO()
        await film(out, path, (0.25, 10.0), (120, 36), Film(5.0, 9.0, 1.0, 2.0), page, ())
        _head, *events = map(json.loads, out.getvalue().decode().splitlines())
        assert len(events) > 2
        assert not odd("".join(text for _, _, text in events))
        assert any(word[:3] in events[0][2] for word in ("[b", "<script", "[/]"))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}


def written(path: Path, form: str) -> str:
    out = path.with_suffix(f".{form}")
    more = (
        ["report", str(path), "-o", str(out)] if form == "md" else ["export", str(path), "--to", form, "-o", str(out)]
    )
    done = CliRunner().invoke(cli, more)
    assert done.exit_code == 0, done.output
    assert not odd(done.output)
    return out.read_text()


def test_a_page_of_html(path: Path) -> None:
    page = written(path, "html")
    assert not odd(page)
    tags = Tags()
    tags.feed(page)
    assert not tags.found & {"script", "a", "img", "iframe", "object", "link"}
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;" in page


def test_a_report(path: Path) -> None:
    page = written(path, "md")
    assert not odd(page)
    assert "<script" not in re.sub(r"\\.", "", page)
    lines = [re.sub(r"\\.", "", line) for line in page.splitlines()]
    tables = [list(rows) for is_table, rows in itertools.groupby(lines, lambda line: line.startswith("|")) if is_table]
    assert len(tables) > 3
    for table in tables:
        assert len({row.count("|") for row in table}) == 1


def test_a_trace(path: Path) -> None:
    text = written(path, "perfetto")
    assert not odd(text)
    names = {event["args"].get("name", "") for event in json.loads(text)["traceEvents"] if event["ph"] == "M"}
    assert any(marked_up("gpu-1/0") in name for name in names)


def test_a_summary(seen: Demo) -> None:
    assert not odd(summary(seen.frames[-1]))


async def test_words_that_never_end() -> None:
    def endless(text: str) -> str:
        return text + "x" * 1_000_000 if crc32(text.encode()) % 16 == 0 else text

    frame = spoiled(frames.emulated(), endless)
    app = TokenyardApp(Played([frame], title="x" * 1_000_000))
    async with listened(app) as pilot:
        for page in BY_NAME.values():
            for key in (page.key, "i", "down", "y", "escape"):
                await pilot.press(key)
                await settled(pilot)
    assert "x" * 300 not in Wire.told
