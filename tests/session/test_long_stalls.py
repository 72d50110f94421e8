"""A long stall stays in the ledger of a Frame, however many short ones come after it."""

import numpy as np

from collectors.model.batch import (
    DELIVERY,
    EXTRA,
    Batch,
    Deliveries,
    Inventory,
    Received,
    Requests,
    Status,
    Watermark,
    WorkerInfo,
)
from collectors.model.vocabulary import Device, Role, TargetStatus
from collectors.session.placement_rows import MAX_STALLS
from collectors.session.session import Session

S, MS = 1_000_000_000, 1_000_000


def test_a_burst_of_short_stalls_does_not_hide_the_long_one_before_it() -> None:
    gaps = [10] * 20 + [900] + [10, 10, 10, 60] * 200
    made = np.zeros(len(gaps) + 1, DELIVERY)
    made["time_ns"][1:] = np.cumsum(gaps) * MS
    made["first_token"], made["tokens"] = np.arange(len(made)), 1
    made["tier"], made["stage"] = 2, 2
    worker = WorkerInfo(0, "gpu/0", Role.AGGREGATED, Device.GPU, model="m")
    session = Session("virtual")
    up = Status("http://router", "any", TargetStatus.UP)
    session.feed(Batch("router", 0, (up, Inventory((worker,)), Requests((Received(0, "r", 0),)))))
    deliveries = Deliveries(made, np.zeros(0, EXTRA))
    session.feed(Batch("router", 29 * S, (deliveries, Watermark(30 * S))))
    frame = session.tick(30 * S)
    assert [stall.gap_s.value for stall in frame.stalls] == [0.06] * MAX_STALLS
    [long] = frame.long_stalls  # the others of the longest are among the newest
    assert (long.gap_s.value, long.at, long.worker) == (0.9, 1.1, "gpu/0")
    assert session.tick(61 * S).long_stalls[0].gap_s.value == 0.9
    assert all(stall.gap_s.value == 0.06 for stall in session.tick(62 * S).long_stalls)
