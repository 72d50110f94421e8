"""What a page of exposition text looks like apart from its values, and how to read a page that looks the same.

`collectors.wire.learn` makes a `Layout` out of a page. `Layout.cut` and `Layout.reread` then take the values from the next one without
parsing any name or label: they only compare bytes. What they accept, a strict reading of the page would accept and read equally;
of families that nobody wants they see no more than that the number of lines is the same and the next wanted family is in its place.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import msgspec
import numpy as np
import numpy.typing as npt

from collectors.wire.grammar import ExpositionError, read_numbers, read_tail
from collectors.wire.limits import Limits

VALUE_BYTES: Final = 48
"""Longest value looked for, on average, when searching the end of a run of samples. A longer one costs a strict reading."""

Values = npt.NDArray[np.float64]
Picker = Callable[[Sequence[bytes]], tuple[bytes, ...]]
"""Takes certain lines out of a list of lines, which must be long enough."""


class SampleKey(msgspec.Struct, frozen=True, gc=False):
    """A series of a page: labels unescaped and in wire order, all text safe to show.

    `type` is that of the family: counter, gauge, histogram, summary or untyped. Two series that differ on the wire are two keys,
    even if they look the same after cleaning.
    """

    name: str
    labels: tuple[tuple[str, str], ...]
    family: str
    type: str


class Run(NamedTuple):
    """Neighbouring lines of wanted families, found by the fixed bytes of their first line and of the line after them.

    An anchor is None where the run begins or ends with the page. `skip` and `length` are the fewest bytes before and in the run (each
    line with its newline), `reach` and `end_reach` how far from there an anchor may end, as values take more.
    """

    anchor: bytes | None
    skip: int
    reach: int
    end_anchor: bytes | None
    length: int
    end_reach: int


class Layout(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """A page cut to its wanted lines and the few between them that are not worth leaving out: one more than `newlines`.

    `kinds` has a byte for each of them. Those that `samples` picks are `prefixes[i]` and a number; those that `others` picks are `comments`, to the byte; those that `passed`
    picks nobody wants. `families` are those
    declared by a TYPE line, sampled or not, with their types. `overhead` is the length of a cut page less that of its values joined by
    commas and of what is passed. After the longest prefix a line has `spare` bytes to its limit. `runs` is None if the cut page is the whole page.
    `pack` makes float64 bytes of as many floats as there are samples.
    """

    kinds: bytes
    keys: tuple[SampleKey, ...]
    families: dict[str, str]
    prefixes: tuple[bytes, ...]
    samples: Picker
    comments: tuple[bytes, ...]
    others: Picker
    passed: Picker
    newlines: int
    overhead: int
    spare: int
    page_newlines: int
    runs: tuple[Run, ...] | None
    pack: Callable[..., bytes]

    def cut(self, body: bytes) -> bytes | None:
        """The wanted lines of `body`, or None if they are not where they should be."""
        if self.runs is None:
            return body
        if np.count_nonzero(np.frombuffer(body, np.uint8) == 10) != self.page_newlines:
            return None
        pieces = []
        find = body.find
        end = -1  # of the line before
        for anchor, skip, reach, end_anchor, length, end_reach in self.runs:
            start = end + skip
            if anchor is not None:
                start = find(anchor, start, start + reach)
                if start < 0:
                    return None
            if end_anchor is None:
                end = len(body)
            else:
                end = start + length
                end = find(end_anchor, end, end + end_reach)
                if end < 0:
                    return None
            pieces.append(body[start + 1 : end])
        return b"\n".join(pieces)

    def reread(self, cut: bytes, limits: Limits) -> Values | None:
        """Values in the order of `keys`, or None if anything but values (timestamps, exemplars) differs from the page learnt."""
        lines = cut.split(b"\n", self.newlines)
        if len(lines) <= self.newlines or self.others(lines) != self.comments:
            return None
        tails = list(map(bytes.removeprefix, self.samples(lines), self.prefixes))
        joined = b",".join(tails)
        # A line without its prefix stays whole, which shows in the length: no other check of the prefixes is needed.
        if len(joined) != len(cut) - self.overhead - sum(map(len, self.passed(lines))):
            return None
        if len(joined) > self.spare and max(map(len, lines)) > limits.max_line_bytes:
            return None
        numbers = read_numbers(tails, joined)
        if numbers is None or len(numbers) != len(tails):
            try:
                numbers = [read_tail(tail, 0, limits) for tail in tails]
            except ExpositionError:
                return None
        return as_values(self.pack(*numbers))


_shared: Final[WeakValueDictionary[tuple[object, ...], Layout]] = WeakValueDictionary()


def shared(layout: Layout) -> Layout:
    """The layout itself, or an equal one that is in use: pages of one kind of target differ in nothing but their values."""
    families = tuple(layout.families.items())
    text = layout.kinds, layout.keys, families, layout.prefixes, layout.comments, layout.runs
    return _shared.setdefault((*text, layout.newlines, layout.page_newlines, layout.overhead, layout.spare), layout)


def picker(rows: Sequence[int]) -> Picker:
    """Picks the lines of these row numbers."""
    if len(rows) > 1:  # with fewer, itemgetter gives no tuple
        return itemgetter(*rows)
    return lambda lines: tuple([lines[row] for row in rows])


def as_values(packed: bytes) -> Values:
    """Read-only array of native float64 bytes."""
    return np.frombuffer(packed, np.float64)
