"""The same cluster with too little memory: preemption, queues for SRAM and congested tiers, with nothing lost."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from emulators.cluster import Cluster
from emulators.scenarios import DEFAULT
from emulators.specs import GpuSpec
from tests.emulators.rig import Played, joined, play

MIB = 1 << 20


@pytest.fixture(scope="module")
def pressed() -> Played:
    workers = tuple(
        replace(spec, kv_pool_bytes=4_500 * MIB) if isinstance(spec, GpuSpec) else replace(spec, chips=48)
        for spec in DEFAULT.workers
    )
    host = replace(DEFAULT.host, dram_bytes=6_000 * MIB, flash_bytes=12_000 * MIB)
    cluster = Cluster(replace(DEFAULT, workers=workers, host=host), 5)
    lpus = [worker.engine.pool for worker in cluster.workers if worker.device == "LPU"]
    parts = []
    for end in range(1, 1_001):
        parts.append(play(cluster, [end / 50]).events)
        for pool in lpus:
            assert 0 <= pool.reserved <= pool.capacity - pool.active
    return Played(cluster, joined(parts))


def test_preempted_requests_are_computed_again(pressed: Played) -> None:
    again = [row for row in pressed.rows("admitted") if row.get("again")]
    assert len(again) > 3
    preempted = Counter(row["request"] for row in pressed.events.phases if row["phase"] == "preempted")
    assert preempted == Counter(row["request"] for row in again)
    for worker in pressed.cluster.workers[:2]:
        stats = worker.stats
        assert stats.recomputed_tokens == sum(row["computed_tokens"] for row in again if row["worker"] == worker.slot)
        assert stats.prompt_tokens == stats.computed_tokens + sum(stats.hit_tokens.values())
    truth = pressed.cluster.truth()
    assert sum(row["preemptions"] for row in truth["prompts"]) >= len(again)


def test_nothing_is_lost(pressed: Played) -> None:
    rows = pressed.events.deliveries
    for request, row in pressed.finished.items():
        assert row["output_tokens"] > 0
        assert row["time_ns"] > pressed.received[request]["time_ns"]
    assert len(rows) == sum(row["tokens"] for row in pressed.cluster.truth()["placements"] if row["primary"])
    assert len(pressed.finished) > 50


def test_admissions_wait_for_sram(pressed: Played) -> None:
    waits = [row["duration_ns"] for row in pressed.events.phases if row["phase"] == "queue" and row["worker"] in (2, 3)]
    assert max(waits) > 100_000_000


def test_pools_stay_within_capacity(pressed: Played) -> None:
    capacity = np.array([pool["capacity_bytes"] for pool in pressed.cluster.hello()["pools"]])
    rows = pressed.events.occupancy
    assert np.all(rows["used_bytes"] <= capacity[rows["pool"]])
    assert np.all(rows["active_bytes"] <= rows["used_bytes"])
    full = {
        int(slot)
        for slot in np.unique(rows["pool"])
        if rows["used_bytes"][rows["pool"] == slot].max() == capacity[slot]
    }
    assert full >= {0, 1, 4, 5}
