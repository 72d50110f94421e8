"""Going to stalls and bookmarks, and what is kept of the latter."""

import json
from pathlib import Path

import msgspec
import pytest

from collectors.model.frame import StallRow
from collectors.recording.history import History
from collectors.session.clock import TICK_NS
from collectors.session.session import Session
from tests.tui.frames import known
from tui.marks import MOST_STALLS, SUFFIX, Bookmarks, beside

S = 1_000_000_000


def history(stalls: list[float], seconds: int) -> History:
    """Frames as a session's: each tells of the stalls of its last minute, the newest of them."""
    it, blank = History(), Session("virtual").tick(TICK_NS)
    for tick in range(1, seconds * 4 + 1):
        now = tick / 4
        rows = [
            StallRow(at, "r", None, known(0.1), known(0.01), ("unknown",)) for at in stalls if now - 60 <= at <= now
        ]
        it.append(msgspec.structs.replace(blank, time_ns=tick * TICK_NS, stalls=tuple(rows[::-1][:MOST_STALLS])))
    return it


def walk(it: History, begin_s: float, direction: int, marks: list[int] | None = None) -> list[float]:
    out, now = [], round(begin_s * S)
    while (after := beside(it, marks or [], now, direction)) is not None:
        out.append(after / S)
        now = after
    return out


def test_from_stall_to_stall_over_quiet_minutes() -> None:
    it = history([10.1, 10.2, 11.0, 200.6, 299.9], 300)
    assert walk(it, 0.25, 1) == [10.25, 11.0, 200.75, 300.0]
    assert walk(it, 300.0, -1) == [200.75, 11.0, 10.25]


def test_none_is_passed_over_where_there_are_more_than_a_frame_tells_of() -> None:
    stalls = [10 + index / 8 for index in range(400)]
    it = history(stalls, 70)
    every = sorted({-(-at * 4 // 1) / 4 for at in stalls})
    assert walk(it, 0.25, 1) == every
    assert walk(it, 70.0, -1) == every[::-1]


def test_bookmarks_and_stalls_together() -> None:
    it = history([10.1], 30)
    assert walk(it, 1, 1, [5 * S, 20 * S]) == [5.0, 10.25, 20.0]
    assert walk(it, 30, -1, [5 * S, 20 * S]) == [20.0, 10.25, 5.0]


def test_nothing_is_found_in_nothing() -> None:
    assert beside(History(), [], 5, 1) is None
    assert beside(History(), [], 5, -1) is None


def test_bookmarks_are_kept_beside_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    it = Bookmarks(path)
    assert it.load() is None
    assert it.add(3 * S, "here\x1b[31m") is None
    assert it.add(1 * S, stop=True) is None
    again = Bookmarks(path)
    assert again.load() is None
    assert (again.times, again.notes[3 * S], again.stops) == ([S, 3 * S], "here\ufffd[31m", {S})
    assert (tmp_path / ("a.tyard" + SUFFIX)).stat().st_mode & 0o777 == 0o600
    assert again.remove(S) is None
    assert json.loads((tmp_path / ("a.tyard" + SUFFIX)).read_text())["bookmarks"] == [
        {"at_s": 3.0, "note": "here\ufffd[31m", "stop": False}
    ]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"bookmarks": [{}]}', '{"bookmarks": [{"at_s": 1e400}]}', "\0", "{" * 9_999]
)
def test_a_broken_file_is_named_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / ("a.tyard" + SUFFIX)).write_text(text)
    it = Bookmarks(tmp_path / "a.tyard")
    problem = it.load()
    assert problem is not None
    assert SUFFIX in problem
    assert it.add(7) == it.remove(7) == problem
    assert (tmp_path / ("a.tyard" + SUFFIX)).read_text() == text


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    assert "No such file" in (Bookmarks(tmp_path / "none" / "a.tyard").add(1) or "")
