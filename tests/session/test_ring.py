"""The ring gives back what was put in, in order, and stays inside its bytes."""

import msgspec

from collectors.model.frame import Frame
from collectors.session.clock import TICK_NS
from collectors.session.ring import Ring
from collectors.session.session import Session
from tests.session.test_kept import observed


def frames(count: int) -> list[Frame]:
    session = Session("virtual")
    return [session.tick(tick * TICK_NS) for tick in range(1, count + 1)]


def test_every_frame_comes_back_equal() -> None:
    ring, seen = Ring(), frames(11)
    for frame in seen:
        ring.append(frame)
    assert ring.span() == (seen[0].time_ns, seen[-1].time_ns)
    for frame in seen:
        assert ring.at(frame.time_ns) == frame
        assert ring.at(frame.time_ns + TICK_NS // 2) == frame
    assert ring.at(0) == seen[0]
    assert ring.at(10**18) == seen[-1]


def test_stepping_walks_all_of_it_both_ways() -> None:
    ring, seen = Ring(), frames(14)
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
    ring = Ring()
    assert (ring.span(), ring.at(5), ring.step(5, 1)) == (None, None, None)


def test_the_oldest_go_when_the_bytes_are_used_up() -> None:
    ring = Ring(max_bytes=4_000)
    for tick in range(1, 401):
        frame = Session("virtual").tick(tick * TICK_NS)
        ring.append(msgspec.structs.replace(frame, verdict=f"{hash(tick):x}" * 20))
    assert ring.bytes <= 4_000
    span = ring.span()
    assert span is not None
    assert span[1] == 400 * TICK_NS
    assert span[0] > TICK_NS
    oldest = ring.at(0)
    assert oldest is not None
    assert oldest.time_ns == span[0]


def test_rows_of_a_fleet_come_back_equal_and_are_kept_once_a_second() -> None:
    seen = observed(1, 10, 40)
    ring, apart = Ring(), Ring()
    for frame in seen:
        ring.append(frame)
        apart.append(msgspec.msgpack.decode(msgspec.msgpack.encode(frame), type=Frame))
    assert len(seen[-1].workers) == 40
    assert all(ring.at(frame.time_ns) == frame for frame in seen)
    assert ring.bytes < 0.9 * apart.bytes
    assert ring.at(seen[-1].time_ns) == apart.at(seen[-1].time_ns)
