"""When probes are due, whatever answers do."""

from collectors.probe.grid import Grid

S = 1_000_000_000


def test_slots_stand_on_a_grid_of_their_own_phase() -> None:
    grid = Grid(10 * S, 13 * S)
    assert grid.after(0) == 3 * S
    assert grid.after(3 * S) == 3 * S
    assert grid.after(3 * S + 1) == 13 * S
    assert [Grid(10 * S, phase).after(0) for phase in (0, 7)] == [0, 7]


def test_a_late_start_keeps_the_slot_and_the_grid() -> None:
    due = Grid(10 * S, 0).due(20 * S, 24 * S, most=8)
    assert due == (20 * S, (), 30 * S)


def test_what_was_slept_through_is_missed_and_not_made_up() -> None:
    due = Grid(10 * S, 0).due(20 * S, 54 * S, most=8)
    assert due == (50 * S, (20 * S, 30 * S, 40 * S), 60 * S)
    assert Grid(S, 0).due(0, 3600 * S, most=2).missed == (3598 * S, 3599 * S)
