"""A short history moves on by whole samples; what was not put is missing."""

from collectors.stats.past import Past


def test_samples_move_on_and_gaps_stay_gaps() -> None:
    past = Past(2, 4, "u1", 255)
    for number, values in ((7, [1, 2]), (8, [3, 4]), (10, [5, 6])):
        past.reach(number + 1)
        past.put(number, values)
    assert [list(row) for row in past.told()] == [[1, 3, 255, 5], [2, 4, 255, 6]]
    past.reach(100)
    assert [set(row) for row in past.told()] == [{255}, {255}]


def test_a_sample_may_be_put_again_but_not_one_that_has_fallen_out_or_is_to_come() -> None:
    past = Past(1, 3, "u1", 255)
    past.reach(10)
    for number in (6, 7, 10):
        past.put(number, [number])
    past.put(7, [42])
    assert list(past.told()[0]) == [42, 255, 255]


def test_series_come_and_go() -> None:
    past = Past(2, 2, "<u2", 0xFFFF)
    past.reach(1)
    past.put(0, [1, 2])
    past.pick([1, -1])
    assert past.told() == [b"\xff\xff\x02\x00", b"\xff\xff\xff\xff"]
