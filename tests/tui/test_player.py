"""Where a replay is: speed, direction, ends, loops, stops."""

import pytest

from tui.player import SPEEDS, Player

S = 1_000_000_000


def player(at_s: float = 0.0, **more: object) -> Player:
    return Player(0, 100 * S, at_s * S, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("steps", "pace"), [(0, ""), (2, "4×"), (6, "64×"), (9, "64×"), (-4, "1/16×"), (-9, "1/16×")])
def test_speeds_go_by_powers_of_two(steps: int, pace: str) -> None:
    it = player()
    it.change(steps)
    assert it.pace == pace
    it.advance(1.0)
    assert it.position_ns == it.speed * S


def test_there_are_the_speeds_that_the_command_line_names() -> None:
    assert (SPEEDS[0], SPEEDS[-1], len(SPEEDS)) == (1 / 16, 64.0, 11)


def test_it_ends_at_either_end_and_begins_again() -> None:
    it = player(99.5)
    it.advance(2.0)
    assert (it.position_ns, it.ended) == (100 * S, True)
    it.go(None)
    assert (it.position_ns, it.ended) == (0, False)
    it.backwards = True
    assert it.ended
    it.go(2 * S)
    it.advance(1.5)
    assert (it.position_ns, it.pace) == (0.5 * S, "−1×")
    it.advance(1.5)
    assert it.ended


def test_held_it_stays() -> None:
    it = player(5)
    it.playing = False
    it.advance(10.0)
    assert it.position_ns == 5 * S


def test_a_loop_goes_round_both_ways() -> None:
    it = player(5, loop=(4 * S, 6 * S))
    it.advance(1.5)
    assert it.position_ns == 4 * S
    it.backwards = True
    it.advance(0.5)
    assert it.position_ns == 6 * S


def test_it_stops_by_itself_once_at_each_stop() -> None:
    it = player(0, speed=4.0, stops=[3 * S, 5 * S])
    it.advance(1.0)
    assert (it.position_ns, it.playing) == (3 * S, False)
    it.go(None)
    it.advance(0.25)
    assert (it.position_ns, it.playing) == (4 * S, True)
    it.advance(1.0)
    assert it.position_ns == 5 * S
    it.backwards = True
    it.go(None)
    it.advance(10.0)
    assert (it.position_ns, it.playing) == (3 * S, False)


def test_tenths() -> None:
    assert [player().tenth(number) for number in (0, 5, 9)] == [0, 50 * S, 90 * S]


def test_a_loop_is_marked_at_both_ends_and_taken_away() -> None:
    it = player(9)
    assert "begins" in it.mark_loop(9 * S)
    assert it.pace == ""
    it.mark_loop(5 * S)
    assert it.loop == (5 * S, 9 * S)
    assert it.pace == "loop"
    it.position_ns = 8.5 * S
    it.advance(1.0)
    assert it.position_ns == 5 * S
    it.mark_loop(7 * S)
    assert it.pace == ""
    it.advance(3.0)
    assert it.position_ns == 8 * S


def test_a_loop_to_the_end_has_no_end() -> None:
    it = player(99.5, loop=(90 * S, 100 * S))
    it.advance(1.0)
    assert (it.ended, it.position_ns) == (False, 90 * S)


def test_a_stop_behind_the_loops_end_is_not_come_to() -> None:
    it = player(5, loop=(4 * S, 6 * S), stops=[6.5 * S])
    it.advance(2.0)
    assert (it.playing, it.position_ns) == (True, 4 * S)
