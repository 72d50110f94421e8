"""How the deliveries of requests have gone, in the few figures that a list tells of each: of thousands at once, column by column, going on from the last look. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collectors.model.batch import UNCOUNTED, WHOLE
from collectors.session.arrivals import Wanted, runs_of
from collectors.session.kept_deliveries import Piece
from collectors.stats.sketch import Index, Ints
from collectors.stats.stalls import STALL

NO_GAP: Final = -1


class Course(NamedTuple):
    """Of at least one delivery. Times are the emitter's, in nanoseconds; `worker` had the last one; `longest_ns` is NO_GAP where none follows the one before it."""

    worker: str
    first_token: int
    begin_ns: int
    last_ns: int
    next_token: int
    longest_ns: int
    stalls: int
    flags: int

    @property
    def uncounted(self) -> bool:
        return self.flags & UNCOUNTED != 0

    @property
    def whole(self) -> bool:
        return self.flags & WHOLE != 0


FIRST, BEGIN, LAST, NEXT, LONGEST, STALLS, FLAGS = range(7)
"""Columns: the numbers of a Course."""
_NOTHING: Final = 0, 0, 0, 0, NO_GAP, 0, 0


class _Ends(NamedTuple):
    """Of a chunk's runs, by serial: their numbers, a row for each, and the row of the worker that had the last delivery."""

    serial: Index
    numbers: Ints
    row: Index


def courses(pieces: Sequence[Piece], wanted: Mapping[int, Wanted[Course]]) -> dict[int, Course]:
    """Of one source's pieces, oldest first: for each key that has any deliveries what is wanted."""
    before = [one.before for one in wanted.values()]
    owner = np.array([at for at, one in enumerate(wanted.values()) for _ in one.serials], np.intp)
    serials = np.array([serial for one in wanted.values() for serial in one.serials], np.int64)
    since_ns = np.array([one.since_ns for one in wanted.values() for _ in one.serials], np.int64)
    numbers = np.array([_NOTHING if one is None else one[1:] for one in before], np.int64).reshape(-1, len(_NOTHING))
    known = np.array([one is not None for one in before], np.bool_)
    piece_of, row_of = np.full(len(before), -1, np.intp), np.zeros(len(before), np.intp)
    for number, piece in enumerate(pieces if len(serials) else ()):
        ends = _ends(piece)
        at = np.minimum(ends.serial.searchsorted(serials), len(ends.serial) - 1)
        found = np.flatnonzero((ends.serial[at] == serials) & (since_ns < piece.tick_ns))
        while len(found):
            # A request that has several serials goes on with one after the other.
            who, first = np.unique(owner[found], return_index=True)
            place = at[found[first]]
            numbers[who] = _gone_on(numbers[who], known[who], ends.numbers[place])
            known[who], piece_of[who], row_of[who] = True, number, ends.row[place]
            found = np.delete(found, first)
    columns = zip(wanted, before, piece_of.tolist(), row_of.tolist(), numbers.tolist(), strict=True)
    return {
        key: Course(pieces[of].rows.ids[row] if of >= 0 else last.worker if last is not None else "", *values)
        for key, last, of, row, values in columns
        if of >= 0 or last is not None
    }


def _gone_on(before: Ints, known: npt.NDArray[np.bool_], now: Ints) -> Ints:
    """The numbers with those of a further run each."""
    step = now[:, BEGIN] - before[:, LAST]
    follows = known & (now[:, FIRST] == before[:, NEXT]) & (step >= 0)
    out = now.copy()
    for column in (FIRST, BEGIN):
        out[:, column] = np.where(known, before[:, column], now[:, column])
    between = np.where(follows, step, NO_GAP)
    out[:, LONGEST] = np.maximum(np.maximum(before[:, LONGEST], now[:, LONGEST]), between)
    out[:, STALLS] += before[:, STALLS]
    out[:, FLAGS] |= before[:, FLAGS]
    return out


def _ends(piece: Piece) -> _Ends:
    rows, runs = piece.rows, runs_of(piece)
    order = runs.begin.argsort()
    begin, last = runs.begin[order], runs.end[order] - 1
    time_ns, first = rows.time_ns, rows.first.astype(np.int64)
    after = first + rows.tokens
    gap_ns = np.full(len(time_ns), NO_GAP, np.int64)
    step = time_ns[1:] - time_ns[:-1]
    gap_ns[1:] = np.where((first[1:] == after[:-1]) & (step >= 0), step, NO_GAP)
    gap_ns[begin] = NO_GAP
    numbers = np.zeros((len(begin), len(_NOTHING)), np.int64)
    numbers[order, FIRST], numbers[order, BEGIN] = first[begin], time_ns[begin]
    numbers[order, LAST], numbers[order, NEXT] = time_ns[last], after[last]
    numbers[order, LONGEST] = np.maximum.reduceat(gap_ns, begin)
    numbers[order, STALLS] = np.add.reduceat((rows.late == STALL).astype(np.int64), begin)
    if rows.flags is not None:
        numbers[order, FLAGS] = np.bitwise_or.reduceat(rows.flags, begin)
    return _Ends(runs.serial, numbers, rows.row[runs.end - 1].astype(np.intp))
