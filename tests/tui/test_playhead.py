"""Following, holding and stepping."""

from collectors.recording.history import History
from tests.tui.frames import TICK_NS, emulated
from tui.playhead import Mode, Playhead

TICKS = range(3588, 3601)


def playhead() -> Playhead:
    ring = History()
    it = Playhead(ring, "live")
    for tick in TICKS:
        frame = emulated(tick)
        ring.append(frame)
        it.arrive(frame)
    return it


def tick(it: Playhead) -> int:
    assert it.shown is not None
    return it.shown.time_ns // TICK_NS


def mode(it: Playhead) -> Mode:
    return it.mode


def test_it_waits_then_follows() -> None:
    it = Playhead(History(), "live")
    assert it.mode is Mode.WAITING
    it.step(-1)
    it.hold(True)
    assert it.mode is Mode.WAITING
    it.arrive(emulated(1))
    assert mode(it) is Mode.FOLLOWING


def test_a_held_view_stays_while_frames_arrive() -> None:
    it = playhead()
    it.hold(True)
    it.arrive(emulated(3601))
    assert (tick(it), it.mode) == (3600, Mode.HELD)
    it.hold(False)
    assert (tick(it), it.mode) == (3601, Mode.FOLLOWING)


def test_steps_go_one_tick_or_ten_and_stop_at_the_ends() -> None:
    it = playhead()
    it.step(-1)
    assert (tick(it), it.mode) == (3599, Mode.HELD)
    it.step(-10)
    assert tick(it) == 3589
    it.step(-10)
    it.step(-1)
    assert tick(it) == 3588
    it.step(10)
    assert tick(it) == 3598
    it.step(10)
    it.step(1)
    assert tick(it) == 3600


def test_seek_shows_the_frame_at_a_moment() -> None:
    it = playhead()
    it.seek(3590 * TICK_NS + 1)
    assert (tick(it), it.mode) == (3590, Mode.HELD)


def test_an_end_or_a_failure_leaves_the_history_usable() -> None:
    it = playhead()
    it.fail("refused")
    assert it.mode is Mode.FAILED
    it.step(-1)
    assert (tick(it), it.mode) == (3599, Mode.HELD)
    it.hold(False)
    assert (tick(it), it.mode) == (3600, Mode.FAILED)
    ended = playhead()
    ended.end()
    assert ended.mode is Mode.ENDED
