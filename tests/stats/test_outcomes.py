"""How requests end, in a sliding window: as the stream told it, and no more of it than there is room for."""

import numpy as np

from collectors.model.batch import (
    DELIVERY,
    EXTRA,
    Candidate,
    Decision,
    Decisions,
    Deliveries,
    Finished,
    Inventory,
    Received,
    Requests,
    WorkerInfo,
)
from collectors.stats import outcomes as module
from collectors.stats.deliveries import DeliveryStats
from collectors.stats.outcomes import UNKNOWN, Ended, Names, Outcomes

S, MS = 1_000_000_000, 1_000_000


def seen(
    reason: str = "stop", tokens: int = 11, labels: tuple[str, ...] = ("interactive",)
) -> tuple[DeliveryStats, Outcomes]:
    """A request that is received at 1 s, has its first token after 100 ms, one every 20 ms and its end with the last."""
    stats = DeliveryStats()
    stats.inventory(Inventory((WorkerInfo(0, "a"), WorkerInfo(1, "b"))), 0)
    stats.requests(Requests((Received(S, "r", 3, model="m", labels=labels),)), 2 * S)
    rows = np.zeros(tokens, DELIVERY)
    number = np.arange(tokens)
    rows["time_ns"], rows["first_token"] = S + 100 * MS + number * 20 * MS, number
    rows["tokens"], rows["worker"], rows["stream"] = 1, 1, 3
    if tokens:
        stats.deliveries(Deliveries(rows, np.zeros(0, EXTRA)), 2 * S)
    stats.requests(Requests((Finished(S + 300 * MS, "r", reason),)), 2 * S)
    stats.tick(3 * S)
    return stats, stats.outcomes()


def test_a_request_that_was_answered() -> None:
    _, found = seen()
    assert found.columns.tolist() == [[2, 0, 1, 100 * MS, 20 * MS, 300 * MS, Ended.COMPLETED]]
    assert (found.models, found.labels) == (("m",), ("interactive",))


def test_one_token_has_no_tpot_and_an_error_without_any_no_first_one() -> None:
    assert seen(tokens=1)[1].column("tpot_ns").tolist() == [UNKNOWN]
    (row,) = seen("error", tokens=0)[1].columns.tolist()
    assert row == [0, 0, 1, UNKNOWN, UNKNOWN, 300 * MS, Ended.ERROR]


def test_the_labels_of_a_decision_count_too() -> None:
    stats, _ = seen()
    stats.requests(Requests((Received(4 * S, "q", 4, model="n"),)), 4 * S)
    choice = Decision(4 * S, "q", "rule", 1, (Candidate(1, 2.0), Candidate(0, 1.5)), ("batch",), margin=0.5)
    stats.decisions(Decisions((choice, Decision(4 * S, "x", "rule", 0, labels=("batch",)))), 4 * S)
    stats.requests(Requests((Finished(4 * S + 1, "q", "abort"),)), 4 * S + 2)
    stats.tick(5 * S)
    found = stats.outcomes()
    assert [found.labels[number] for number in range(2) if found.column("labels")[1] >> number & 1] == ["batch"]
    assert found.column("ended").tolist() == [Ended.COMPLETED, Ended.ABORTED]
    chosen = stats.choices()
    assert chosen.labelled == {("batch", 2): 1, ("batch", 1): 1}
    assert chosen.margins == {("rule", 4): 1, ("rule", -1): 1}


def test_the_window_slides() -> None:
    stats, _ = seen()
    stats.tick(62 * S)
    assert len(stats.outcomes().columns) == 0


def test_there_is_room_for_so_many() -> None:
    slots = module.OutcomeSlots()
    for _ in range(module.MOST_A_SECOND + 5):
        slots.add(0, module.Outcome(0, 0, 0, 0, 0, 0, 0))
    found = slots.window()
    assert (len(found.columns), found.more) == (module.MOST_A_SECOND, 5)


def test_names_past_the_last_number_are_others() -> None:
    names = Names(3)
    assert [names.number(name) for name in ("a", "b", "c", "d", "a", "d")] == [0, 1, 2, 2, 0, 2]
    assert names.known == ["a", "b", "(others)"]
