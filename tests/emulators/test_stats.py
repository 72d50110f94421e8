"""Counting into buckets, growing columns, and numbers for streams."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators import samples
from emulators.samples import Samples
from emulators.stats import GAP, NS, TTFT, BucketCounts, WorkerStats, histograms
from emulators.streams import MAX_STREAMS, Streams


def test_a_value_on_a_bound_lies_below_it() -> None:
    counts = BucketCounts((0.01, 0.025, 0.05), NS)
    counts.add([10_000_000, 10_000_001, 25_000_000, 50_000_001])
    assert counts.counts.tolist() == [1, 2, 0, 1]
    assert counts.cumulative().tolist() == [1, 3, 3, 4]
    assert counts.count == 4
    assert counts.sum == 0.095000002


@given(st.lists(st.integers(0, 10**11)), st.integers(0, 20))
def test_grouping_does_not_matter(values: list[int], at: int) -> None:
    whole, parts, single = (histograms()[TTFT] for _ in range(3))
    whole.add(values)
    parts.add(values[:at])
    parts.add(values[at:])
    for value in values:
        single.add_one(value)
    assert whole.counts.tolist() == parts.counts.tolist() == single.counts.tolist()
    assert whole.sum == parts.sum == single.sum == sum(values) / 1e9
    assert whole.count == len(values)


def test_families_have_the_bounds_of_a_captured_page(vllm_bounds: dict[str, list[float]]) -> None:
    ours = {name: counts.bounds.tolist() for name, counts in WorkerStats().histograms.items()}
    assert {name: vllm_bounds[name] for name in ours} == ours
    fast = histograms(fast_gaps=True)[GAP].bounds.tolist()
    assert fast[: -len(ours[GAP])] == sorted(bound for bound in fast if bound < 0.01)


@pytest.fixture
def vllm_bounds() -> dict[str, list[float]]:
    out: dict[str, list[float]] = {}
    page = (Path(__file__).parents[1] / "fixtures/vllm/after_load.metrics.txt").read_text()
    for name, bound in re.findall(r'^vllm:(\w+)_bucket{.*le="([0-9.]+)"', page, re.MULTILINE):
        out.setdefault(name, []).append(float(bound))
    return out


def test_samples_are_counted_once_and_kept() -> None:
    counts = BucketCounts((1.0,))
    column = Samples(counts, keep=True)
    column.extend(np.arange(5_000))
    column.append(7)
    column.flush()
    column.flush()
    column.append(0)
    column.flush()
    assert counts.counts.tolist() == [3, 4_999]
    assert column.values.tolist() == [*range(5_000), 7, 0]
    assert column.complete


def test_samples_that_are_not_kept_are_counted_all_the_same() -> None:
    counts = BucketCounts((1.0,))
    column = Samples(counts, keep=False)
    for _ in range(3):
        column.extend(np.arange(4))
        column.flush()
    assert counts.count == 12
    assert not len(column.values)
    assert not column.complete


def test_samples_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MAX_KEPT", 100)
    counts = BucketCounts((1.0,))
    column = Samples(counts, keep=True)
    for _ in range(5):
        column.extend(np.arange(40))
        column.flush()
    assert counts.count == 200
    assert not column.complete
    assert not len(column.values)


def test_the_lowest_free_stream_is_taken() -> None:
    streams = Streams()
    assert [streams.take() for _ in range(5)] == [0, 1, 2, 3, 4]
    for stream in (1, 3, 0):
        streams.give_back(stream)
    assert [streams.take() for _ in range(4)] == [0, 1, 3, 5]


def test_streams_are_bounded() -> None:
    streams = Streams()
    for _ in range(MAX_STREAMS):
        streams.take()
    with pytest.raises(OverflowError, match="beyond its capacity"):
        streams.take()
