"""The history gives back what was put in, in order, and stays inside its bytes."""

import itertools
import sys

import msgspec
import pytest

from collectors.model.frame import Frame
from collectors.recording import history as remembering
from collectors.recording.codec import unpacked_bytes
from collectors.recording.frames import let_go, pack_frames
from collectors.recording.history import History, Summary
from collectors.session.clock import TICK_NS
from collectors.session.session import Session
from tests.session.test_kept import observed


def frames(count: int) -> list[Frame]:
    session = Session("virtual")
    return [session.tick(tick * TICK_NS) for tick in range(1, count + 1)]


def test_every_frame_comes_back_equal() -> None:
    ring, seen = History(), frames(11)
    for frame in seen:
        ring.append(frame)
    assert ring.span() == (seen[0].time_ns, seen[-1].time_ns)
    for frame in seen:
        assert ring.at(frame.time_ns) == frame
        assert ring.at(frame.time_ns + TICK_NS // 2) == frame
    assert ring.at(0) == seen[0]
    assert ring.at(10**18) == seen[-1]


def test_stepping_walks_all_of_it_both_ways() -> None:
    ring, seen = History(), frames(14)
    for frame in seen:
        ring.append(frame)
    walked = [seen[0]]
    while (after := ring.step(walked[-1].time_ns, 1)) is not None:
        walked.append(after)
    assert walked == seen
    back = [seen[-1]]
    while (before := ring.step(back[-1].time_ns, -1)) is not None:
        back.append(before)
    assert back == seen[::-1]


def test_empty() -> None:
    ring = History()
    assert (ring.span(), ring.at(5), ring.step(5, 1)) == (None, None, None)


def test_the_oldest_go_when_the_bytes_are_used_up() -> None:
    ring = History(max_bytes=4_000, summaries=())
    for tick in range(1, 401):
        frame = Session("virtual").tick(tick * TICK_NS)
        ring.append(msgspec.structs.replace(frame, verdict=f"{hash(tick):x}" * 20))
    assert ring.held_bytes <= 4_000
    span = ring.span()
    assert span is not None
    assert span[1] == 400 * TICK_NS
    assert span[0] > TICK_NS
    oldest = ring.at(0)
    assert oldest is not None
    assert oldest.time_ns == span[0]


def test_rows_of_a_fleet_come_back_equal_and_are_kept_once_a_second() -> None:
    seen = observed(1, 10, 40)
    ring, apart = History(), History()
    for frame in seen:
        ring.append(frame)
        apart.append(msgspec.msgpack.decode(msgspec.msgpack.encode(frame), type=Frame))
    assert len(seen[-1].workers) == 40
    assert all(ring.at(frame.time_ns) == frame for frame in seen)
    assert ring.held_bytes == apart.held_bytes
    assert ring.at(seen[-1].time_ns) == apart.at(seen[-1].time_ns)


def test_frames_that_are_let_go_stay_with_who_else_has_them() -> None:
    seen = observed(1, 10, 40)
    kept, gone = seen[-1].workers, seen[0].workers[3]
    of_kept = kept[3]
    frames = seen[:]
    del seen
    let_go(frames)
    assert not frames
    assert (sys.getrefcount(of_kept), sys.getrefcount(gone)) == (3, 2), "with the name and the argument"
    assert len(kept) == 40


def test_what_is_old_is_thinned_step_by_step() -> None:
    """Detail for a second or two, then a Frame a second for 30 s, then one in 10 s."""
    second = 4 * TICK_NS
    history = History(1_500, (Summary(second, 30 * second, 1 << 20), Summary(10 * second, 10**18, 1 << 20)))
    session = Session("virtual")
    for tick in range(1, 1_201):
        history.append(session.tick(tick * TICK_NS))
    times = [0]
    while (after := history.step(times[-1], 1)) is not None:
        times.append(after.time_ns)
    steps = [(b - a) // TICK_NS for a, b in itertools.pairwise(times[1:])]
    assert sorted(steps, reverse=True) == steps
    assert set(steps) == {40, 4, 1}
    assert times[-1] == 1_200 * TICK_NS
    detail = history.detail_ns()
    assert detail is not None
    assert steps.count(1) in ((times[-1] - detail) // TICK_NS, (times[-1] - detail) // TICK_NS + 1)
    for time_ns in times[1:]:
        frame = history.at(time_ns + 1)
        assert frame is not None
        assert frame.time_ns == time_ns
        before = history.step(time_ns, -1)
        assert (before.time_ns if before else 0) == times[times.index(time_ns) - 1]


def test_no_chunk_is_unpacked_to_much_more_than_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of a large fleet stay in chunks of few: all of one is unpacked for one of its Frames. All come back equal."""
    seen = observed(1, 30, 40)
    alone = unpacked_bytes(pack_frames(seen[-1:]))
    monkeypatch.setattr(remembering, "SUMMARY_BYTES", 3 * alone)
    history = History(1_500, (Summary(4 * TICK_NS, 10**18, 1 << 30),))
    for frame in seen:
        history.append(frame)
    sizes = [(chunk.n, unpacked_bytes(chunk.blob)) for chunk in history._levels[1].chunks]
    assert max(n for n, _ in sizes[:-4]) > 1
    assert max(size for _, size in sizes) <= 4 * alone
    detail = history.detail_ns() or 0
    kept = [frame for frame in seen if frame.time_ns % (4 * TICK_NS) == 0 and frame.time_ns < detail]
    assert len(kept) > 10
    assert [history.at(frame.time_ns) for frame in kept] == kept
