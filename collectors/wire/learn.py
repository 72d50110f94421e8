"""Strict reading of a whole page of exposition text, which yields its layout and its first values.

Decides what a single line cannot tell: which family and type a sample belongs to (`# TYPE` holds for the samples after it), whether a
series occurs twice, and whether the page is within limits. Texts that repeat on a page (names, label sets) are parsed once.
"""

import re
from collections.abc import Callable
from itertools import accumulate, compress, islice
from struct import Struct
from typing import Final

import msgspec

from collectors.wire.grammar import (
    BLANK,
    NAME,
    ExpositionError,
    Labels,
    quote,
    read_comment,
    read_label_names,
    read_numbers,
    read_series,
    read_tail,
)
from collectors.wire.layout import VALUE_BYTES, Layout, Run, SampleKey, Values, as_values, picker
from collectors.wire.limits import Limits
from collectors.wire.safe import safe_text

SUFFIXES: Final = {
    "counter": (b"total", b"created"),
    "histogram": (b"bucket", b"sum", b"count", b"created"),
    "summary": (b"sum", b"count", b"created"),
    "gauge": (b"info",),
    "untyped": (b"bucket", b"gsum", b"gcount"),
}
"""What a sample's name may have beyond its family's and `_`, by type. A family of exactly the sample's name comes first."""

MAX_CELLS: Final = 512
"""Width at which names and label values are cut in the keys."""

_SERIES_BITS: Final = 40
_OTHER, _SAMPLE, _PASSED = 1, 2, 3
_BETWEEN: Final = re.compile(rb"(?<=[^\0])\0{1,8}(?=[^\0])")
"""Kinds of so few unwanted lines between wanted ones that looking for where they begin and end costs more than to split them."""
_NO_SAMPLE: Final = (b"", b"#")


class _Name(msgspec.Struct, frozen=True, gc=False):
    text: str
    family: str
    type: str
    wanted: bool
    ident: int


def learn(body: bytes, limits: Limits, wanted: Callable[[str], bool] | None = None) -> tuple[Layout, Values]:
    """Layout of the wanted families (all without `wanted`) and their values. The whole page is checked; raises ExpositionError."""
    lines = _split(body, limits)
    page = _Page(limits, wanted)
    try:
        page.read(lines)
    except ExpositionError:
        page.numbers()  # a bad value further up is the error to report
        raise
    numbers = page.numbers()
    page.refuse_duplicates(lines)
    return page.layout(lines, numbers)


def _split(body: bytes, limits: Limits) -> list[bytes]:
    if len(body) > limits.max_body_bytes:
        raise ExpositionError(
            f"page of {len(body)} bytes is over the limit of {limits.max_body_bytes}", 0, "max_body_bytes"
        )
    try:
        body.isascii() or body.decode()
    except UnicodeDecodeError as error:
        at = body.count(b"\n", 0, error.start) + 1
        raise ExpositionError(f"not UTF-8: byte 0x{body[error.start]:02x}", at) from None
    lines = body.split(b"\n", limits.max_lines + 1)
    if len(lines) > limits.max_lines + 1:
        raise ExpositionError(f"more than the limit of {limits.max_lines} lines", limits.max_lines + 1, "max_lines")
    longest = max(map(len, lines))
    if longest > (most := limits.max_line_bytes):
        at = next(at for at, line in enumerate(lines, 1) if len(line) > most)
        raise ExpositionError(f"line of {len(lines[at - 1])} bytes is over the limit of {most}", at, "max_line_bytes")
    if len(lines) > limits.max_series:
        samples = (
            at for at, line in enumerate(lines, 1) if line[:1] != b"#" and line.strip(BLANK)[:1] not in _NO_SAMPLE
        )
        if at := next(islice(samples, limits.max_series, None), 0):
            raise ExpositionError(f"more than the limit of {limits.max_series} series", at, "max_series")
    return lines


class _Page:
    """State of one strict reading; every list but `keys` and `prefixes` (wanted samples) has an entry a sample."""

    def __init__(self, limits: Limits, wanted: Callable[[str], bool] | None) -> None:
        self.limits = limits
        self.wanted = wanted
        self.keys: list[SampleKey] = []
        self.prefixes: list[bytes] = []
        self.tails: list[bytes] = []
        self.rows: list[int] = []
        self.idents: list[int] = []
        self.kinds = bytearray()  # of every line: 0 unwanted, else _OTHER or _SAMPLE
        self._declared: dict[bytes, str] = {}
        self._wanted: dict[bytes, bool] = {}
        self._names: dict[bytes, _Name] = {}
        self._name_idents: dict[bytes, int] = {}
        self._labels: dict[bytes, tuple[Labels, int]] = {}
        self._plain_bytes = min(MAX_CELLS, limits.max_label_bytes)
        self._seams: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._label_idents: dict[frozenset[tuple[str, str]], int] = {}
        self._no_labels = self._remember_labels(())

    def read(self, lines: list[bytes]) -> None:
        names, known_labels, no_labels = self._names, self._labels, self._no_labels
        keys, prefixes, tails, rows, idents = self.keys, self.prefixes, self.tails, self.rows, self.idents
        kinds = self.kinds = bytearray(len(lines))
        kind = _OTHER
        for row, line in enumerate(lines):
            # Name and label set that were parsed before make the line what it was then, whatever they contain: a valid label set ends
            # at the brace behind it and nowhere else.
            if line[:1] == b"#":
                kind = kinds[row] = self._read_comment(line, row + 1, kind)
                continue
            brace = line.find(b"{")
            if brace > 0:
                name = names.get(line[:brace])
                end = line.rfind(b"}") + 1
                labels = known_labels.get(line[brace + 1 : end - 1]) if end else None
            else:
                end = line.find(b" ")
                name = names.get(line[:end]) if end > 0 else None
                labels = no_labels
            if name is None or labels is None:
                if line.strip(BLANK)[:1] in (b"#", b""):
                    kind = kinds[row] = self._read_comment(line, row + 1, kind)
                    continue
                if labels is None and end:
                    labels = self._read_labels(line[brace + 1 : end - 1])
                if name is None and labels is not None and brace > 0 and NAME.fullmatch(line, 0, brace):
                    name = names[line[:brace]] = self._name(line[:brace], row + 1)
                if name is None or labels is None:
                    name, labels, end = self._read_strictly(line, row + 1)
            if line.startswith(b" ", end):
                end += 1
            rows.append(row)
            tails.append(line[end:])
            idents.append(name.ident | labels[1])
            if name.wanted:
                kinds[row] = _SAMPLE
                kind = _OTHER
                prefixes.append(line[:end])
                keys.append(SampleKey(name.text, labels[0], name.family, name.type))
            else:
                kind = 0

    def _read_comment(self, line: bytes, at: int, kind: int) -> int:
        """Kind of the line. A comment without a family and an empty line go with the line before."""
        family, declared = read_comment(line, at)
        if not family:
            return _OTHER if kind else 0
        if declared is not None:
            self._declared[family] = declared
            self._names.clear()
        return _OTHER if self._is_wanted(family) else 0

    def _read_strictly(self, line: bytes, at: int) -> tuple[_Name, tuple[Labels, int], int]:
        raw_name, raw_labels, brace, end = read_series(line, at, self.limits)
        name = self._name(raw_name, at)
        if brace < 0:
            self._names[line[:end]] = name
            return name, self._no_labels, end
        labels = self._remember_labels(raw_labels)
        if brace > 0:  # else the name is between the braces
            self._names[line[:brace]] = name
            self._labels[line[brace + 1 : end - 1]] = labels
        return name, labels, end

    def _read_labels(self, block: bytes) -> tuple[Labels, int] | None:
        """The label set that `block`, what is between braces, is for certain; None if it takes a closer look."""
        if b"\\" in block or len(block) > self._plain_bytes or not block.isascii():
            return None
        text = block.decode()
        quoted = text.split('"')
        seams = tuple(quoted[::2])
        if not text.isprintable() or len(quoted) < 3 or len(quoted) % 2 == 0:
            return None
        names = self._seams.get(seams)
        if names is None:
            names = self._seams[seams] = read_label_names(seams, self.limits) or ()
        if not names:
            return None
        pairs = list(zip(names, quoted[1::2], strict=True))
        plain = tuple(map(self._pairs.setdefault, pairs, pairs))
        labels = self._labels[block] = plain, self._label_ident(plain)
        return labels

    def _remember_labels(self, raw: Labels) -> tuple[Labels, int]:
        # A series is known by what is on the wire; what is kept and shown is the safe text.
        return tuple([self._pairs.get(pair) or self._safe_pair(pair) for pair in raw]), self._label_ident(raw)

    def _label_ident(self, raw: Labels) -> int:
        return self._label_idents.setdefault(frozenset(raw), len(self._label_idents))

    def _safe_pair(self, raw: tuple[str, str]) -> tuple[str, str]:
        pair = self._pairs[raw] = safe_text(raw[0], MAX_CELLS), safe_text(raw[1], MAX_CELLS)
        return pair

    def _name(self, raw: bytes, at: int) -> _Name:
        if len(raw) > self.limits.max_name_bytes:
            raise ExpositionError(
                f"metric name of {len(raw)} bytes is over the limit of {self.limits.max_name_bytes}",
                at,
                "max_name_bytes",
            )
        family, kind = self._family(raw)
        ident = self._name_idents.setdefault(raw, len(self._name_idents) << _SERIES_BITS)
        text = self._safe(raw)
        return _Name(text, text if family is raw else self._safe(family), kind, self._is_wanted(family), ident)

    def _family(self, name: bytes) -> tuple[bytes, str]:
        """Family and type of a sample by the TYPE lines so far; without one it is a family of its own."""
        kind = self._declared.get(name)
        if kind is not None:
            return name, kind
        family, _, suffix = name.rpartition(b"_")
        kind = self._declared.get(family)
        if kind is not None and suffix in SUFFIXES[kind]:
            return family, kind
        return name, "untyped"

    def _is_wanted(self, family: bytes) -> bool:
        if self.wanted is None:
            return True
        known = self._wanted.get(family)
        if known is None:
            known = self._wanted[family] = self.wanted(self._safe(family))
        return known

    def _safe(self, raw: bytes) -> str:
        return safe_text(raw.decode(), MAX_CELLS)

    def numbers(self) -> list[float]:
        """Values of all samples read so far; raises for the first that has none."""
        numbers = read_numbers(self.tails, b",".join(self.tails))
        if numbers is None or len(numbers) != len(self.tails):
            return [read_tail(tail, row + 1, self.limits) for tail, row in zip(self.tails, self.rows, strict=True)]
        return numbers

    def refuse_duplicates(self, lines: list[bytes]) -> None:
        if len(set(self.idents)) == len(self.idents):
            return
        first: dict[int, int] = {}
        for ident, row in zip(self.idents, self.rows, strict=True):
            if first.setdefault(ident, row) != row:
                raise ExpositionError(f"same series as on line {first[ident] + 1}: {quote(lines[row])}", row + 1)

    def layout(self, lines: list[bytes], numbers: list[float]) -> tuple[Layout, Values]:
        kinds = bytes(self.kinds)
        runs = None
        if self.wanted is not None:
            kinds = _BETWEEN.sub(lambda few: bytes([_PASSED]) * len(few[0]), kinds)
            runs = _runs(lines, kinds, dict(zip(self.rows, self.tails, strict=True)))
            numbers = list(compress(numbers, map(self.kinds.__getitem__, self.rows)))
            lines = list(compress(lines, kinds))
            kinds = kinds.replace(b"\0", b"")
        samples, others, passed = (
            picker([row for row, kind in enumerate(kinds) if kind == of]) for of in (_SAMPLE, _OTHER, _PASSED)
        )
        comments = others(lines)
        newlines = max(0, len(lines) - 1)
        pack = Struct(f"{len(numbers)}d").pack
        spare = self.limits.max_line_bytes - max(map(len, self.prefixes), default=0)
        layout = Layout(
            kinds=kinds,
            keys=tuple(self.keys),
            families={self._safe(name): kind for name, kind in self._declared.items() if self._is_wanted(name)},
            prefixes=tuple(self.prefixes),
            samples=samples,
            comments=comments,
            others=others,
            passed=passed,
            newlines=newlines,
            overhead=sum(map(len, self.prefixes)) + sum(map(len, comments)) + newlines - max(0, len(numbers) - 1),
            spare=spare,
            page_newlines=len(self.kinds) - 1,
            runs=runs,
            pack=pack,
        )
        return layout, as_values(pack(*numbers))


def _runs(lines: list[bytes], kinds: bytes, tails: dict[int, bytes]) -> tuple[Run, ...]:
    """Runs of lines with a kind. `tails` are what follows the prefix, by row."""
    fixed = [line[: len(line) - len(tails.get(row, b""))] for row, line in enumerate(lines)]
    # By row, over the lines before it: fewest bytes with a value of one byte and the newline, and what the values may add.
    least = list(accumulate((len(text) + 1 + (row in tails) for row, text in enumerate(fixed)), initial=0))
    slack = list(accumulate((VALUE_BYTES * (row in tails) for row in range(len(lines))), initial=0))
    bounds = [row for row in range(len(lines) + 1) if (kinds[row - 1 : row] > b"\0") != (kinds[row : row + 1] > b"\0")]
    runs = []
    after = 0
    for begin, end in zip(bounds[::2], bounds[1::2], strict=True):
        anchor = b"\n" + fixed[begin] if begin else None
        end_anchor = b"\n" + fixed[end] if end < len(lines) else None
        runs.append(
            Run(
                anchor,
                skip=least[begin] - least[after],
                reach=slack[begin] - slack[after] + len(anchor or b""),
                end_anchor=end_anchor,
                length=least[end] - least[begin],
                end_reach=slack[end] - slack[begin] + len(end_anchor or b""),
            )
        )
        after = end
    return tuple(runs)
