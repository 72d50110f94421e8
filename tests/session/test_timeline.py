"""The bottom line over time: levels of pages as soon as they can be told, gaps, and where counters began anew; live, through a recording, and in the snapshot."""

from pathlib import Path

import numpy as np
import pytest

from collectors.model.batch import Batch, Inventory, Layout, Part, Samples, Status, Tick, WorkerInfo
from collectors.model.frame import Frame
from collectors.model.signals import Kind, Series, Signal
from collectors.model.snapshot import snapshot
from collectors.model.timeline import BUCKETS, GAP, GAP_RESET, RESET, level_of, unmarked
from collectors.model.vocabulary import Role, TargetStatus
from collectors.recording.reader import Reader
from collectors.recording.writer import Writer
from collectors.session.session import Session
from collectors.session.timeline import level_between, timeline_level

S = 1_000_000_000
BOUNDS = (0.01, 0.02, 0.05, np.inf)
COUNT = Series(Signal.GENERATION_TOKENS, Kind.COUNTER, "w/0", "tokens")
STARTED = Series(Signal.PROCESS_STARTED, Kind.GAUGE, "", "process_start_time_seconds")
GAPS = tuple(Series(Signal.GAP, Kind.BUCKET, "w/0", "gap_bucket", le=le) for le in BOUNDS)


def said(status: TargetStatus, second: float, source: str = "w") -> Batch:
    return Batch(source, round(second * S), (Status(f"http://{source}", "x", status),))


def page(
    second: float,
    tokens: float,
    gaps: tuple[float, ...] | None = None,
    *,
    role: Role = Role.DECODE,
    started: float = 1e9,
    time_ns: int | None = None,
) -> Batch:
    """A scrape; without `gaps`, of a page that has no such histogram."""
    series = (STARTED, COUNT, *(GAPS if gaps is not None else ()))
    parts: tuple[Part, ...] = (
        Status("http://w", "x", TargetStatus.UP),
        Inventory((WorkerInfo(0, "w/0", role),)),
        Layout(series),
        Samples(np.array([started, tokens, *(gaps or ())]), time_ns),
    )
    return Batch("w", round(second * S), parts)


def steady(second: int, slow: int = 0) -> tuple[float, ...]:
    """Cumulative: 200 gaps a second in (10, 20] ms, `slow` in (20, 50] ms."""
    return (0.0, 200.0 * second, 200.0 * second + slow, 200.0 * second + slow)


def played(*batches: Batch, until: int) -> list[Frame]:
    """Frames of each tick up to a second."""
    session, waiting, frames = Session("virtual"), list(batches), []
    for tick in range(1, until * 4 + 1):
        while waiting and waiting[0].time_ns < tick * S // 4:
            session.feed(waiting.pop(0))
        frames.append(session.tick(tick * S // 4))
    return frames


def line(*batches: Batch, until: int) -> list[int]:
    return list(played(*batches, until=until)[-1].timeline)


CALM = BUCKETS | timeline_level(0.005)
"""Both quantiles in a bucket of 10 ms: the middle of what p99 − p50 may be."""


def test_a_page_alone_has_levels_marked_as_from_buckets() -> None:
    found = line(*(page(second + 0.3, 1.0, steady(second)) for second in range(1, 10)), until=10)
    assert found == [CALM, CALM, CALM, CALM, CALM, CALM, CALM, CALM, 0]


def test_a_bad_second_stands_out() -> None:
    pages = [page(second + 0.3, 1.0, steady(second, 10 * (second >= 5))) for second in range(1, 10)]
    found = line(*pages, until=10)
    assert [second for second, byte in enumerate(found, 1) if byte > CALM] == [4]  # of the scrapes at 4.3 and 5.3 s
    assert level_of(max(found)) == timeline_level((0.0 + 0.04) / 2)


def test_a_page_without_a_histogram_of_gaps_leaves_it_unknown() -> None:
    assert line(*(page(second + 0.3, 1.0) for second in range(1, 10)), until=10) == [0] * 9


def test_a_routers_gaps_are_those_of_others() -> None:
    pages = (page(second + 0.3, 1.0, steady(second), role=Role.ROUTER) for second in range(1, 10))
    assert set(line(*pages, until=10)) == {0}


def test_few_gaps_fill_the_time_they_took_when_they_are_enough() -> None:
    pages = [page(second + 0.3, 1.0, (0.0, 30.0 * second, 30.0 * second, 30.0 * second)) for second in range(1, 12)]
    frames = played(*pages, until=12)
    assert set(frames[4 * 5 - 1].timeline) == {0}
    assert list(frames[4 * 6 - 1].timeline) == [CALM, CALM, CALM, CALM, 0]
    assert list(frames[-1].timeline) == [CALM] * 8 + [0] * 3


def test_scrapes_more_often_than_once_a_second_are_all_seen() -> None:
    pages = [page(at / 4 + 0.1, 1.0, steady(at, 20 * (at >= 13))) for at in range(4, 32)]
    found = line(*pages, until=8)
    assert level_of(found[2]) > level_of(CALM)  # the quarter from 3.1 s on
    assert all(found[1:])


def test_nobody_heard_is_a_gap_and_the_restart_after_it_is_marked() -> None:
    before = [page(second + 0.3, 1000.0 * second, steady(second)) for second in range(1, 5)]
    down = [said(TargetStatus.DOWN, second + 0.3) for second in range(5, 8)]
    after = [page(second + 0.3, 10.0, steady(second - 8)) for second in range(8, 12)]
    frames = played(*before, *down, *after, until=12)
    found = list(frames[-1].timeline)
    assert found == [CALM, CALM, CALM, 0, GAP, GAP, GAP, RESET | CALM, CALM, CALM, 0]
    (target,) = frames[-1].targets
    assert (target.resets, target.reset_at) == (1, 8.3)
    (told,) = snapshot(frames[-1])["targets"]
    assert (told["resets"], told["reset_at"]) == (1, 8.3)
    assert snapshot(frames[8])["targets"][0]["reset_at"] is None


def test_a_restart_that_overtook_its_counters_is_marked_too() -> None:
    pages = [page(second + 0.3, 1000.0 * second, started=1e9 + 100 * (second >= 4)) for second in range(1, 7)]
    assert line(*pages, until=7) == [0, 0, 0, RESET, 0, 0]


def test_a_page_of_gauges_alone_is_marked_by_when_its_process_began() -> None:
    running = Series(Signal.REQUESTS_RUNNING, Kind.GAUGE, "w/0", "running")
    batches = [
        Batch(
            "w",
            second * S + 1,
            (
                *page(second, 0.0).parts[:2],
                Layout((STARTED, running)),
                Samples(np.array([1e9 + 50 * (second > 3), 1.0])),
            ),
        )
        for second in range(1, 7)
    ]
    assert line(*batches, until=7) == [0, 0, 0, RESET, 0, 0]


def test_a_mark_in_a_gap_is_both() -> None:
    """Samples that a server had taken of a worker while it was not heard itself."""
    late = page(9.3, 10.0, time_ns=round(5.5 * S))
    pages = [page(second + 0.3, 1000.0 * second) for second in range(1, 4)]
    found = line(*pages, *(said(TargetStatus.DOWN, second + 0.3) for second in range(4, 9)), late, until=10)
    assert found[4] == GAP_RESET
    assert unmarked(GAP_RESET) == (GAP, True)


def test_every_reset_between_two_ticks_is_marked() -> None:
    session = Session("virtual")
    for second, tokens in ((1, 100.0), (2, 50.0), (3, 80.0), (4, 10.0)):
        session.feed(page(20, tokens, time_ns=second * S))
    frame = session.tick(21 * S)
    assert [
        second
        for second, byte in enumerate(frame.timeline, 21 - len(frame.timeline))
        if byte & RESET and byte < GAP_RESET
    ] == [2, 4]
    assert frame.targets[0].resets == 2


def test_marks_leave_with_the_quarter_of_an_hour() -> None:
    session = Session("virtual")
    session.feed(page(1, 100.0))
    session.feed(page(2, 10.0))
    assert any(byte & RESET for byte in session.tick(3 * S).timeline if byte < GAP_RESET)
    for second in range(4, 903):
        session.tick(second * S)
    last = session.tick(903 * S).timeline
    assert len(last) == 900
    assert not any(unmarked(byte)[1] for byte in last)


@pytest.mark.parametrize(
    ("times", "tokens"), [((2**61, 2**61 + 9 * S, 2**61 + 10 * S), 1.0), ((-(2**61), -(2**61) + S, 2**61), 1.0)]
)
def test_times_that_cannot_be_cost_nothing(times: tuple[int, ...], tokens: float) -> None:
    session = Session("virtual")
    for number, time_ns in enumerate(times):
        session.feed(page(5, tokens, steady(number * 10), time_ns=time_ns))
    assert len(session.tick(6 * S).timeline) <= 900


def test_a_spread_that_may_be_anything_has_no_level() -> None:
    assert level_between(0.0, np.inf) == 0
    assert level_between(0.04, np.inf) == timeline_level(0.04)


def test_a_recording_replays_to_the_same_line(tmp_path: Path) -> None:
    before = [page(second + 0.3, 1000.0 * second, steady(second)) for second in range(1, 5)]
    down = [said(TargetStatus.DOWN, second + 0.3) for second in range(5, 8)]
    after = [page(second + 0.3, 10.0, steady(second - 8)) for second in range(8, 12)]
    batches = [*before, *down, *after]
    frames = played(*batches, until=12)
    path = tmp_path / "a.tyard"
    writer = Writer(path, clock="virtual", version="test 1")
    waiting = list(batches)
    for frame in frames:
        while waiting and waiting[0].time_ns < frame.time_ns:
            writer.batch(waiting.pop(0))
        writer.tick(frame.time_ns)
    writer.close()
    session, again = Session("virtual"), []
    with Reader(path) as reader:
        for item in reader.items():
            if isinstance(item, Tick):
                again.append(session.tick(item.time_ns))
            else:
                session.feed(item)
    assert again == frames
    assert RESET | CALM in again[-1].timeline
