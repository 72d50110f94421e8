"""The cluster with little memory on its host, for each order of eviction and way of writing: blocks, bytes and tokens add up."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from emulators.cluster import Cluster
from emulators.events import STORED
from emulators.scenarios import DEFAULT
from emulators.specs import GpuSpec
from tests.emulators.rig import Played, joined, play

MIB = 1 << 20
SETTINGS: list[dict[str, Any]] = [
    {"policy": "lru"},
    {"policy": "lfu"},
    {"policy": "ttl", "ttl_s": 1.5},
    {"policy": "lru", "write_through": True},
    {"policy": "lru", "dram_bytes": 1_500 * MIB, "flash_bytes": 1_500 * MIB, "object_bytes": 20_000 * MIB},
]


def cluster(settings: dict[str, Any]) -> Cluster:
    workers = tuple(
        replace(spec, kv_pool_bytes=5_000 * MIB) if isinstance(spec, GpuSpec) else spec for spec in DEFAULT.workers
    )
    host = replace(DEFAULT.host, **{"dram_bytes": 3_000 * MIB, "flash_bytes": 6_000 * MIB, **settings})
    return Cluster(replace(DEFAULT, workers=workers, host=host), 5)


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))
def played(request: pytest.FixtureRequest) -> Played:
    return play(cluster(request.param), [10.0])


def test_blocks_told_are_blocks_held(played: Played) -> None:
    rows = played.events.blocks
    sign = np.where(rows["op"] == STORED, 1, -1) * rows["bytes"].astype(np.int64)
    for pool in played.cluster.truth()["pools"]:
        assert pool["used_bytes"] == sign[rows["pool"] == pool["slot"]].sum()
        assert pool["used_bytes"] <= pool["capacity_bytes"]


def test_prompts_are_computed_or_found(played: Played) -> None:
    for row in played.cluster.truth()["prompts"]:
        assert row["prompt_tokens"] == row["computed_tokens"] + sum(row["hit_tokens"].values())


def test_bytes_fetched_are_those_of_the_phases_and_of_fetches_under_way(played: Played) -> None:
    done: Counter[str] = Counter()
    for phase in played.events.phases:
        if phase["phase"] == "fetch":
            done[phase["tier"]] += phase["bytes"]
    sent: Counter[str] = Counter()
    for pool in played.cluster.truth()["pools"]:
        sent[pool["tier"]] += pool["fetched_bytes"]
        assert pool["tier"] == "object" or (pool["movement_joules"] == 0) == (
            pool["fetched_bytes"] + pool["copied_in_bytes"] == 0
        )
    assert done["DRAM"] > 0
    waiting = sum(worker.stats.waiting for worker in played.cluster.workers)
    for tier, size in done.items():
        assert size <= sent[tier]
        assert waiting or size == sent[tier]


def test_an_object_store_takes_what_flash_gives_up_and_gives_it_back() -> None:
    played = play(cluster(SETTINGS[-1]), [12.0])
    pools = {pool["tier"]: pool for pool in played.cluster.truth()["pools"] if pool["owner"] == "host-0"}
    assert list(pools) == ["DRAM", "flash", "object"]
    assert pools["flash"]["copied_in_bytes"] >= pools["object"]["copied_in_bytes"] > 0
    fetched = [row for row in played.events.phases if row["phase"] == "fetch" and row["tier"] == "object"]
    assert fetched
    # A tenth of a second until the first byte, and 8 GB/s that others share.
    assert all(row["duration_ns"] >= 100_000_000 + row["bytes"] / 8 for row in fetched)
    assert sum(worker.stats.hit_tokens.get("object", 0) for worker in played.cluster.workers) > 0
    assert pools["object"]["movement_joules"] is None


def test_without_an_object_store_there_is_no_such_pool() -> None:
    assert [pool["tier"] for pool in cluster(SETTINGS[0]).hello()["pools"]][-2:] == ["DRAM", "flash"]


@pytest.mark.parametrize("settings", SETTINGS[2:], ids=str)
def test_however_the_advances_are_split(settings: dict[str, Any]) -> None:
    whole, pieces = cluster(settings), cluster(settings)
    one = whole.advance(4_000_000_000)
    other = joined([pieces.advance(end * 250_000_000) for end in range(1, 17)])
    assert one.blocks.tobytes() == other.blocks.tobytes()
    assert np.sort(one.deliveries, order=["time_ns", "worker", "stream"]).tobytes() == other.deliveries.tobytes()
    assert one.phases == other.phases
