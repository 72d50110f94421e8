"""How full the tiers are, from the pages of real systems to the rows of a Frame: what is resident, what is only active, and in which unit."""

import msgspec
import numpy as np
import pytest

from collectors.backends import registry
from collectors.backends.llamacpp_slots import slots
from collectors.model.batch import Batch, Inventory, Layout, Samples, Status, WorkerInfo
from collectors.model.memory import TierRow
from collectors.model.vocabulary import Provenance, State, TargetStatus, Tier
from collectors.session.session import Session
from collectors.wire.exposition import PageReader

S = 1_000_000_000
Level = tuple[State, float | None, object]


def rows(*pages: str) -> dict[tuple[str, Tier], TierRow]:
    """Tiers of a target `t`, scraped once a second."""
    session = Session("live")
    reader = PageReader(wanted=registry.wanted)
    for second, page in enumerate(pages):
        reader.read(page.encode())
        backend = registry.recognise({*reader.families, *(key.family for key in reader.keys)})
        mapping = backend.map(reader.keys, "t")
        workers = tuple(
            WorkerInfo(slot, one.id, one.role, one.device, one.chip, one.chips, one.model)
            for slot, one in enumerate(mapping.workers)
        )
        up = Status("http://t", backend.name, TargetStatus.UP)
        samples = Samples(mapping.apply(reader.values))
        session.feed(Batch("t", second * S, (up, Inventory(workers), Layout(mapping.series), samples)))
    return {(row.owner, row.tier): row for row in session.tick(len(pages) * S).tiers}


def told(row: TierRow) -> tuple[Level, Level, Level]:
    used, active, capacity = (
        (one.state, one.value, one.unit if isinstance(one.unit, str) else "bytes")
        for one in (row.used_bytes, row.active_bytes, row.capacity_bytes)
    )
    return used, active, capacity


def known(value: float, unit: str) -> Level:
    return State.OK, value, unit


ABSENT = (State.ABSENT, None, "bytes")


def test_sglang_tells_what_is_resident_on_the_device_and_on_the_host() -> None:
    found = rows(
        'sglang:kv_used_tokens{tp_rank="0"} 250000\nsglang:kv_evictable_tokens{tp_rank="0"} 600000\n'
        'sglang:max_total_num_tokens{tp_rank="0"} 1000000\nsglang:token_usage{tp_rank="0"} 0.25\n'
        'sglang:kv_cache_memory_usage_gb{tp_rank="0"} 2\n'
        'sglang:hicache_host_used_tokens{tp_rank="0"} 1500000\nsglang:hicache_host_total_tokens{tp_rank="0"} 4000000\n'
    )
    assert told(found["t/0", Tier.HBM]) == (
        known(850_000, "tokens"),
        known(250_000, "tokens"),
        known(1_000_000, "tokens"),
    )
    host = found["t/0", Tier.DRAM]
    assert told(host) == (known(1_500_000, "tokens"), ABSENT, known(4_000_000, "tokens"))
    assert host.worker == "t/0"
    assert host.used_bytes.provenance is Provenance.REPORTED


def test_an_older_sglang_tells_a_share_of_it_knows_not_what() -> None:
    found = rows("sglang:token_usage 0.28\nsglang:num_used_tokens 123859\n")
    assert told(found["t/0", Tier.HBM]) == (ABSENT, known(0.28, "ratio"), ABSENT)


def test_tensorrt_llm_tells_what_requests_hold() -> None:
    found = rows(
        "trtllm_kv_cache_utilization 0.375\ntrtllm_kv_cache_host_utilization 0.4\n"
        "trtllm_kv_cache_max_blocks 1000\ntrtllm_kv_cache_tokens_per_block 32\ntrtllm_kv_cache_used_blocks 375\n"
    )
    assert told(found["t/0", Tier.HBM]) == (ABSENT, known(12_000, "tokens"), known(32_000, "tokens"))
    assert found["t/0", Tier.HBM].active_bytes.provenance is Provenance.DERIVED
    assert told(found["t/0", Tier.DRAM]) == (ABSENT, known(0.4, "ratio"), ABSENT)


def test_lmcache_s_pools_are_of_no_worker_and_know_their_own_hits() -> None:
    page = (
        "lmcache_mp_l1_memory_usage_bytes 3e9\nlmcache_mp_l1_usage_ratio 0.75\n"
        'lmcache_mp_l2_usage_bytes{{l2_name="fs"}} 7e10\n'
        "lmcache_mp_lookup_hit_l1_tokens_total {0}\nlmcache_mp_lookup_hit_l2_tokens_total {1}\n"
    )
    found = rows(page.format(100, 10), page.format(164, 26))
    l1, l2 = found["t", Tier.DRAM], found["t fs", Tier.FLASH]
    assert told(l1) == (known(3e9, "bytes"), ABSENT, known(4e9, "bytes"))
    assert told(l2) == (known(7e10, "bytes"), ABSENT, ABSENT)
    assert (l1.worker, l1.hit_tokens.value, l2.hit_tokens.value) == (None, 64, 16)
    assert len(found) == 2


def test_mooncake_s_three_pools() -> None:
    found = rows(
        "master_allocated_bytes 3000\nmaster_total_capacity_bytes 4000\n"
        "master_nof_allocated_bytes 50\nmaster_total_nof_capacity_bytes 60\n"
        "master_allocated_file_size_bytes 7\nmaster_total_file_capacity_bytes 8\n"
        'segment_allocated_bytes{segment="a"} 3000\n'
    )
    assert {key: told(row) for key, row in found.items()} == {
        ("t", Tier.DRAM): (known(3000, "bytes"), ABSENT, known(4000, "bytes")),
        ("t NVMe-oF", Tier.FLASH): (known(50, "bytes"), ABSENT, known(60, "bytes")),
        ("t files", Tier.FLASH): (known(7, "bytes"), ABSENT, known(8, "bytes")),
    }


def test_pinned_blocks_are_active_ones() -> None:
    found = rows('vllm:simple_kv_offload_used_blocks 12\nvllm:simple_kv_offload_info{capacity_blocks="4096"} 1\n')
    assert told(found["t/0", Tier.DRAM]) == (ABSENT, known(12, "blocks"), known(4096, "blocks"))


def test_what_is_not_a_number_stays_so() -> None:
    nan = rows('vllm:kv_cache_usage_perc NaN\nvllm:cache_config_info{num_gpu_blocks="11",block_size="16"} 1\n')
    used, active, capacity = told(nan["t/0", Tier.HBM])
    assert (used, active[:2], capacity) == (ABSENT, (State.NAN, None), known(160, "tokens"))


def test_an_empty_cache_that_does_not_tell_its_size_is_empty_all_the_same() -> None:
    found = rows("lmcache_mp_l1_memory_usage_bytes 0\nlmcache_mp_l1_usage_ratio 0\n")
    assert told(found["t", Tier.DRAM]) == ((State.ZERO, 0, "ratio"), ABSENT, ABSENT)


def test_a_flow_is_no_pool() -> None:
    assert rows("vllm:kv_offload_store_bytes_total 5\n", "vllm:kv_offload_store_bytes_total 9\n") == {}


@pytest.mark.parametrize("share", ["0", "1"])
def test_shares_at_the_ends(share: str) -> None:
    (row,) = rows(f"vllm:gpu_cache_usage_perc {share}\n").values()
    assert row.active_bytes.value == float(share)
    assert row.active_bytes.unit == "ratio"


def test_slots_that_may_share_one_cache_are_an_estimate() -> None:
    found = slots([{"n_ctx": 8192, "is_processing": True, "n_prompt_tokens": 300}] * 4, "t")
    session = Session("virtual")
    workers = tuple(WorkerInfo(slot, one.id) for slot, one in enumerate(found.workers))
    up = Status("http://t/slots", "llamacpp", TargetStatus.UP)
    parts = (up, Inventory(workers), Layout(found.series), Samples(np.array(found.values)))
    session.feed(Batch("t slots", S, parts))
    frame = session.tick(2 * S)
    (row,) = frame.tiers
    levels = (row.used_bytes, row.active_bytes, row.capacity_bytes)
    assert [(one.value, one.estimate) for one in levels] == [(1200, True), (1200, True), (4 * 8192, True)]
    assert all("share one cache" in str(one.formula) for one in levels)
    assert frame.workers[0].running.estimate is msgspec.UNSET
