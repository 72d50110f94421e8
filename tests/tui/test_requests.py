"""The Requests panel, drawn from what a session made of a tap, a trace and a router's log of one run."""

from collections.abc import Sequence

import pytest

from collectors.model.frame import Frame
from tests.session.test_requests import DEAD, NEXT, Scene
from tests.tui.playing import Played
from tests.tui.screen import running, settled, text
from tui.line import text_of
from tui.summary import summary
from tui.view import View, worker_names
from tui.widgets.notice import notices
from tui.widgets.requests import requests


def frame(*, log: bool = True, tap: bool = True) -> Frame:
    scene = Scene()
    if tap:
        scene.tapped()
    scene.traced()
    if log:
        scene.logged()
    return scene.frame()


def shown(one: Frame, width: int = 150) -> Sequence[str]:
    view = View(frame=one, newest=one, names=worker_names(row.id for row in one.workers))
    body = requests(view, width, 50, 0)
    assert all(sum(len(part) for part, _ in line) == width for line in body.lines)
    return text_of(body.lines).splitlines()


def test_a_migrated_request_says_so_and_who_says_what() -> None:
    lines = shown(frame())
    first = next(index for index, line in enumerate(lines) if "fixture-77" in line)
    head, rest, where, moved, contradiction = lines[first : first + 5]
    assert head.startswith("≠ fixture-77")
    assert "length" in head
    head += rest
    assert "first token 34.6 ms M" in head
    assert "queue 938 µs R" in head
    assert "transfer ≈14.0 ms D" in head
    assert where.strip().startswith(
        "prefill 17325804865820210879/0 R (trace.jsonl: dynamo trace, log: router log) → decode"
    )
    assert moved.strip() == f"⇥ taken from {DEAD} after 15 tokens, given to {NEXT} (log: router log)"
    assert contradiction.strip().startswith(
        f"≠ decode worker from token 15: {DEAD} say tap: arrivals, trace.jsonl: dynamo trace; {NEXT} say"
    )


def test_without_the_log_nothing_is_claimed() -> None:
    head, rest, _ = shown(frame(log=False))
    assert head.startswith("  fixture-77")
    head += rest
    assert "there" in head
    assert "back" in head


@pytest.mark.parametrize("width", [76, 100, 200])
def test_it_fits(width: int) -> None:
    assert shown(frame(), width)


def test_a_notice_and_the_summary_say_so_too() -> None:
    one = frame()
    notice = text_of(notices(View(frame=one, newest=one), 120))
    assert "1 migrated, 1 of which sources contradict each other (5 shows them)" in " ".join(notice.split())
    assert f"from {DEAD} after 15 tokens to {NEXT}" in summary(one)
    assert notices(View(frame=frame(log=False)), 120) == []


async def test_a_key_shows_them_alone_and_leaves_again() -> None:
    async with running(Played([frame()]), (100, 30)) as (app, pilot):
        assert "Requests" not in text(app).replace("requests:", "")
        await pilot.press("5")
        await settled(pilot)
        assert "Requests" in text(app)
        assert "taken from" in text(app)
        await pilot.press("5")
        await settled(pilot)
        assert "taken from" not in text(app)
