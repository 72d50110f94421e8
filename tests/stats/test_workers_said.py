"""Who says which worker: who names no rank contradicts nobody who does, and is not taken to mean the first."""

import pytest

from collectors.stats.workers_said import apart, contradictions


@pytest.mark.parametrize(
    ("workers", "differ"),
    [
        (["7/0"], False),
        (["7", "7/0"], False),
        (["7", "7/1"], False),
        (["7", "7/0", "7/1"], True),
        (["7/0", "8/0"], True),
        (["7", "8/0"], True),
        (["10.0.0.1:8000", "10.0.0.2:8000"], True),
        (["pod-a", "pod-b"], True),
    ],
)
def test_names_of_more_than_one_worker(workers: list[str], differ: bool) -> None:
    assert apart(workers) is differ


def test_a_log_without_ranks_beside_one_with() -> None:
    assert contradictions({"log": {0: "7"}, "tap": {0: "7/1"}}) == []
    assert contradictions({"log": {0: "7", 5: "8"}, "tap": {0: "7/1"}}) == [(5, {"8": ["log"], "7/1": ["tap"]})]
