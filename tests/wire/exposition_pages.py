"""Made-up exposition pages with the series they must be read as, and damage to pages, for the property tests."""

from dataclasses import dataclass

from hypothesis import strategies as st

Series = tuple[str, tuple[tuple[str, str], ...], float]
"""Name, labels in wire order, value."""

SUFFIXES = {
    "counter": ("_total", "", "_created"),
    "gauge": ("",),
    "untyped": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("", "_sum", "_count"),
}
BLANKS = st.sampled_from(["", "", "", " ", "\t", "  "])
NAMES = st.from_regex(r"[a-z_:][a-z0-9_:]{0,6}", fullmatch=True)
LABEL_NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,4}", fullmatch=True)
LABEL_VALUES = st.one_of(
    st.sampled_from(
        ["", "0", "0.5", "+Inf", "a b", "{", "}", "} 5", ",", "=", '"', "\\", "\\n", "\n", "#", "ü", "模型"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6),
)
NUMBERS = st.one_of(
    st.sampled_from(
        ["NaN", "+Inf", "-Inf", "0", "-0.0", "1.", ".5", "+7", "007", "5.32523487232e+011", "9223372036854775794"]
    ),
    st.sampled_from(["1.0", "2.0", "0.0", "8.128902e+06"]),
    st.floats().map(repr),
    st.integers(-(2**70), 2**70).map(str),
)


@dataclass(frozen=True)
class Page:
    text: str
    series: tuple[Series, ...]


def escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@st.composite
def label_texts(draw: st.DrawFn, labels: tuple[tuple[str, str], ...]) -> str:
    inner = ",".join(f'{draw(BLANKS)}{k}{draw(BLANKS)}={draw(BLANKS)}"{escape(v)}"{draw(BLANKS)}' for k, v in labels)
    comma = draw(st.booleans())
    return f"{inner}," if labels and comma else inner


@st.composite
def tails(draw: st.DrawFn, number: str) -> str:
    timestamp = draw(st.sampled_from(["", "", "", " 1395066363000", "\t-1.5"]))
    exemplar = draw(st.sampled_from(["", "", "", ' # {trace_id="K} 1"} 0.67', " # {} 1 1520879607.7"]))
    return f"{number}{timestamp}{exemplar}{draw(BLANKS)}"


@st.composite
def pages(draw: st.DrawFn, *, plain: bool = False) -> Page:
    """A valid page. `plain` ones look as client libraries write them: no odd blanks, timestamps, exemplars or NaN."""
    lines: list[str] = []
    series: list[Series] = []
    seen: set[tuple[str, frozenset[tuple[str, str]]]] = set()
    newline = "\n" if plain else draw(st.sampled_from(["\n", "\n", "\r\n"]))
    for family in draw(st.lists(NAMES, max_size=5, unique=True)):
        kind = draw(st.sampled_from(sorted(SUFFIXES)))
        if draw(st.booleans()):
            lines.append(f"# HELP {family} {draw(st.sampled_from(['', 'text', 'a {brace} 5', 'ünï']))}")
        if kind != "untyped":
            lines.append(f"# TYPE {family} {kind}")
        if not plain and draw(st.booleans()):
            lines.append(draw(st.sampled_from(["", '# a comment {x="y"} 5', "#", "# EOF", "  "])))
        for names in draw(st.lists(st.lists(LABEL_NAMES, max_size=3, unique=True), max_size=4)):
            labels = tuple((name, draw(LABEL_VALUES)) for name in names)
            name = family + draw(st.sampled_from(SUFFIXES[kind]))
            ident = name, frozenset(labels)
            if ident in seen:
                continue
            seen.add(ident)
            if plain:
                number = repr(float(draw(st.integers(0, 10**9))))
                inner = ",".join(f'{k}="{escape(v)}"' for k, v in labels)
                lines.append(f"{name}{{{inner}}} {number}" if labels else f"{name} {number}")
            else:
                number = draw(NUMBERS)
                tail = draw(tails(number))
                braces = draw(st.booleans())
                if labels or braces:
                    lines.append(
                        f"{draw(BLANKS)}{name}{draw(BLANKS)}{{{draw(label_texts(labels))}}}{draw(BLANKS)}{tail}"
                    )
                else:
                    lines.append(f"{draw(BLANKS)}{name}{draw(st.sampled_from([' ', '  ', chr(9)]))}{tail}")
            series.append((name, labels, float(number)))
    text = newline.join(lines)
    ended = draw(st.booleans())
    if lines and (plain or ended):
        text += newline
    return Page(text, tuple(series))


JUNK = st.one_of(
    st.sampled_from(
        [
            b" ",
            b"\t",
            b"\r",
            b"\n",
            b",",
            b'"',
            b"}",
            b"{",
            b"=",
            b"#",
            b"\\",
            b"5",
            b"1_0",
            b"NaN",
            b"\xff",
            b"\x00",
            b"\x0b",
        ]
    ),
    st.sampled_from(
        [b" 123", b' # {a="b"} 1', b"x 5\n", b"5\n", b"nan 5\n", b"# TYPE x gauge\n", b'\nx{y="z"} NaN', b"\xc3\xbc"]
    ),
    st.binary(min_size=1, max_size=3),
)


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """`body` after a few edits: other values, lines put in, taken out, doubled or swapped, cut off, bytes changed."""
    for _ in range(draw(st.integers(1, 3))):
        lines = body.split(b"\n")
        row = draw(st.integers(0, len(lines) - 1))
        at = draw(st.integers(0, len(body)))
        match draw(
            st.sampled_from(["value", "value", "insert", "delete", "double", "swap", "cut", "splice", "byte", "drop"])
        ):
            case "value":
                head, blank, _ = lines[row].rpartition(b" ")
                lines[row] = head + blank + draw(NUMBERS).encode()
            case "insert":
                lines.insert(
                    row, draw(st.sampled_from([b"zz 1", b'zz{a="b"} 2', b"", b"# x", b"7", b"# TYPE zz counter"]))
                )
            case "delete":
                del lines[row]
            case "double":
                lines.insert(row, lines[row])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[row], lines[other] = lines[other], lines[row]
            case "cut":
                lines = body[:at].split(b"\n")
            case "splice":
                lines = (body[:at] + draw(JUNK) + body[at:]).split(b"\n")
            case "byte":
                lines = (body[:at] + draw(JUNK) + body[at + 1 :]).split(b"\n")
            case "drop":
                lines = (body[:at] + body[at + draw(st.integers(1, 20)) :]).split(b"\n")
        body = b"\n".join(lines)
    return body
