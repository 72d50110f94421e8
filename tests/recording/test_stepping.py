"""From delivery to delivery: ticks in which nothing came are passed over."""

from pathlib import Path

from collectors.model.batch import Batch, Status
from collectors.model.vocabulary import TargetStatus
from collectors.recording.reader import Reader
from collectors.recording.stepping import FAR_NS, tick_of_delivery
from collectors.recording.writer import Writer
from tests.recording.material import SECOND, deliveries

TICK = SECOND // 4


def test_ticks_that_tell_of_nothing_are_passed_over(tmp_path: Path) -> None:
    came, last = (3, 4, 40, 41, 480, 1_300), 1_400
    writer = Writer(tmp_path / "a.tyard", clock="live", version="test")
    for tick in range(1, last):
        part = deliveries(3 if tick in came else 0) if tick % 2 else Status("http://x", "", TargetStatus.UP, "")
        if tick in came:
            part = deliveries(3)
        writer.batch(Batch("s", tick * TICK - 1, (part,)))
        writer.tick(tick * TICK)
    writer.close()
    assert (1_300 - 480) * TICK > FAR_NS
    with Reader(tmp_path / "a.tyard") as reader:
        for tick in (1, 2, 3, 4, 17, 40, 41, 300):
            after = tick_of_delivery(reader, tick * TICK, 1)
            assert after == next(one for one in came if one > tick) * TICK
            before = tick_of_delivery(reader, tick * TICK, -1)
            earlier = [one for one in came if one < tick]
            assert before == (earlier[-1] * TICK if earlier else None)
        assert tick_of_delivery(reader, 481 * TICK, 1) is None
        assert tick_of_delivery(reader, 1_299 * TICK, -1) is None
        assert tick_of_delivery(reader, 1_300 * TICK, 1) is None
