"""Times without a connection, and what was missed in them."""

from collectors.model.frame import Gaps
from collectors.stats.outages import Outages
from collectors.stats.slots import SECOND_NS as S


def test_a_connection_that_goes_on_where_the_last_ended_leaves_no_gap() -> None:
    outages = Outages()
    outages.lost(10 * S)
    assert outages.observed(0, 20 * S) == 10 * S
    assert outages.back(15 * S, resumed=True) == 10 * S
    assert outages.observed(0, 20 * S) == 20 * S
    assert outages.told() == Gaps(count=0, seconds=0, messages=0, newest_at=None, resumed=1)


def test_a_gap_is_counted_and_its_messages_once_they_are_known() -> None:
    outages = Outages()
    outages.lost(10 * S)
    outages.back(13 * S, resumed=False)
    assert outages.told() == Gaps(count=1, seconds=3, messages=None, newest_at=13, resumed=0)
    outages.missed(40, 13 * S)
    assert outages.told() == Gaps(count=1, seconds=3, messages=40, newest_at=13, resumed=0)
    outages.marked()
    outages.missed(2, 20 * S)  # in mid-connection: a gap of its own
    assert outages.told() == Gaps(count=2, seconds=3, messages=42, newest_at=20, resumed=0)
    outages.lost(30 * S)
    outages.back(31 * S, resumed=False)
    outages.marked()  # that of another epoch says nothing
    outages.missed(1, 40 * S)
    assert outages.told() == Gaps(count=4, seconds=4, messages=None, newest_at=40, resumed=0)


def test_an_inventory_in_mid_connection_is_no_gap() -> None:
    outages = Outages()
    assert outages.back(5 * S, resumed=False) is None
    assert outages.told().count == 0
