"""The Requests panel, drawn from what a session made of a tap, a trace and a router's log of one run."""

from collections.abc import Sequence

import pytest

from collectors.model.frame import Frame
from collectors.model.requests import NOTABLE, MigrationRow, PhaseRow, RequestRow
from collectors.model.vocabulary import Phase, Provenance
from tests.session.test_requests import DEAD, NEXT, Scene
from tests.tui.playing import Played
from tests.tui.screen import running, settled, text
from tui.line import text_of
from tui.summary import summary
from tui.view import View, worker_names
from tui.widgets.notice import differing, notices
from tui.widgets.requests import request_lines, requests


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
    assert (
        "requests of the last minute: 1 migrated, 1 of which sources contradict each other (5 shows them)"
        in " ".join(notice.split())
    )
    assert f"from {DEAD} after 15 tokens to {NEXT}" in summary(one)
    assert notices(View(frame=frame(log=False)), 120) == []


async def test_a_key_shows_them_and_another_the_overview_again() -> None:
    async with running(Played([frame()]), (100, 30)) as (app, pilot):
        assert "Requests" not in text(app).replace("requests:", "")
        await pilot.press("5")
        await settled(pilot)
        assert "Requests" in text(app)
        assert "taken from" in text(app)
        await pilot.press("1")
        await settled(pilot)
        assert "taken from" not in text(app)


def row(*phases: PhaseRow, heard_ns: int = 0, migrated: bool = False) -> RequestRow:
    moves = (MigrationRow("a", "b", 7, ("log",), at_least=True),) if migrated else ()
    return RequestRow("r", ("r",), 0.0, heard_ns, False, ("router",), False, phases=phases, migrations=moves)


def piece(ms: float, start_ms: float | None, teller: str = "router", what: Phase = Phase.PREFILL) -> PhaseRow:
    start = None if start_ms is None else (start_ms / 1e3, start_ms / 1e3)
    return PhaseRow(what, teller, Provenance.REPORTED, (ms / 1e3, ms / 1e3), start)


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ((piece(20, 0), piece(30, 40)), "prefill 50.0 ms R"),
        ((piece(20, 0), piece(30, 10), piece(5, 12)), "prefill 40.0 ms R"),
        ((piece(20, 0), piece(30, 40, "other")), "prefill 20.0 ms R"),
        ((piece(20, None), piece(30, None)), "prefill (30, 50] ms R"),
    ],
)
def test_all_pieces_of_a_phase_count_each_moment_once(pieces: tuple[PhaseRow, ...], said: str) -> None:
    (line,) = text_of(request_lines(row(*pieces), View(), 120)).splitlines()
    assert line.rstrip().endswith(said)


def test_the_notice_counts_those_of_the_last_minute_and_at_least_those_shown() -> None:
    rows = [row(heard_ns=0, migrated=True), row(heard_ns=50 * 10**9, migrated=True)]
    assert differing(rows, 70 * 10**9) == "requests of the last minute: 1 migrated (5 shows them)"
    assert differing(rows, 200 * 10**9) == ""
    assert (
        differing(rows * NOTABLE, 60 * 10**9) == f"requests of the last minute: ≥{2 * NOTABLE} migrated (5 shows them)"
    )
    assert "taken from a after ≥7 tokens" in text_of(request_lines(rows[0], View(), 120))
