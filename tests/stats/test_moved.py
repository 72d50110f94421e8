"""Where requests went on elsewhere, however their deliveries are cut into messages: held against a count one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.batch import DELIVERY, EXTRA, Deliveries, Inventory, Received, Requests, Rows, WorkerInfo
from collectors.stats.deliveries import DeliveryStats
from collectors.stats.streams import UNSEEN

WORKERS = tuple(WorkerInfo(slot, f"w{slot}") for slot in range(3))
made = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), min_size=1, max_size=12)
"""Of one request: worker and tokens of each delivery."""


def rows_of(requests: list[list[tuple[int, int]]], turns: list[int]) -> Rows:
    """Deliveries of several streams, interleaved as `turns` say."""
    left = [list(one) for one in requests]
    token = [0] * len(left)
    found: list[tuple[int, ...]] = []
    for turn in [*turns, *range(len(left) * 12)]:
        stream = turn % len(left)
        if left[stream]:
            worker, tokens = left[stream].pop(0)
            found.append((len(found), stream, token[stream], tokens, worker))
            token[stream] += tokens
    rows = np.zeros(len(found), DELIVERY)
    for name, column in zip(
        ("time_ns", "stream", "first_token", "tokens", "worker"), zip(*found, strict=True), strict=True
    ):
        rows[name] = column
    return rows


@given(st.lists(made, min_size=1, max_size=4), st.lists(st.integers(0, 99), max_size=40), st.integers(1, 9))
def test_the_last_move_is_known_wherever_messages_end(
    requests: list[list[tuple[int, int]]], turns: list[int], size: int
) -> None:
    stats = DeliveryStats()
    stats.inventory(Inventory(WORKERS), 0)
    stats.requests(Requests(tuple(Received(0, f"r{n}", n) for n in range(len(requests)))), 0)
    rows = rows_of(requests, turns)
    for begin in range(0, len(rows), size):
        stats.deliveries(Deliveries(rows[begin : begin + size], np.zeros(0, EXTRA)), 10**9)
        stats.flush()
    for number, one in enumerate(requests):
        before, since, token = "", UNSEEN, 0
        for place, (worker, tokens) in enumerate(one):
            # A single token between two others, but for the first, is of a prompt that was computed again.
            if place and one[place - 1][0] != worker and not 1 < since == token - 1:
                before, since = f"w{one[place - 1][0]}", token
            token += tokens
        life = stats.life(f"r{number}")
        assert life is not None
        assert (life.since, life.tokens, stats.worker(life.row)) == (since, token, f"w{one[-1][0]}")
        assert since == UNSEEN or stats.worker(life.before_row) == before


def test_a_prompt_that_is_computed_again_elsewhere_is_one_move_from_who_decoded() -> None:
    stats = DeliveryStats()
    stats.inventory(Inventory(WORKERS), 0)
    stats.requests(Requests((Received(0, "r0", 0),)), 0)
    # w0 ingests; w1 decodes until it dies; w0 ingests again, and w2 decodes.
    rows = rows_of([[(0, 1), *[(1, 1)] * 9, (0, 1), *[(2, 1)] * 3]], [])
    stats.deliveries(Deliveries(rows, np.zeros(0, EXTRA)), 10**9)
    stats.flush()
    life = stats.life("r0")
    assert life is not None
    assert (stats.worker(life.before_row), life.since, stats.worker(life.row)) == ("w1", 10, "w2")
