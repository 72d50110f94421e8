"""External text is harmless and of bounded width after `safe_text`, and stays what it was otherwise."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.safe import MAX_CELLS, safe_text


def cells(text: str) -> int:
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("llama-3-8b", "llama-3-8b"),
        ("", ""),
        ("Zürich 模型", "Zürich 模型"),
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link", "alink"),
        ("a\x1bP1$r\x1b\\b", "ab"),
        ("a\x9b2Jb", "ab"),
        ("a\x1bcb", "ab"),
        ("line\nbreak\ttab\rcr", "line break tab cr"),
        ("nul\x00bel\x07del\x7f", "nulbeldel"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("zero\u200bwidth\u200d\ufeff\u00ad", "zerowidth"),
        ("half\ud800surrogate", "halfsurrogate"),
        ("private\ue0b0", "private"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        ("hangul\u3164filler", "hangulfiller"),
        ("\u0301no base, e\u0301", "no base, e\u0301"),
    ],
)
def test_examples(raw: str, safe: str) -> None:
    assert safe_text(raw) == safe


@pytest.mark.parametrize(
    ("raw", "width", "safe"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("模型模型", 8, "模型模型"),
        ("模型模型x", 8, "模型模…"),
        ("abc模", 4, "abc…"),
        ("abe\u0301xy", 4, "abe\u0301…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_width_is_counted_in_cells(raw: str, width: int, safe: str) -> None:
    assert safe_text(raw, width) == safe


def test_stacked_marks_are_bounded() -> None:
    assert len(safe_text("a" + "\u0301" * 10_000)) < 10


HOSTILE = st.text(
    st.one_of(st.characters(), st.sampled_from("\x1b\x9b\x9d[]P;0m\x07\\\u202e\u200b\u2028模é\u0301…\t\n")), max_size=60
)


@given(HOSTILE, st.integers(0, 40))
def test_result_is_harmless_bounded_and_stable(raw: str, width: int) -> None:
    safe = safe_text(raw, width)
    assert not {c for c in safe if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp")}
    assert cells(safe) <= width
    assert safe_text(safe, width) == safe


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), max_size=MAX_CELLS))
def test_plain_ascii_is_untouched(raw: str) -> None:
    assert safe_text(raw) == raw
