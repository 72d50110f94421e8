"""NIXL's exporter by its documented families: microseconds, ends that nobody names. Nobody here has seen such a page."""

import pytest

from collectors.backends import registry
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import Tier
from tests.backends.pages import read

AGENT = 'agent_name="decode-0",hostname="node-7"'
PAGE = f"""\
# HELP agent_tx_bytes_total Number of bytes sent by the agent
# TYPE agent_tx_bytes_total counter
agent_tx_bytes_total{{{AGENT}}} 1000
# TYPE agent_rx_bytes_total counter
agent_rx_bytes_total{{{AGENT}}} 2000
# TYPE agent_rx_last_bytes gauge
agent_rx_last_bytes{{{AGENT}}} 512
# TYPE agent_xfer_time_total counter
agent_xfer_time_total{{{AGENT}}} 1500
# TYPE agent_xfer_time gauge
agent_xfer_time{{{AGENT}}} 300
# TYPE agent_errors_total counter
agent_errors_total{{{AGENT},status="backend"}} 3
agent_errors_total{{{AGENT},status="canceled"}} 0
# TYPE agent_xfer_time_us histogram
agent_xfer_time_us_bucket{{{AGENT},le="10"}} 1
agent_xfer_time_us_bucket{{{AGENT},le="1000"}} 4
agent_xfer_time_us_bucket{{{AGENT},le="+Inf"}} 5
agent_xfer_time_us_sum{{{AGENT}}} 1500
agent_xfer_time_us_count{{{AGENT}}} 5
"""


def test_documented_families() -> None:
    known = read(PAGE)
    assert known.backend == "nixl"
    assert registry.named("nixl").never_seen
    assert known.mapping.workers == ()
    assert {(one.worker, one.owner, one.tier, one.to) for one in known.mapping.series} == {
        ("", "node-7/decode-0", Tier.UNKNOWN, Tier.UNKNOWN)
    }
    assert known.buckets == {("", Signal.KV_TRANSFER): {0.00001: 1, 0.001: 4, float("inf"): 5}}
    found = {
        (one.signal, one.kind, one.label): value
        for one, value in zip(known.mapping.series, known.found.tolist(), strict=True)
        if one.kind is not Kind.BUCKET
    }
    assert found == {
        (Signal.KV_TRANSFER_BYTES, Kind.COUNTER, "written"): 1000,
        (Signal.KV_TRANSFER_BYTES, Kind.COUNTER, "read"): 2000,
        (Signal.KV_TRANSFER_TIME, Kind.COUNTER, ""): 1_500_000,  # 1.5 ms in ns
        (Signal.KV_TRANSFER_FAILURES, Kind.COUNTER, "backend"): 3,
        (Signal.KV_TRANSFER_FAILURES, Kind.COUNTER, "canceled"): 0,
        (Signal.KV_TRANSFER, Kind.SUM, ""): pytest.approx(0.0015),
        (Signal.KV_TRANSFER, Kind.COUNT, ""): 5,
    }


def test_labels_may_be_missing_and_types_wrong() -> None:
    known = read(
        "# TYPE agent_tx_bytes_total histogram\nagent_tx_bytes_total 5\n"
        'agent_rx_bytes_total 7\nagent_errors_total{agent_name="a"} 1\n',
        "10.1.1.1:9090",
    )
    assert [(one.owner, one.signal, one.label) for one in known.mapping.series] == [
        ("10.1.1.1", Signal.KV_TRANSFER_BYTES, "read"),
        ("10.1.1.1/a", Signal.KV_TRANSFER_FAILURES, ""),
    ]
