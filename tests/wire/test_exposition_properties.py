"""Round trip of generated pages, and: however a page is damaged, a reader that knows its layout says what a strict reading says."""

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collectors.wire.exposition import ExpositionError, PageReader, SampleKey, Values, parse
from collectors.wire.safe import safe_text
from tests.wire.exposition_pages import Page, damaged, pages

Outcome = tuple[tuple[SampleKey, ...], list[float]] | str

CAPTURED = [
    (Path(__file__).parents[1] / "fixtures" / name).read_bytes()[:3000].rpartition(b"\n")[0]
    for name in ("vllm/under_load.metrics.txt", "neuron/neuron-monitor.prom", "triton/nv_inference_queue_summary.prom")
]
relaxed = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])


def comparable(keys: tuple[SampleKey, ...], values: Values) -> Outcome:
    return keys, np.nan_to_num(values, nan=-12.25, posinf=np.inf, neginf=-np.inf).tolist()


def strictly(body: bytes) -> Outcome:
    try:
        return comparable(*parse(body))
    except ExpositionError as error:
        return str(error)


def next_page(reader: PageReader, body: bytes) -> Outcome:
    try:
        reader.read(body)
    except ExpositionError as error:
        return str(error)
    return comparable(reader.keys, reader.values)


@relaxed
@given(pages())
def test_generated_pages_are_read_as_written(page: Page) -> None:
    keys, values = parse(page.text.encode())
    assert [(key.name, key.labels) for key in keys] == [
        (name, tuple((k, safe_text(v)) for k, v in labels)) for name, labels, _ in page.series
    ]
    np.testing.assert_array_equal(values, [value for _, _, value in page.series])


@st.composite
def histories(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A page and pages that follow it, each a damaged copy of the first or of the one before."""
    first = draw(
        st.one_of(
            pages(plain=True).map(lambda page: page.text.encode()),
            pages().map(lambda page: page.text.encode()),
            st.sampled_from(CAPTURED),
        )
    )
    follow: list[bytes] = []
    for _ in range(draw(st.integers(1, 3))):
        onwards = draw(st.booleans())
        follow.append(draw(damaged(follow[-1] if follow and onwards else first)))
    return first, follow


@relaxed
@given(histories())
@example((b"a 1\nbb 2\n", [b"a 1\n5\n", b"a 1\n5    2\n"]))  # a line that is only a number, of any length
@example((b"a 1\nb 2\n", [b"a 1,2\nb \n", b"a 1\nb 2,3\n", b"a \nb 1,2\n"]))  # numbers that change lines
@example((b"# x\na 1\n", [b"# x5\na \n", b"# \na 51\n"]))  # bytes that change lines
@example((b"a 1", [b"a 1\n", b"a 1\n\n", b"a 1\n# EOF", b"a 1\n2", b"a 1\n,"]))  # more lines than known
@example((b"a 1\n", [b"a 1", b"a ", b"a", b""]))
@example((b"a 1\nb 2\n", [b"a 1 5\nb NaN\n", b"a 1 5\nb x\n", b"a 1_0\nb NaN\n", b"a 1\x0b\nb NaN\n"]))
@example((b"", [b"a 1\n", b"", b"\n"]))
def test_reader_agrees_with_strict_reading(history: tuple[bytes, list[bytes]]) -> None:
    first, follow = history
    reader = PageReader()
    last = next_page(reader, first)
    for body in [first, *follow, first]:
        now = next_page(reader, body)
        assert now == strictly(body)
        if isinstance(now, str):
            assert isinstance(last, str) or comparable(reader.keys, reader.values) == last
        else:
            last = now


@relaxed
@given(histories(), st.sets(st.integers(0, 9)))
def test_reader_of_some_families_agrees_with_a_strict_reading_of_them(
    history: tuple[bytes, list[bytes]], chosen: set[int]
) -> None:
    """On valid pages. Between wanted families a change of names that keeps the number of lines may go unseen: that is not compared."""
    first, follow = history

    def wanted(family: str) -> bool:
        return sum(family.encode()) % 10 in chosen

    reader = PageReader(wanted=wanted)
    before: tuple[int, tuple[SampleKey, ...]] | None = None
    for body in [first, *follow, first]:
        full = strictly(body)
        if isinstance(full, str):
            continue
        keys, values = full
        lines = body.count(b"\n")
        if before is not None and lines == before[0] and keys != before[1]:
            continue
        before = lines, keys
        pairs = [(key, value) for key, value in zip(keys, values, strict=True) if wanted(key.family)]
        expected = tuple(key for key, _ in pairs), [value for _, value in pairs]
        assert next_page(PageReader(wanted=wanted), body) == expected
        assert next_page(reader, body) == expected


@relaxed
@given(pages(), st.sets(st.integers(0, 9)), st.data())
def test_a_change_is_reported_exactly_when_series_change(page: Page, chosen: set[int], data: st.DataObject) -> None:
    body = page.text.encode()
    reader = PageReader(wanted=lambda family: sum(family.encode()) % 10 in chosen)
    assert reader.read(body) is True
    before = reader.keys
    assert reader.read(body) is False
    assert reader.read(body + b"\n# a comment\n") is False
    assert reader.keys is before
    other = data.draw(damaged(body))
    try:
        changed = reader.read(other)
    except ExpositionError:
        assert reader.keys is before
    else:
        assert changed or reader.keys is before
