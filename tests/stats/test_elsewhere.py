"""Tokens that are put where somebody knows that they were made: the same however deliveries are cut into messages, and whatever else the streams hold."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.batch import EXTRA, Deliveries, Inventory, Received, Requests
from collectors.stats.deliveries import DeliveryStats
from collectors.stats.elsewhere import put
from collectors.stats.streams import StreamTable
from tests.stats.test_moved import WORKERS, made, rows_of


@given(
    st.lists(made, min_size=1, max_size=4),
    st.lists(st.integers(0, 99), max_size=40),
    st.integers(1, 9),
    st.integers(0, 3),
    st.integers(0, 20),
)
def test_tokens_of_the_worker_that_was_left_are_the_other_s_from_there_on(
    requests: list[list[tuple[int, int]]], turns: list[int], size: int, moved: int, since: int
) -> None:
    stats = DeliveryStats()
    stats.inventory(Inventory(WORKERS), 0)
    stats.requests(Requests(tuple(Received(0, f"r{n}", n) for n in range(len(requests)))), 0)
    assert stats.taken_over(f"r{moved}", 0, 2, since, None, 0) == (moved < len(requests))
    rows = rows_of(requests, turns)
    before = rows.copy()
    for begin in range(0, len(rows), size):
        stats.deliveries(Deliveries(rows[begin : begin + size], np.zeros(0, EXTRA)), 10**9)
        stats.flush()
    expected = {f"w{one}": 0 for one in range(3)}
    for number, one in enumerate(requests):
        token = 0
        for worker, tokens in one:
            expected["w2" if number == moved and worker == 0 and token >= since else f"w{worker}"] += tokens
            token += tokens
    summary = stats.tick(10**9)
    placed = {name: int(summary.placed.tokens[row].sum()) for row, name in enumerate(summary.workers) if name}
    assert placed == expected
    assert summary.disputed == {}
    assert (rows == before).all()  # they are the batch's, which others read


def test_where_nothing_was_taken_over_the_rows_are_the_same_object() -> None:
    rows = rows_of([[(0, 1)] * 5], [])
    table = StreamTable()
    assert put(rows, table) is rows
