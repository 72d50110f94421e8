"""Grammar of one line of Prometheus exposition text, strictly and brace-aware, with the errors and limits of a page.

Knows lines, not pages: what family a sample belongs to and whether a series repeats is decided in `learn`.
Follows prometheus/docs `content/docs/instrumenting/exposition_formats.md` (text 0.0.4) and, for what comes after a value,
prometheus/OpenMetrics `specification/OpenMetrics.md`: timestamps and exemplars are checked, then left out.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from collectors.wire.limits import Limits
from collectors.wire.safe import safe_text

Labels = tuple[tuple[str, str], ...]

BLANK: Final = b" \t\r"
TYPES: Final = {
    b"counter": "counter",
    b"gauge": "gauge",
    b"histogram": "histogram",
    b"summary": "summary",
    b"untyped": "untyped",
    b"unknown": "untyped",
    b"info": "gauge",
    b"stateset": "gauge",
    b"gaugehistogram": "untyped",
}
"""Types by their name on the wire. Info and state sets are gauges in text; the product has no use for gauge histograms."""

NAME: Final = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*")
_STRING: Final = rb'"([^"\\]*(?:\\.[^"\\]*)*)"'
_QUOTED: Final = re.compile(_STRING)
_LABEL_NAME: Final = re.compile(rb"[a-zA-Z_][a-zA-Z0-9_]*|" + _STRING)
_LABEL: Final = re.compile(
    rb"[ \t]*(?:([a-zA-Z_][a-zA-Z0-9_]*)|" + _STRING + rb")[ \t]*=[ \t]*" + _STRING + rb"[ \t]*([,}])"
)
_LABEL_SEAM: Final = re.compile(r"[ \t]*(,?)[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*")
_QUOTED_NAME: Final = re.compile(rb"[ \t]*" + _STRING + rb"[ \t]*([,}])")
_COMMENT: Final = re.compile(
    rb"[ \t]*#[ \t]*(HELP|TYPE|UNIT)[ \t]+(?:" + _STRING + rb'|([^" \t\r][^ \t\r]*))[ \t\r]*(.*)', re.DOTALL
)
_ESCAPE: Final = re.compile(rb'\\[\\n"]')
_ESCAPED: Final = {b"\\\\": b"\\", b"\\n": b"\n", b'\\"': b'"'}
_NUMBER: Final = rb"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf|infinity|nan))"
_TAIL: Final = re.compile(
    rb"[ \t\r]*("
    + _NUMBER
    + rb")(?:[ \t\r]+([+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?))?(?:[ \t\r]+#([^\n]*)|[ \t\r]*)"
)
_NUMERIC_BYTES: Final = b"0123456789+-.eEinftyaINFTYA, \t\r"

_decode_numbers: Final = msgspec.json.Decoder(list[float]).decode


class ExpositionError(ValueError):
    """A page that is not exposition text or is over a limit. `line` is 1-based; 0 is the page as a whole. `limit`: which one it is over."""

    def __init__(self, reason: str, line: int, limit: str = "") -> None:
        super().__init__(reason, line, limit)
        self.reason = reason
        self.line = line
        self.limit = limit

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}" if self.line else self.reason


def quote(raw: bytes) -> str:
    """A piece of the page as it may be shown inside a message."""
    return f"'{safe_text(raw[:160].decode('utf-8', 'replace'), 40)}'"


def unescape(raw: bytes) -> str:
    """The text of a quoted string. Unknown escapes stay as they are, as Prometheus reads them."""
    if b"\\" in raw:
        raw = _ESCAPE.sub(lambda match: _ESCAPED[match[0]], raw)
    return raw.decode()


def read_series(line: bytes, at: int, limits: Limits) -> tuple[bytes, Labels, int, int]:
    """`(name, labels, brace, end)` of the sample at line number `at`: labels unescaped, in wire order.

    `brace` is the position of `{`, or -1; `end` the position after the closing brace or the bare name. The name may also be the first,
    quoted item between the braces (Prometheus 3 with UTF-8 names).
    """
    begin = _skip(line, 0)
    found = NAME.match(line, begin)
    name = found[0] if found else b""
    end = found.end() if found else begin
    brace = _skip(line, end)
    if line[brace : brace + 1] == b"{":
        labels, end = _read_labels(line, brace + 1, at, limits)
        if not name:
            quoted = _QUOTED_NAME.match(line, brace + 1)
            name = unescape(quoted[1]).encode() if quoted else b""
        elif _QUOTED_NAME.match(line, brace + 1):
            raise ExpositionError("a second metric name between the braces", at)
    else:
        brace, labels = -1, ()
        if end < len(line) and line[end] not in BLANK:
            name = b""
    if not name:
        raise ExpositionError(f"metric name expected, not {quote(line[begin:])}", at)
    return name, labels, brace, end


def _read_labels(line: bytes, pos: int, at: int, limits: Limits) -> tuple[Labels, int]:
    """Labels and the position after the closing brace, from the position after `{`. A leading quoted metric name is passed over."""
    quoted = _QUOTED_NAME.match(line, pos)
    if quoted:
        pos = quoted.end() - (quoted[2] == b"}")
    labels: list[tuple[str, str]] = []
    while found := _LABEL.match(line, pos):
        bare, quoted_name, value, separator = found.groups()
        labels.append((bare.decode() if bare else unescape(quoted_name), unescape(value)))
        if len(value) > limits.max_label_bytes:
            raise ExpositionError(
                f"label value of {len(value)} bytes is over the limit of {limits.max_label_bytes}",
                at,
                "max_label_bytes",
            )
        if len(bare or quoted_name) > limits.max_name_bytes:
            raise ExpositionError(f"label name over the limit of {limits.max_name_bytes} bytes", at, "max_name_bytes")
        pos = found.end()
        if separator == b"}":
            break
    else:
        pos = _skip(line, pos)
        if line[pos : pos + 1] != b"}":
            raise ExpositionError(_label_fault(line, pos), at)
        pos += 1
    if len(labels) > limits.max_labels:
        raise ExpositionError(f"{len(labels)} labels are over the limit of {limits.max_labels}", at, "max_labels")
    if len(dict(labels)) < len(labels):
        raise ExpositionError("the same label twice", at)
    return tuple(labels), pos


def read_label_names(seams: tuple[str, ...], limits: Limits) -> tuple[str, ...] | None:
    """Names of a label set without escapes, given the text between its quotes; None if that is not quite regular.

    Label sets differ in their values far more often than in this.
    """
    if seams[-1] not in ("", ",") or len(seams) - 1 > limits.max_labels:
        return None
    names: list[str] = []
    for seam in seams[:-1]:
        found = _LABEL_SEAM.fullmatch(seam)
        if found is None or (found[1] == ",") != bool(names) or len(found[2]) > limits.max_name_bytes:
            return None
        names.append(found[2])
    return tuple(names) if len(set(names)) == len(names) else None


def _label_fault(line: bytes, pos: int) -> str:
    """Why no label could be read at `pos`."""
    if pos >= len(line):
        return "labels not closed"
    found = _LABEL_NAME.match(line, pos)
    if found is None:
        return f"label name expected, not {quote(line[pos:])}"
    pos = _skip(line, found.end())
    if line[pos : pos + 1] != b"=":
        return f"'=' expected after label {quote(found[0])}"
    pos = _skip(line, pos + 1)
    value = _QUOTED.match(line, pos)
    if value is None:
        return "label value not closed" if line[pos : pos + 1] == b'"' else "label value not quoted"
    return "labels not closed" if _skip(line, value.end()) >= len(line) else "',' or '}' expected after a label"


def _skip(line: bytes, pos: int) -> int:
    """Position of the first character from `pos` on that is not blank."""
    return len(line) - len(line[pos:].lstrip(b" \t"))


def read_tail(tail: bytes, at: int, limits: Limits) -> float:
    """The value of a sample, from what follows its name and labels: a number, perhaps a timestamp, perhaps an exemplar."""
    found = _TAIL.fullmatch(tail)
    if found is None:
        rest = tail.strip(BLANK)
        if not rest:
            raise ExpositionError("value missing", at)
        if _TAIL.fullmatch(rest.replace(b"\t", b" ").partition(b" ")[0]) is None:
            raise ExpositionError(f"value {quote(rest)} is not a number", at)
        raise ExpositionError(f"neither a timestamp nor an exemplar after the value: {quote(rest)}", at)
    if found[3] is not None:
        exemplar = found[3].lstrip(BLANK)
        if exemplar[:1] != b"{":
            raise ExpositionError("exemplar without labels", at)
        _, end = _read_labels(exemplar, 1, at, limits)
        inner = _TAIL.fullmatch(exemplar, end)
        if inner is None or inner[3] is not None:
            raise ExpositionError("exemplar without a number", at)
    return float(found[1])


def read_numbers(tails: Iterable[bytes], joined: bytes) -> list[float] | None:
    """The values of many samples, given the text after each prefix and the same joined by commas; None unless each is one number.

    One JSON list is by far the fastest way from text to many floats; JSON has no NaN and no infinity, hence the second way.
    """
    try:
        return _decode_numbers(b"[%b]" % joined)
    except msgspec.DecodeError:
        if joined.translate(None, _NUMERIC_BYTES):
            return None
    try:
        return list(map(float, tails))
    except ValueError:
        return None


def read_comment(line: bytes, at: int) -> tuple[bytes, str | None]:
    """`(family, type)` of a `# TYPE` line, `(family, None)` of `# HELP` and `# UNIT`, `(b"", None)` of any other comment."""
    found = _COMMENT.match(line)
    if found is None:
        return b"", None
    keyword, quoted, bare, rest = found.groups()
    name = bare or unescape(quoted).encode()
    if keyword != b"TYPE":
        return name, None
    kind = TYPES.get(rest.strip(BLANK).lower())
    if kind is None:
        known = ", ".join(kind.decode() for kind in TYPES)
        raise ExpositionError(f"type {quote(rest)} of {quote(name)} is none of {known}", at)
    return name, kind
