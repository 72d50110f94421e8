"""The truth token by token: each delivery with its request, though stream numbers are used again, as far back as is kept."""

import numpy as np
import pytest

from emulators.events import Row
from emulators.scenarios import build
from emulators.token_log import TokenLog
from tests.emulators.fake import MS, FakeCluster

WORKERS = ["gpu-0/0", "gpu-1/0", "lpu-0/0", "lpu-1/0"]


def logged(step_ms: int, max_rows: int = 1 << 20) -> tuple[TokenLog, Row]:
    cluster = FakeCluster()
    log = TokenLog(cluster.live_requests(), max_rows)
    for until in range(step_ms, 301, step_ms):
        log.hear(cluster.advance(until * MS))
    return log, log.tokens(["gpu", "lpu"], None, -1)


@pytest.mark.parametrize("step_ms", [1, 7, 300])
def test_each_token_is_its_requests(step_ms: int) -> None:
    _, found = logged(step_ms)
    end = 300 // step_ms * step_ms
    by_request: dict[str, list[tuple[int, int]]] = {}
    for name, token, time_ns in zip(found["request"], found["first_token"], found["time_ns"], strict=True):
        by_request.setdefault(name, []).append((token, time_ns))
    for name, tokens in by_request.items():
        begun = int(name[2:]) * 10
        assert tokens == [(token, (begun + 1 + token) * MS) for token in range(len(tokens))]
        assert len(tokens) == min(25, end - begun - 1)
    assert len(by_request) == -(-end // 10)
    assert set(found["worker"]) == {"lpu"}


def test_one_request_from_some_time_on() -> None:
    log, _ = logged(7)
    found = log.tokens(["gpu", "lpu"], "r-5", 60 * MS)
    assert set(found["request"]) == {"r-5"}
    assert found["first_token"] == list(range(10, 25))
    assert log.tokens(["gpu", "lpu"], "r-99", -1)["request"] == []


@pytest.mark.parametrize("step_ms", [1, 10])
def test_what_is_too_old_is_not_there_and_the_rest_is(step_ms: int) -> None:
    _, whole = logged(step_ms)
    log, kept = logged(step_ms, max_rows=100)
    assert 0 < len(kept["request"]) <= 100
    assert kept["time_ns"][0] >= log.from_ns > 0
    received = kept.pop("received_ns")
    assert kept == {name: column[-len(kept["request"]) :] for name, column in whole.items() if name != "received_ns"}
    # Of requests that were received before what is kept, it is not known when.
    known = {name: time for name, time in zip(kept["request"], received, strict=True) if time is not None}
    assert known == {name: int(name[2:]) * 10 * MS for name in known}
    assert len(known) < len(set(kept["request"]))
    assert [time for time in whole["time_ns"] if time >= log.from_ns] == kept["time_ns"]


def test_of_a_real_cluster() -> None:
    cluster = build("default", 7)
    log = TokenLog(cluster.live_requests())
    for until in range(50, 3_001, 50):
        log.hear(cluster.advance(until * MS))
    found = log.tokens(WORKERS, None, -1)
    truth = {(row["worker"], row["tier"]): row["tokens"] for row in cluster.truth()["placements"] if row["primary"]}
    counted: dict[tuple[str, str], int] = {}
    for place, tokens in zip(zip(found["worker"], found["tier"], strict=True), found["tokens"], strict=True):
        counted[place] = counted.get(place, 0) + tokens
    assert counted == truth
    assert set(found["stage"]) == {"decode"}
    for name in set(found["request"]):
        mine = np.array([owner == name for owner in found["request"]])
        assert np.array(found["first_token"])[mine].tolist() == list(range(mine.sum()))


def test_the_stages_beside_the_primary_one() -> None:
    cluster, log = build("speculative", 3), TokenLog([])
    names = [worker.id for worker in cluster.workers]
    events = [cluster.advance(until * MS) for until in (1_000, 1_500, 3_000)]
    for one in events:
        log.hear(one)
    extras = [int(row["start_ns"]) for one in events for row in one.extras]
    whole = log.tokens(names, None, -1)
    assert [stage["start_ns"] for stages in whole["beside"] for stage in stages] == extras
    assert len(extras) > 100
    some = log.tokens(names, "r-2", 1_200 * MS)
    assert {stage["worker"] for stages in some["beside"] for stage in stages} == {"lpu-0/0"}
    for time_ns, start_ns, stages in zip(some["time_ns"], some["start_ns"], some["beside"], strict=True):
        for stage in stages:
            assert (stage["stage"], stage["tier"]) == ("draft", "SRAM")
            # Drafted, sent over a link of 5 µs, and verified.
            assert stage["start_ns"] + stage["duration_ns"] + 5_000 == start_ns < time_ns
    assert "beside" not in TokenLog([]).tokens(names, None, -1)
