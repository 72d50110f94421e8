"""Numbers of messages: what is next, repeated, missing, or of a publisher that has begun anew."""

import pytest

from collectors.wire.kv_sequence import Heard, Sequence


def heard(*messages: tuple[int, int | None]) -> Sequence:
    sequence = Sequence()
    for seq, time_ns in messages:
        sequence.take(seq, time_ns)
    return sequence


@pytest.mark.parametrize(
    ("seq", "time_ns", "expected"),
    [
        (2, 30, Heard.NEXT),
        (5, 30, Heard.AHEAD),
        (1, 20, Heard.AGAIN),
        (0, 10, Heard.AGAIN),
        (0, 30, Heard.RESTARTED),
        (1, 30, Heard.RESTARTED),
        (0, None, Heard.AGAIN),
    ],
)
def test_a_message_by_its_number_and_its_time(seq: int, time_ns: int | None, expected: Heard) -> None:
    assert heard((0, 10), (1, 20)).judge(seq, time_ns) is expected


def test_a_message_that_cannot_be_read_does_not_hide_a_restart() -> None:
    assert heard((0, 10), (1, 20), (2, None)).judge(0, 30) is Heard.RESTARTED


def test_what_is_missing_is_counted_apart_from_what_was_before_us() -> None:
    sequence = Sequence()
    assert not sequence.take(7, 1)
    assert (sequence.missed, sequence.lost, sequence.gaps) == (7, 0, 0)
    assert sequence.take(8, 2)
    assert not sequence.take(12, 3)
    assert not sequence.take(14, 4)
    assert (sequence.missed, sequence.lost, sequence.gaps) == (7, 4, 2)


def test_a_restart_begins_at_nothing() -> None:
    sequence = heard((7, 1))
    sequence.restart()
    assert (sequence.next, sequence.ask, sequence.missed, sequence.restarts) == (0, 0, 0, 1)
    assert sequence.judge(0, 1) is Heard.NEXT


def test_a_replay_begins_with_the_last_message_by_which_the_publisher_is_known() -> None:
    sequence = heard((0, 10), (1, 20))
    assert sequence.ask == 1
    assert sequence.is_last(1, 20)
    assert not sequence.is_last(1, 21)
    assert not sequence.is_last(0, 10)
    assert Sequence().ask == 0
