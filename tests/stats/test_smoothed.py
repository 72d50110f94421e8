"""RFC 3550 jitter of many requests in columns is what it is gap by gap, however the deliveries are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.model.batch import DELIVERY, Deliveries, Inventory, WorkerInfo
from collectors.stats.deliveries import DeliveryStats
from collectors.stats.rfc3550 import PARTS, SETTLED, smoothed_jitter

SECOND = 1_000_000_000
INVENTORY = Inventory(workers=(WorkerInfo(0, "w0"), WorkerInfo(1, "w1")))


def delivered(gaps: dict[int, list[int]]) -> Deliveries:
    """Of each stream, which worker `stream % 2` makes, in order of time."""
    columns = [
        (int(at), stream, token)
        for stream, found in gaps.items()
        for token, at in enumerate(np.cumsum([SECOND, *found]))
    ]
    rows = np.zeros(len(columns), DELIVERY)
    for row, (at, stream, token) in zip(rows, sorted(columns), strict=True):
        row["time_ns"], row["stream"], row["first_token"], row["tokens"], row["worker"] = (
            at,
            stream,
            token,
            1,
            stream % 2,
        )
    return Deliveries(rows, np.zeros(0, DELIVERY))


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.integers(0, 9), st.lists(st.integers(1, 300_000_000), min_size=1, max_size=60), min_size=1),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_as_gap_by_gap(gaps: dict[int, list[int]], cuts: list[int]) -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    rows = delivered(gaps).rows
    for part in np.split(rows, sorted(cut % (len(rows) + 1) for cut in cuts)):
        stats.deliveries(Deliveries(part, np.zeros(0, DELIVERY)), 100 * SECOND)
        stats.flush()
    summary = stats.tick(100 * SECOND)
    for worker in (0, 1):
        known = [smoothed_jitter(one) for stream, one in gaps.items() if stream % 2 == worker and len(one) >= SETTLED]
        assert summary.settled[worker + 1] == len(known)
        assert summary.smoothed[worker + 1] / PARTS == pytest.approx(sum(known), abs=len(cuts) + 1)


def test_the_published_vector() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    stats.deliveries(delivered({0: [10_000_000, 30_000_000] * 50}), 100 * SECOND)
    assert stats.tick(100 * SECOND).smoothed[1] / PARTS == pytest.approx(19.966e6, rel=1e-4)


def test_another_request_on_the_same_stream_begins_anew() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    first, second = delivered({0: [10_000_000, 90_000_000] * 20}).rows, delivered({0: [5_000_000] * 20}).rows
    second["time_ns"] += 10 * SECOND
    stats.deliveries(Deliveries(np.concatenate([first, second]), np.zeros(0, DELIVERY)), 100 * SECOND)
    summary = stats.tick(100 * SECOND)
    assert (summary.settled[1], summary.smoothed[1]) == (1, 0)
