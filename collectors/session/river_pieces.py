"""Deliveries of a chunk summed by request, place and time slice: what a river is made of. Pure, and worked out once for each chunk and slice."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from collectors.session.kept_deliveries import Piece
from collectors.stats.kept_rows import Bytes, KeptRows, Shorts, Words
from collectors.stats.sketch import Index, Ints

_MEMO: Final = "river"


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """An entry for each sum. `column` counts slices from session time 0."""

    column: Ints
    serial: Words
    row: Shorts
    kind: Shorts
    tokens: Ints
    late: Bytes
    uncounted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Sliced:
    primary: Slices
    beside: Slices


def sliced(piece: Piece, slice_ns: int) -> Sliced:
    """Of the last slice that was asked for the answer is kept."""
    known = piece.memo.get(_MEMO)
    if isinstance(known, tuple) and known[0] == slice_ns:
        found: Sliced = known[1]
        return found
    made = _slice(piece.rows, slice_ns)
    piece.memo[_MEMO] = slice_ns, made
    return made


def forget(piece: Piece) -> None:
    piece.memo.pop(_MEMO, None)


def _slice(rows: KeptRows, slice_ns: int) -> Sliced:
    column = rows.at_ns() // slice_ns
    lengths = rows.lengths
    serial = rows.serial.repeat(lengths)
    edge = _edges(column, rows.row, rows.kind)
    edge[rows.begin] = True
    begin = np.flatnonzero(edge)
    uncounted = rows.flags is not None and bool((rows.flags & 1).any())
    primary = Slices(
        column[begin],
        serial[begin],
        rows.row[begin],
        rows.kind[begin],
        np.add.reduceat(rows.tokens, begin, dtype=np.int64),
        np.maximum.reduceat(rows.late, begin),
        uncounted,
    )
    if rows.extras is None:
        nothing = np.zeros(0, np.int64)
        empty = Slices(nothing, serial[:0], rows.row[:0], rows.kind[:0], nothing, rows.late[:0], False)
        return Sliced(primary, empty)
    extras = rows.extras
    owner = extras.owner
    # Stages that alternate row by row would make each row an entry of its own: brought together by place first.
    order = np.lexsort((extras.kind, extras.row, column[owner], serial[owner]))
    owner, row, kind = owner[order], extras.row[order], extras.kind[order]
    edge = _edges(column[owner], row, kind, serial[owner])
    begin = np.flatnonzero(edge)
    beside = Slices(
        column[owner[begin]],
        serial[owner[begin]],
        row[begin],
        kind[begin],
        np.add.reduceat(rows.tokens[owner], begin, dtype=np.int64),
        np.maximum.reduceat(rows.late[owner], begin),
        uncounted,
    )
    return Sliced(primary, beside)


def _edges(*columns: Index | Shorts | Words) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """Where any of the columns has another value than the row before."""
    edge = np.zeros(len(columns[0]), np.bool_)
    edge[:1] = True
    for one in columns:
        edge[1:] |= one[1:] != one[:-1]
    return edge
