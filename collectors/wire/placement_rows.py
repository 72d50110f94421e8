"""Rows of the placement stream's binary kinds, many messages at once: checked by columns, cut into parts. Knows no encoding.

"Message" below is a frame or a line; its index is its place among those given.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from collectors.model.batch import Blocks, Deliveries, Part, Rows
from collectors.model.vocabulary import STAGES, TIERS
from collectors.wire.placement_format import MAX_EXTRA, MAX_STREAMS, MessageError

Named = npt.NDArray[np.bool_]
"""By slot: was it named in a hello?"""
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_STORED_OR_REMOVED: Final = 1


Place = tuple[int, int]
"""Number of a message, from 0, and the byte of the stream at which it begins."""


class RowError(MessageError):
    """A violation in one of several messages; `index` says which."""

    def __init__(self, what: str, index: int) -> None:
        super().__init__(what)
        self.index = index


class Walk:
    """Parts in order of the stream, and deliveries messages that stand between them and become arrays all at once, in `settled`.

    A message is entered as `run()`, then a place; the numbers of rows and extra stages may follow later.
    """

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.row_counts: list[int] = []
        self.extra_counts: list[int] = []
        self.places: list[Place] = []
        self._runs: list[tuple[int, int]] = []
        """Neighbouring messages: how many parts stand before them, and the index of the first."""
        self._run_after = -1

    def run(self) -> None:
        """The deliveries messages entered next stand after the parts so far."""
        if len(self.parts) != self._run_after:
            self._run_after = len(self.parts)
            self._runs.append((self._run_after, len(self.places)))

    def settled(self, rows: Rows, extras: Rows, workers: Named) -> list[Part]:
        """All parts, with the rows of all deliveries messages checked, unknown codes read as 0, neighbours as one part. Raises `RowError`."""
        row_starts, extra_starts = _starts(self.row_counts), _starts(self.extra_counts)
        if len(extras) or (len(rows) and rows["extra"].max()):
            _check_sums(rows, row_starts, np.diff(extra_starts))
        if len(rows) and _suspect(rows, workers):
            _raise_first("row", rows, _row_faults(rows, workers), row_starts)
        if len(extras) and _suspect_extra(extras, workers):
            _raise_first("extra stage", extras, _extra_faults(extras, workers), extra_starts)
        rows, extras = _known_codes(rows), _known_codes(extras)
        whole: list[Part] = []
        done = 0
        for (before, first), (_, end) in pairwise([*self._runs, (0, len(self.places))]):
            whole += self.parts[done:before]
            done = before
            if row_starts[end] > row_starts[first]:
                run = slice(row_starts[first], row_starts[end])
                whole.append(Deliveries(rows[run], extras[extra_starts[first] : extra_starts[end]]))
        return whole + self.parts[done:]


def blocks(rows: Rows, pools: Named) -> tuple[list[Part], int]:
    """The part of one blocks message, without the rows of an unknown `op`, and how many those were. Raises `MessageError`."""
    if not len(rows):
        return [], 0
    if rows["time_ns"].min() < 0:
        raise MessageError("a block with a negative time")
    check_pools(rows["pool"], pools)
    known = rows["op"] <= _STORED_OR_REMOVED
    skipped = len(rows) - int(np.count_nonzero(known))
    if skipped:
        rows = rows[known]
    return ([Blocks(frozen(rows))] if len(rows) else []), skipped


def check_pools(slots: npt.NDArray[np.integer[Any]], pools: Named) -> None:
    named = pools.take(slots)
    if not named.all():
        raise MessageError(f"pool slot {slots[int(named.argmin())]} is not named in a hello")


def frozen(rows: Rows) -> Rows:
    rows.flags.writeable = False
    return rows


def _starts(counts: Sequence[int]) -> Ints:
    """Where each message's rows begin, and where the last one's end."""
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(np.fromiter(counts, np.int64, len(counts)), out=starts[1:])
    return starts


def _check_sums(rows: Rows, starts: Ints, said: Ints) -> None:
    """The rows of each message count as many extra stages as the message has."""
    sums = np.zeros(len(said), np.int64)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        sums[filled] = np.add.reduceat(rows["extra"], starts[filled], dtype=np.int64)
    wrong = sums != said
    if wrong.any():
        index = int(wrong.argmax())
        raise RowError(f"{said[index]} extra stages, but its rows count {sums[index]}", index)


def _suspect(rows: Rows, workers: Named) -> bool:
    """Is anything wrong anywhere? Reductions only: this is all that good rows cost."""
    return bool(
        rows["time_ns"].min() < 0
        or rows["start_ns"].min() < 0
        or rows["duration_ns"].min() < 0
        or rows["stream"].max() >= MAX_STREAMS
        or rows["tokens"].min() < 1
        or rows["extra"].max() > MAX_EXTRA
        or not workers.take(rows["worker"]).all()
    )


def _suspect_extra(extras: Rows, workers: Named) -> bool:
    return bool(
        extras["start_ns"].min() < 0 or extras["duration_ns"].min() < 0 or not workers.take(extras["worker"]).all()
    )


_Fault = tuple[str, str, Mask]
"""A field, what is wrong with a value of it, and where it is."""


def _row_faults(rows: Rows, workers: Named) -> list[_Fault]:
    return [
        *((name, "is negative", rows[name] < 0) for name in ("time_ns", "start_ns", "duration_ns")),
        ("stream", f"is above {MAX_STREAMS - 1}", rows["stream"] >= MAX_STREAMS),
        ("tokens", "is less than 1", rows["tokens"] < 1),
        ("extra", f"is above {MAX_EXTRA}", rows["extra"] > MAX_EXTRA),
        ("worker", "is not named in a hello", ~workers[rows["worker"]]),
    ]


def _extra_faults(extras: Rows, workers: Named) -> list[_Fault]:
    return [
        *((name, "is negative", extras[name] < 0) for name in ("start_ns", "duration_ns")),
        ("worker", "is not named in a hello", ~workers[extras["worker"]]),
    ]


def _raise_first(what: str, rows: Rows, faults: list[_Fault], starts: Ints) -> None:
    row, field, complaint = min((int(mask.argmax()), field, text) for field, text, mask in faults if mask.any())
    index = int(np.searchsorted(starts, row, side="right")) - 1
    raise RowError(f"{what} {row - int(starts[index])}: {field} {rows[field][row]} {complaint}", index)


def _known_codes(rows: Rows) -> Rows:
    if len(rows) and (rows["tier"].max() >= len(TIERS) or rows["stage"].max() >= len(STAGES)):
        rows = rows.copy()
        rows["tier"][rows["tier"] >= len(TIERS)] = 0
        rows["stage"][rows["stage"] >= len(STAGES)] = 0
    return frozen(rows)
