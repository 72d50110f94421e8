"""Mooncake: the documented page of TENT, and the master's and a client's, built from their source and held to their own dashboard."""

import math
import re

import pytest

from collectors.backends.mapping import MappingError
from collectors.backends.registry import UnknownBackendError
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import Tier
from tests.backends.flows import owned
from tests.backends.pages import FIXTURES, read

DRAM, FLASH, PEER, UNKNOWN = Tier.DRAM, Tier.FLASH, Tier.PEER, Tier.UNKNOWN
MASTER = "store:9003"


def test_the_documented_page_of_tent() -> None:
    page = (FIXTURES / "mooncake" / "tent_metrics_doc_excerpt.prom").read_text()
    known = read(page, "host:9100")
    assert known.backend == "mooncake"
    assert known.mapping.workers == ()
    bytes_, failures = Signal.KV_TRANSFER_BYTES, Signal.KV_TRANSFER_FAILURES
    # read off the page by hand
    assert owned(page, "host:9100") == {
        ("", "host:9100", bytes_, PEER, UNKNOWN, "rdma"): [1048576],
        ("", "host:9100", bytes_, PEER, UNKNOWN, "tcp"): [524288],
        ("", "host:9100", bytes_, UNKNOWN, PEER, "rdma"): [524288],
        ("", "host:9100", failures, PEER, UNKNOWN, "tcp"): [2],
    }
    assert known.buckets == {("", Signal.KV_TRANSFER): {0.0001: 10, 0.0005: 50}}  # the excerpt ends there


PAGE = """\
# TYPE master_allocated_bytes gauge
master_allocated_bytes 3000
# TYPE master_total_capacity_bytes gauge
master_total_capacity_bytes 4000
# TYPE segment_allocated_bytes gauge
segment_allocated_bytes{segment="a"} 1000
segment_allocated_bytes{segment="b"} 2000
# TYPE segment_total_capacity_bytes gauge
segment_total_capacity_bytes{segment="a"} 2000
# TYPE master_nof_allocated_bytes gauge
master_nof_allocated_bytes 50000
# TYPE master_total_nof_capacity_bytes gauge
master_total_nof_capacity_bytes 60000
# TYPE master_allocated_file_size_bytes gauge
master_allocated_file_size_bytes 700000
# TYPE master_total_file_capacity_bytes gauge
master_total_file_capacity_bytes 800000
# TYPE master_key_count gauge
master_key_count 42
# TYPE mem_cache_hit_nums_ counter
mem_cache_hit_nums_ 90
# TYPE file_cache_hit_nums_ counter
file_cache_hit_nums_ 8
# TYPE mem_cache_hit_bytes_total counter
mem_cache_hit_bytes_total 9000
# TYPE file_cache_hit_bytes_total counter
file_cache_hit_bytes_total 800
# TYPE total_get_nums_ counter
total_get_nums_ 100
# TYPE master_successful_evictions_total counter
master_successful_evictions_total 3
# TYPE master_evicted_key_count counter
master_evicted_key_count 30
# TYPE master_evicted_size_bytes counter
master_evicted_size_bytes 3000
# TYPE master_put_start_failures_total counter
master_put_start_failures_total 5
# TYPE master_put_start_alloc_failures_total counter
master_put_start_alloc_failures_total 4
# TYPE master_get_replica_list_failures_total counter
master_get_replica_list_failures_total 6
"""
PARTS = """\
# TYPE master_evicted_key_count_mem counter
master_evicted_key_count_mem 20
# TYPE master_evicted_size_bytes_mem counter
master_evicted_size_bytes_mem 2000
# TYPE master_evicted_key_count_nof counter
master_evicted_key_count_nof 10
# TYPE master_evicted_size_bytes_nof counter
master_evicted_size_bytes_nof 1000
"""
EVICTED = (Signal.KV_EVICTED_BLOCKS, Signal.KV_EVICTED_BYTES)


def test_the_master_s_pools() -> None:
    nvme, files = f"{MASTER} NVMe-oF", f"{MASTER} files"
    assert owned(PAGE, MASTER) == {
        ("", MASTER, Signal.KV_USED_BYTES, DRAM, None, ""): [3000],
        ("", MASTER, Signal.KV_CAPACITY_BYTES, DRAM, None, ""): [4000],
        ("", nvme, Signal.KV_USED_BYTES, FLASH, None, ""): [50000],
        ("", nvme, Signal.KV_CAPACITY_BYTES, FLASH, None, ""): [60000],
        ("", files, Signal.KV_USED_BYTES, FLASH, None, ""): [700000],
        ("", files, Signal.KV_CAPACITY_BYTES, FLASH, None, ""): [800000],
        ("", MASTER, Signal.KV_USED_BLOCKS, None, None, ""): [42],
        ("", MASTER, Signal.HIT_LOOKUPS, DRAM, None, ""): [90],
        ("", files, Signal.HIT_LOOKUPS, FLASH, None, ""): [8],
        ("", MASTER, Signal.HIT_BYTES, DRAM, None, ""): [9000],
        ("", files, Signal.HIT_BYTES, FLASH, None, ""): [800],
        ("", MASTER, Signal.KV_QUERY_LOOKUPS, None, None, ""): [100],
        ("", MASTER, Signal.KV_EVICTED_BLOCKS, UNKNOWN, None, ""): [30],
        ("", MASTER, Signal.KV_EVICTED_BYTES, UNKNOWN, None, ""): [3000],
        ("", MASTER, Signal.REQUEST_ERRORS, None, None, "put_start"): [5],
        ("", MASTER, Signal.REQUEST_ERRORS, None, None, "get_replica_list"): [6],
    }


def test_evictions_are_counted_by_tier_or_in_all_but_not_twice() -> None:
    found = {key: values for key, values in owned(PARTS + PAGE, MASTER).items() if key[2] in EVICTED}
    assert found == {
        ("", MASTER, Signal.KV_EVICTED_BLOCKS, DRAM, None, ""): [20],
        ("", MASTER, Signal.KV_EVICTED_BYTES, DRAM, None, ""): [2000],
        ("", f"{MASTER} NVMe-oF", Signal.KV_EVICTED_BLOCKS, FLASH, None, ""): [10],
        ("", f"{MASTER} NVMe-oF", Signal.KV_EVICTED_BYTES, FLASH, None, ""): [1000],
    }


def test_its_own_dashboard_asks_for_the_same_names() -> None:
    asked = set(re.findall(r"\b[a-z_]+\b", (FIXTURES / "mooncake" / "dashboard_expressions.txt").read_text()))
    taken = {series.metric for page in (PAGE, PAGE + PARTS) for series in read(page).mapping.series}
    assert len(taken) == 20
    assert taken <= asked


CLIENT = """\
# TYPE mooncake_transfer_read_bytes counter
mooncake_transfer_read_bytes{cluster_id="c"} 100
# TYPE mooncake_transfer_write_bytes counter
mooncake_transfer_write_bytes{cluster_id="c"} 200
# TYPE mooncake_ssd_read_bytes_total counter
mooncake_ssd_read_bytes_total 300
# TYPE mooncake_ssd_write_bytes_total counter
mooncake_ssd_write_bytes_total 400
# TYPE mooncake_ssd_total_bytes_total counter
mooncake_ssd_total_bytes_total 700
# TYPE mooncake_transfer_get_latency histogram
mooncake_transfer_get_latency_bucket{le="50.000000"} 1
mooncake_transfer_get_latency_bucket{le="20000000.000000"} 3
mooncake_transfer_get_latency_bucket{le="+Inf"} 4
mooncake_transfer_get_latency_sum 21000150
mooncake_transfer_get_latency_count 4
# TYPE mooncake_ssd_read_latency_summary_us summary
mooncake_ssd_read_latency_summary_us{quantile="0.99"} 5
"""


def test_a_client_moves_bytes_and_takes_microseconds() -> None:
    known = read(CLIENT)
    assert owned(CLIENT) == {
        ("", "target", Signal.KV_TRANSFER_BYTES, PEER, UNKNOWN, ""): [100],
        ("", "target", Signal.KV_TRANSFER_BYTES, UNKNOWN, PEER, ""): [200],
        ("", "target", Signal.KV_TRANSFER_BYTES, FLASH, DRAM, ""): [300],
        ("", "target", Signal.KV_TRANSFER_BYTES, DRAM, FLASH, ""): [400],
    }
    assert known.buckets == {("", Signal.KV_TRANSFER): {5e-5: 1, 20: 3, math.inf: 4}}
    assert known.values["", Signal.KV_TRANSFER, Kind.SUM, PEER, "target"] == [pytest.approx(21.00015)]


def test_other_masters_are_not_this_one() -> None:
    with pytest.raises(UnknownBackendError):
        read("# TYPE master_put_start_failures_total counter\nmaster_election_failures_total 3\n")


def test_types_that_changed_and_bounds_that_are_none() -> None:
    page = "# TYPE master_allocated_bytes histogram\nmaster_allocated_bytes 3\nmaster_key_count 4\n"
    assert owned(page) == {("", "target", Signal.KV_USED_BLOCKS, None, None, ""): [4]}
    with pytest.raises(MappingError, match="without a bound"):
        read('# TYPE tent_read_latency_us histogram\ntent_read_latency_us_bucket{transport="rdma",le="µs"} 1\n')
