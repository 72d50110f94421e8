"""Real pages: read as prometheus_client's own parser reads them, cold, warm and in part."""

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from collectors.wire.exposition import ExpositionError, PageReader, SampleKey, parse
from collectors.wire.learn import learn
from collectors.wire.limits import Limits

FIXTURES = Path(__file__).parents[1] / "fixtures"
REPEATING = {"llm_d_request_tpot_seconds_metric.prom", "request_tpot_seconds_metric.prom"}
"""Pages that say series twice, as their project has them: prometheus_client takes them, we refuse them (tests/backends/test_llmd.py)."""
PAGES = sorted(
    path for path in FIXTURES.rglob("*") if path.name.endswith((".metrics.txt", ".prom")) and path.name not in REPEATING
)
Read = list[tuple[str, frozenset[tuple[str, str]], float]]


def page(path: Path) -> bytes:
    """The page; the DCGM samples without the `...` lines of the document that they are from."""
    return path.read_bytes().replace(b"...\n", b"")


def on_the_wire(name: str, body: bytes) -> str:
    """The client's parser adds `_total` to counters that lack it."""
    return name if name.encode() in body else name.removesuffix("_total")


def by_client(body: bytes) -> Read:
    families: Iterable[Metric] = text_string_to_metric_families(body.decode())
    return [
        (on_the_wire(s.name, body), frozenset(s.labels.items()), float(s.value))
        for family in families
        for s in family.samples
    ]


def by_us(keys: tuple[SampleKey, ...], values: np.ndarray) -> Read:
    return [(key.name, frozenset(key.labels), value) for key, value in zip(keys, values.tolist(), strict=True)]


def scraped_later(body: bytes, seed: int) -> bytes:
    """The page with half of its values changed."""
    rng = random.Random(seed)
    lines = body.split(b"\n")
    for row, line in enumerate(lines):
        if line and not line.startswith(b"#") and rng.random() < 0.5:
            head, _, value = line.rpartition(b" ")
            lines[row] = head + b" " + repr(float(value) + rng.choice([1, 0.25, 1e6, 1e-7])).encode()
    return b"\n".join(lines)


def rereads(body: bytes, chosen: set[str] | None) -> bool:
    """Whether later scrapes take the fast way."""
    limits = Limits()
    layout, _ = learn(body, limits, None if chosen is None else chosen.__contains__)
    cuts = [layout.cut(scraped_later(body, seed)) for seed in range(3)]
    return all(cut is not None and layout.reread(cut, limits) is not None for cut in cuts)


def test_there_are_fixtures() -> None:
    assert len(PAGES) >= 15


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_same_series_and_values_as_prometheus_client(path: Path) -> None:
    body = page(path)
    assert sorted(by_us(*parse(body)), key=repr) == sorted(by_client(body), key=repr)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_same_types_as_prometheus_client(path: Path) -> None:
    """Where it knows one: it forgets a TYPE line that its samples do not follow at once, as in the DCGM samples."""
    body = page(path)
    theirs = {
        on_the_wire(sample.name, body): family.type
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }
    for key in parse(body)[0]:
        their_type = theirs.pop(key.name, key.type)
        if their_type == "unknown":
            assert key.type == "untyped" or f"# TYPE {key.name} {key.type}\n".encode() in body
        else:
            assert key.type == their_type
    assert not theirs


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_later_scrapes_of_the_same_page(path: Path) -> None:
    body = page(path)
    reader = PageReader()
    assert reader.read(body)
    assert rereads(body, None)
    for seed in range(3):
        later = scraped_later(body, seed)
        assert not reader.read(later)
        assert by_us(reader.keys, reader.values) == by_us(*parse(later))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_later_scrapes_of_some_families(path: Path) -> None:
    body = page(path)
    families = sorted({key.family for key in parse(body)[0]})
    chosen = set(random.Random(7).sample(families, (len(families) + 2) // 3))
    reader = PageReader(wanted=chosen.__contains__)
    assert reader.read(body)
    assert rereads(body, chosen)
    for seed in range(3):
        later = scraped_later(body, seed)
        assert not reader.read(later)
        keys, values = parse(later)
        rows = [row for row, key in enumerate(keys) if key.family in chosen]
        assert reader.keys == tuple(keys[row] for row in rows)
        np.testing.assert_array_equal(reader.values, values[rows])


def test_from_idle_to_loaded_and_back() -> None:
    """Series appear under load and stay: the reader says when, and never mixes them up."""
    names = ("idle", "under_load", "after_load", "after_load", "idle")
    bodies = [(FIXTURES / "vllm" / f"{name}.metrics.txt").read_bytes() for name in names]
    reader, some = PageReader(), PageReader(wanted=lambda family: "prompt" in family)
    assert [reader.read(body) for body in bodies] == [True, True, False, False, True]
    for body in bodies:
        reader.read(body)
        some.read(body)
        assert by_us(reader.keys, reader.values) == by_us(*parse(body))
        assert by_us(some.keys, some.values) == [row for row in by_us(*parse(body)) if "prompt" in row[0]]


def test_document_lines_are_refused() -> None:
    with pytest.raises(ExpositionError, match=r"line 7: metric name expected, not '\.\.\.'"):
        parse((FIXTURES / "dcgm-exporter" / "readme-sample.prom").read_bytes())


def test_histogram_that_ends_in_total_and_creation_times() -> None:
    keys, _ = parse((FIXTURES / "vllm" / "under_load.metrics.txt").read_bytes())
    types = {key.name: (key.family, key.type) for key in keys}
    assert types["vllm:iteration_tokens_total_bucket"] == ("vllm:iteration_tokens_total", "histogram")
    assert types["vllm:prompt_tokens_total"] == ("vllm:prompt_tokens_total", "counter")
    assert types["vllm:prompt_tokens_created"] == ("vllm:prompt_tokens_created", "gauge")


def test_family_that_is_declared_but_not_sampled() -> None:
    reader = PageReader()
    reader.read(b"# HELP a x\n# TYPE a gauge\n# TYPE b histogram\nb_sum 1\nb_count 2\nc 3\n")
    assert reader.families == {"a": "gauge", "b": "histogram"}
    assert [key.name for key in reader.keys] == ["b_sum", "b_count", "c"]


def test_type_is_followed_when_it_changes() -> None:
    reader = PageReader()
    reader.read(b"# TYPE a counter\na 1\n")
    for type_ in ("gauge", "counter", "summary"):  # the last two are of one length
        assert reader.read(f"# TYPE a {type_}\na 1\n".encode())
        assert reader.keys[0].type == type_


def test_comments_timestamps_and_nan_do_not_slow_a_reader_down() -> None:
    assert rereads(b"# a comment\n\na 1\n# EOF", None)
    assert rereads(b'# a comment\n# TYPE a gauge\na{b="c"} 1\n# more\n\nx 2\n', {"a"})
    limits = Limits()
    layout, _ = learn(b"a 1\nb 2\n", limits)
    assert layout.reread(b"a 3 123456\nb NaN\n", limits) is not None


def test_a_few_lines_that_nobody_wants_are_passed_over_whatever_they_say() -> None:
    limits = Limits()
    layout, _ = learn(b"a 1\n# HELP b that\nb 1\nc 2\n", limits, {"a", "c"}.__contains__)

    def read(body: bytes) -> list[float] | None:
        cut = layout.cut(body)
        values = None if cut is None else layout.reread(cut, limits)
        return None if values is None else values.tolist()

    assert read(b"a 10\n# HELP b this\nb 11111\nc 30\n") == [10, 30]
    assert read(b"a 10\n# HELP b this\nb 11111\nd 30\n") is None
    assert read(b"a 10\nc 30\n# HELP b this\nb 11111\n") is None
    assert read(b"a 10\n# HELP b this\nc 30\n") is None


def test_family_that_appears_between_others() -> None:
    reader = PageReader(wanted={"a", "z"}.__contains__)
    reader.read(b"a 1\nb 1\nc 1\n")
    assert reader.read(b"a 1\nb 1\nz 5\nc 1\n")
    assert [key.name for key in reader.keys] == ["a", "z"]


def test_another_series_under_the_same_safe_name_is_a_change() -> None:
    reader = PageReader()
    reader.read(b'a{b="c\x01"} 1\n')
    assert reader.read(b'a{b="c\x02"} 1\n')


def test_failed_page_leaves_the_reader_as_it_was() -> None:
    reader = PageReader()
    reader.read(b"a 1\n")
    keys, values = reader.keys, reader.values
    with pytest.raises(ExpositionError):
        reader.read(b"a x\n")
    assert reader.keys is keys
    assert reader.values is values
    assert not reader.read(b"a 2\n")
    assert reader.values.tolist() == [2]


def test_values_of_earlier_reads_stay() -> None:
    reader = PageReader()
    reader.read(b"a 1\nb 2\n")
    first = reader.values
    reader.read(b"a 3\nb 4\n")
    second = reader.values
    reader.read(b"a 3\nb 4\n")
    assert (first.tolist(), second.tolist(), reader.values.tolist()) == ([1, 2], [3, 4], [3, 4])
    assert reader.values is not second
    assert not reader.values.flags.writeable
