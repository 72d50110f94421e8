"""`bundle`: what is in the archive is the incident: its part replays as it was, and nothing secret is in it."""

import asyncio
import json
import zipfile
from pathlib import Path

import pytest

from collectors.model.frame import Frame
from collectors.recording.playback import Playback
from collectors.recording.reader import Reader
from tests.e2e.commands import tokenyard
from tests.recording.material import SECOND
from tui.headless import demo_frames
from tui.marks import Bookmarks


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Frame]]:
    path, frames = tmp_path_factory.mktemp("bundle") / "demo.tyard", list[Frame]()
    asyncio.run(demo_frames("default", 7, 50.0, path, frames.append))
    return path, frames


def bundled(recording: Path, out: Path, *more: str) -> zipfile.ZipFile:
    done = tokenyard("bundle", str(recording), "-o", str(out), *more)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    archive = zipfile.ZipFile(out)
    assert archive.testzip() is None
    assert archive.namelist() == json.loads(done.stdout)["contents"]
    return archive


def test_the_part_replays_as_it_was(recording: tuple[Path, list[Frame]], tmp_path: Path) -> None:
    path, frames = recording
    archive = bundled(path, tmp_path / "a.zip", "--at", "40s", "--before", "5s", "--after", "3s")
    part = Path(archive.extract(path.name, tmp_path))
    first = frames[0].time_ns
    with Reader(part) as reader:
        played = Playback(reader)
        span = played.span()
        assert span == (first + 35 * SECOND, first + 43 * SECOND)
        assert reader.torn is None
        assert reader.info().emulated
        for frame in frames:
            if span[0] <= frame.time_ns <= span[1]:
                assert played.at(frame.time_ns) == frame
    told = tokenyard("replay", str(part), "--at", "end", "--json")
    assert told.returncode == 0, told.stderr


def test_the_rest_is_of_that_moment(recording: tuple[Path, list[Frame]], tmp_path: Path) -> None:
    path, frames = recording
    Bookmarks(path).add(frames[0].time_ns + 20 * SECOND, "it stalls")
    archive = bundled(path, tmp_path / "b.zip", "--mark", "it stalls", "--before", "10s", "--after", "5s")
    about = json.loads(archive.read("about.json"))
    assert (about["at_s"], about["from_s"], about["until_s"], about["emulated"]) == (20.0, 10.0, 25.0, True)
    assert archive.read("report.md").startswith(b"# EMULATED")
    assert b"15 s of observation" in archive.read("report.md")
    assert b"<svg" in archive.read("screen.svg")
    assert b"EMULATED" in archive.read("screen.txt")
    assert b"+0:20.2" in archive.read("screen.txt")
    assert b"<!doctype html>" in archive.read("report.html")
    assert b"interval_s" in archive.read("config.txt")


@pytest.mark.parametrize(
    ("more", "said", "code"),
    [
        ((), "say which moment", 64),
        (("--at", "1s", "--mark", "x"), "say which moment", 64),
        (("--mark", "x"), "no bookmarks with the note 'x'", 1),
        (("--at", "1s", "--slo", "x"), "no profile", 64),
    ],
)
def test_what_cannot_be_bundled_is_said(
    recording: tuple[Path, list[Frame]], tmp_path: Path, more: tuple[str, ...], said: str, code: int
) -> None:
    done = tokenyard("bundle", str(recording[0]), "-o", str(tmp_path / "c.zip"), *more)
    assert done.returncode == code
    assert said in done.stderr
    assert not (tmp_path / "c.zip").exists()
