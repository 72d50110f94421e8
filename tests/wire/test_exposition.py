"""The grammar, trap by trap: what is read, as what, and what is refused with which words."""

import numpy as np
import pytest

from collectors.wire.exposition import ExpositionError, PageReader, SampleKey, parse
from collectors.wire.limits import Limits


def values(text: str) -> dict[str, float]:
    keys, numbers = parse(text.encode())
    return {
        key.name + "{" + ",".join(f"{k}={v}" for k, v in key.labels) + "}" * bool(key.labels)
        if key.labels
        else key.name: v
        for key, v in zip(keys, numbers.tolist(), strict=True)
    }


def key(text: str) -> SampleKey:
    (only,), _ = parse(text.encode())
    return only


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("a 1", {"a": 1}),
        ("a\t1", {"a": 1}),
        ("  a   1  ", {"a": 1}),
        ("a{} 1", {"a": 1}),
        ("a{}1", {"a": 1}),
        ("a {} 1", {"a": 1}),
        ("a:b_c 1", {"a:b_c": 1}),
        ('a{b="c"} 1', {"a{b=c}": 1}),
        ('a{b="c"}1', {"a{b=c}": 1}),
        ('a{b="c",} 1', {"a{b=c}": 1}),
        ('a{gpu="0", UUID="x"} 139', {"a{gpu=0,UUID=x}": 139}),
        ('a { b = "c" , d = "e" } 1', {"a{b=c,d=e}": 1}),
        ('a{b=""} 1', {"a{b=}": 1}),
        ('a{b="} 5"} 1', {"a{b=} 5}": 1}),
        ('a{b="x y {z}"} 1', {"a{b=x y {z}}": 1}),
        (r'a{b="q\"} 7",c="\\"} 1', {'a{b=q"} 7,c=\\}': 1}),
        (r'a{b="C:\dir"} 1', {r"a{b=C:\dir}": 1}),
        ('a{b="ü模"} 1', {"a{b=ü模}": 1}),
        ("a 1 1395066363000", {"a": 1}),
        ('a{b="c"} 1 -3', {"a{b=c}": 1}),
        ('a_bucket{le="1"} 4 # {trace_id="}{"} 0.67 1520879607.789', {"a_bucket{le=1}": 4}),
        ('a_total 5 # {x="y"} 1', {"a_total": 5}),
        ("a 5.32523487232e+011", {"a": 532523487232.0}),
        ("a 9223372036854775794", {"a": 9223372036854775794.0}),
        ("a +5", {"a": 5}),
        ("a -.5e-3", {"a": -0.0005}),
        ("a +Inf", {"a": float("inf")}),
        ("a -Inf", {"a": float("-inf")}),
        ("a 1\r\nb 2\r\n", {"a": 1, "b": 2}),
        ("# HELP a x\r\n# TYPE a gauge\r\na 1\r\n\r\n", {"a": 1}),
        ("a 1\n# EOF\n", {"a": 1}),
        ("a 1\n# EOF", {"a": 1}),
        ("\n\n# any comment {\n  # another\na 1\n \n", {"a": 1}),
        ('{"a.b",c="d"} 1', {"a.b{c=d}": 1}),
        ('{"a.b"} 1', {"a.b": 1}),
        ('a{"b.c"="d"} 1', {"a{b.c=d}": 1}),
        ("", {}),
        ("\n", {}),
        ("# TYPE a gauge\n", {}),
    ],
)
def test_reads(line: str, read: dict[str, float]) -> None:
    assert values(line) == read


def test_nan_is_a_value() -> None:
    _, numbers = parse(b"a NaN\nb nan\nc 1\n")
    assert np.isnan(numbers[:2]).all()
    assert numbers[2] == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<html>", "line 1: metric name expected, not '<html>'"),
        ("a 1\n...\n", "line 2: metric name expected, not '...'"),
        ("5 1", "line 1: metric name expected, not '5 1'"),
        ("a-b 1", "line 1: metric name expected, not 'a-b 1'"),
        ("a-1", "line 1: metric name expected, not 'a-1'"),
        ("a 1\n\na", "line 3: value missing"),
        ('a{b="c"}', "line 1: value missing"),
        ('a{b="c} 1', "line 1: label value not closed"),
        ('a{b="c\\"} 1', "line 1: label value not closed"),
        ('a{b="c","} 1', "line 1: label name expected, not '\"} 1'"),
        ('a{b="} 1\na{b="c" 1', "line 1: label value not closed"),
        ('a{b="c"} 1\na{b="c"x', "line 2: ',' or '}' expected after a label"),
        ('a{b="c"}"} 1', "line 1: value '\"} 1' is not a number"),
        ('a{b="c" 1', "line 1: ',' or '}' expected after a label"),
        ('a{b="c"', "line 1: labels not closed"),
        ('a{b="c",', "line 1: labels not closed"),
        ("a{", "line 1: labels not closed"),
        ("a{b=c} 1", "line 1: label value not quoted"),
        ("a{b} 1", "line 1: '=' expected after label 'b'"),
        ('a{0="c"} 1', "line 1: label name expected, not '0=\"c\"} 1'"),
        ('a{,b="c"} 1', "line 1: label name expected, not ',b=\"c\"} 1'"),
        ('a{b="c",b="d"} 1', "line 1: the same label twice"),
        ('a{"x"} 1', "line 1: a second metric name between the braces"),
        ('{b="c"} 1', "line 1: metric name expected, not '{b=\"c\"} 1'"),
        ("a x", "line 1: value 'x' is not a number"),
        ("a 1_0", "line 1: value '1_0' is not a number"),
        ("a 0x1p3", "line 1: value '0x1p3' is not a number"),
        ("a 1,2", "line 1: value '1,2' is not a number"),
        ("a [1]", "line 1: value '[1]' is not a number"),
        ("a 1\x0b", "line 1: value '1 ' is not a number"),
        ("a 1 x", "line 1: neither a timestamp nor an exemplar after the value: '1 x'"),
        ("a 1 2 3", "line 1: neither a timestamp nor an exemplar after the value: '1 2 3'"),
        ("a 1 # x", "line 1: exemplar without labels"),
        ('a 1 # {x="y"}', "line 1: exemplar without a number"),
        ('a 1 # {x="y} 1', "line 1: label value not closed"),
        ("# TYPE a speed", "line 1: type 'speed' of 'a' is none of counter, gauge, histogram"),
        ("# TYPE a", "line 1: type '' of 'a' is none of"),
        ("a 1\nb 1\na 2", "line 3: same series as on line 1: 'a 2'"),
        ('a{b="c",d="e"} 1\na{d="e",b="c"} 2', 'line 2: same series as on line 1: \'a{d="e",b="c"} 2\''),
        ("a{} 1\na 2", "line 2: same series as on line 1: 'a 2'"),
        ('a{b="\\n"} 1\na{b="\\n",} 2', "line 2: same series as on line 1"),
        ("a 1\nb\x1b[31m 2", "line 2: metric name expected, not 'b 2'"),
        ("a x\nb{ 1", "line 1: value 'x' is not a number"),
    ],
)
def test_refuses(text: str, error: str) -> None:
    with pytest.raises(ExpositionError) as caught:
        parse(text.encode())
    assert str(caught.value).startswith(error)
    assert caught.value.line == int(error.split()[1][:-1])
    assert caught.value.reason in str(caught.value)


def test_bytes_that_are_not_utf8() -> None:
    with pytest.raises(ExpositionError, match="line 2: not UTF-8: byte 0xff"):
        parse(b'a 1\nb{c="\xff"} 1\n')


@pytest.mark.parametrize(
    ("text", "family", "type_"),
    [
        ("# TYPE a counter\na 1", "a", "counter"),
        ("# TYPE a_total counter\na_total 1", "a_total", "counter"),
        ("# TYPE a counter\na_total 1", "a", "counter"),
        ("# TYPE a counter\na_created 1", "a", "counter"),
        ("# TYPE a counter\na_sum 1", "a_sum", "untyped"),
        ("# TYPE a gauge\na_total 1", "a_total", "untyped"),
        ('# TYPE a_total histogram\na_total_bucket{le="1"} 1', "a_total", "histogram"),
        ("# TYPE a_total histogram\na_total_sum 1", "a_total", "histogram"),
        ("# TYPE a histogram\n# TYPE a_created gauge\na_created 1", "a_created", "gauge"),
        ("# TYPE a summary\na_count 1", "a", "summary"),
        ('# TYPE a summary\na{quantile="0.5"} 1', "a", "summary"),
        ("# TYPE a untyped\na 1", "a", "untyped"),
        ("# TYPE a unknown\na 1", "a", "untyped"),
        ("# TYPE a info\na_info 1", "a", "gauge"),
        ("#TYPE a GAUGE \na 1", "a", "gauge"),
        ("#\tTYPE\ta\tgauge\r\na 1", "a", "gauge"),
        ('# TYPE "a.b" gauge\n{"a.b"} 1', "a.b", "gauge"),
        ("# TYPE a gauge\n# TYPE a counter\na 1", "a", "counter"),
        ("a 1\n# TYPE a counter", "a", "untyped"),
        ("a 1", "a", "untyped"),
        ("# HELP a TYPE a counter\na 1", "a", "untyped"),
    ],
)
def test_type_is_that_of_the_lines_before(text: str, family: str, type_: str) -> None:
    only = key(text)
    assert (only.family, only.type) == (family, type_)


def test_type_line_between_samples_of_one_name() -> None:
    keys, _ = parse(b'a{b="c"} 1\n# TYPE a gauge\na{b="d"} 2\n')
    assert [key.type for key in keys] == ["untyped", "gauge"]


@pytest.mark.parametrize(
    ("limits", "text", "error"),
    [
        (Limits(max_body_bytes=3), "a 10", "page of 4 bytes is over the limit of 3"),
        (Limits(max_lines=2), "\n\na 1", None),
        (Limits(max_lines=2), "\n\n\na 1", "line 3: more than the limit of 2 lines"),
        (Limits(max_line_bytes=5), "a 1\na 1234\n", "line 2: line of 6 bytes is over the limit of 5"),
        (Limits(max_series=2), "a 1\nb 1\nc 1", "line 3: more than the limit of 2 series"),
        (Limits(max_labels=1), 'a{b="",c=""} 1', "line 1: 2 labels are over the limit of 1"),
        (Limits(max_label_bytes=2), 'a{b="123"} 1', "line 1: label value of 3 bytes is over the limit of 2"),
        (Limits(max_name_bytes=2), "abc 1", "line 1: metric name of 3 bytes is over the limit of 2"),
        (Limits(max_name_bytes=2), 'a{bcd=""} 1', "line 1: label name over the limit of 2 bytes"),
    ],
)
def test_limits(limits: Limits, text: str, error: str | None) -> None:
    if error is None:
        parse(text.encode(), limits)
        return
    with pytest.raises(ExpositionError) as caught:
        parse(text.encode(), limits)
    assert str(caught.value) == error


def test_limits_hold_for_a_known_layout_too() -> None:
    reader = PageReader(Limits(max_line_bytes=8, max_body_bytes=20))
    reader.read(b"a 1\nb 2\n")
    with pytest.raises(ExpositionError, match="line 2: line of 9 bytes"):
        reader.read(b"a 1\nb 2000000\n")
    with pytest.raises(ExpositionError, match="page of 21 bytes"):
        reader.read(b"a 100000\nb 200000\n\n\n\n")
    assert reader.values.tolist() == [1, 2]


def test_keys_are_safe_and_distinct_series_stay_apart() -> None:
    keys, numbers = parse('a{b="x\u202ey"} 1\na{b="xy"} 2\na{b="\x1b[31mxy"} 3\na{b="l1\\nl2"} 4\n'.encode())
    assert [k.labels for k in keys] == [(("b", "xy"),)] * 3 + [(("b", "l1 l2"),)]
    assert numbers.tolist() == [1, 2, 3, 4]


def test_stacked_marks_and_invisible_letters_in_labels() -> None:
    assert key('a{b="e' + "\u0301" * 50 + '\u3164"} 1').labels == (("b", "e" + "\u0301" * 3),)


def test_long_labels_are_cut_in_the_keys() -> None:
    only = key(f'a{{b="{"x" * 9000}"}} 1')
    assert only.labels == (("b", "x" * 511 + "…"),)


def test_readers_of_pages_of_one_kind_share_what_they_learnt() -> None:
    page = b'# TYPE a counter\na_total{x="1"} 1\nb 2\n'
    one, two, other = PageReader(), PageReader(), PageReader()
    one.read(page)
    two.read(page.replace(b" 2", b" 77.5"))
    other.read(page.replace(b"b", b"c"))
    assert one.keys is two.keys
    assert one.keys != other.keys
    for reader, last in ((one, 2.0), (two, 77.5), (other, 2.0)):
        assert reader.values.tolist() == [1.0, last]
    moved = PageReader()
    moved.read(b'b 2\n# TYPE a counter\na_total{x="1"} 1\n')
    assert moved.values.tolist() == [2.0, 1.0]
    assert not one.read(page.replace(b"} 1", b"} 5"))
    assert one.values.tolist() == [5.0, 2.0]


def test_an_idle_page_is_told_from_one_that_only_looks_like_it() -> None:
    lines = [b'a{n="%d"} %d' % (at, 1_000 + at) for at in range(200)]
    page = b"\n".join(lines) + b"\n"
    reader = PageReader()
    for _ in range(4):
        assert not reader.read(bytes(bytearray(page))) or reader.values[0] == 1_000
    for at in range(200):
        other = page.replace(b"} %d" % (1_000 + at), b"} 7777", 1)
        for body, first in ((other, 7777.0), (other, 7777.0), (page, 1_000.0 + at), (page, 1_000.0 + at)):
            assert not reader.read(bytes(bytearray(body)))
            assert reader.values[at] == first
