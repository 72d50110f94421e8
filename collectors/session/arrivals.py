"""The deliveries of single requests, gathered from the chunks that are kept. Columns in order of time; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Generic, NamedTuple, TypeVar, cast

import numpy as np

from collectors.model.batch import UNCOUNTED, WHOLE
from collectors.session.kept_deliveries import Piece
from collectors.stats.kept_rows import Bytes, Extras, KeptRows, Lengths, Shorts
from collectors.stats.sketch import Index, Ints
from collectors.stats.stalls import STALL

_MEMO: Final = "serials"


class Beside(NamedTuple):
    """Further stages, each of the delivery at `owner`."""

    owner: Index
    worker: Index
    kind: Shorts
    lead_ns: Lengths
    duration_ns: Lengths


_NONE: Final = Beside(
    np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.uint16), np.zeros(0, np.float32), np.zeros(0, np.float32)
)


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Deliveries of one request. `time_ns` is the emitter's; `worker` numbers `workers`."""

    workers: Sequence[str]
    time_ns: Ints
    first: Ints
    tokens: Ints
    worker: Index
    kind: Shorts
    late: Bytes
    flags: Bytes
    lead_ns: Lengths
    duration_ns: Lengths
    beside: Beside

    def __len__(self) -> int:
        return len(self.time_ns)

    @property
    def follows(self) -> Index:
        """Deliveries that have a gap: those that begin with the token after the last of the one before."""
        after = self.first[:-1] + self.tokens[:-1]
        found: Index = np.flatnonzero((self.first[1:] == after) & (self.time_ns[1:] >= self.time_ns[:-1])) + 1
        return found

    @cached_property
    def gaps_ns(self) -> Ints:
        """Of those, in order."""
        at = self.follows
        gaps: Ints = self.time_ns[at] - self.time_ns[at - 1]
        return gaps

    @property
    def next_token(self) -> int:
        return int(self.first[-1] + self.tokens[-1])

    @property
    def from_the_first(self) -> bool:
        return len(self) > 0 and int(self.first[0]) == 0

    @property
    def uncounted(self) -> bool:
        return bool((self.flags & UNCOUNTED).any())

    @property
    def whole(self) -> bool:
        return bool((self.flags & WHOLE).any())

    @property
    def stalls(self) -> Index:
        found: Index = np.flatnonzero(self.late == STALL)
        return found


class Runs(NamedTuple):
    """Of a chunk: serials in order, and the rows of each."""

    serial: Index
    begin: Index
    end: Index


Made = TypeVar("Made")


class Wanted(NamedTuple, Generic[Made]):
    """The deliveries of `serials` of one source, of pieces of ticks after `since_ns`; `before` is what was made of those of earlier ones."""

    serials: Sequence[int]
    since_ns: int
    before: Made | None


Part = tuple[Piece, int, int]
"""A run of a request's deliveries: where it is, where it begins and ends."""


def arrivals(pieces: Iterable[Piece], wanted: Mapping[int, Wanted[Arrivals]]) -> dict[int, Arrivals]:
    """Of one source's pieces, oldest first: for each key what is wanted."""
    known = {key: one.before for key, one in wanted.items() if one.before is not None}
    return known | {key: _joined(parts, wanted[key].before) for key, parts in parts_of(pieces, wanted).items()}


def parts_of(pieces: Iterable[Piece], wanted: Mapping[int, Wanted[Made]]) -> dict[int, list[Part]]:
    """Of each key that has any deliveries its runs, oldest first."""
    keys = [key for key, one in wanted.items() for _ in one.serials]
    serials = np.array([serial for one in wanted.values() for serial in one.serials], np.int64)
    found: dict[int, list[Part]] = {}
    for piece in pieces if len(serials) else ():
        runs = runs_of(piece)
        at = np.minimum(runs.serial.searchsorted(serials), len(runs.serial) - 1)
        for index in np.flatnonzero(runs.serial[at] == serials).tolist():
            if piece.tick_ns > wanted[keys[index]].since_ns:
                place = int(at[index])
                found.setdefault(keys[index], []).append((piece, int(runs.begin[place]), int(runs.end[place])))
    return found


def runs_of(piece: Piece) -> Runs:
    """Of a chunk's runs those that have one serial are one: they stand together."""
    known = piece.memo.get(_MEMO)
    if known is not None:
        return cast(Runs, known)
    rows = piece.rows
    serial, end = rows.serial.astype(np.int64), rows.begin + rows.lengths
    first = np.flatnonzero(np.append(True, serial[1:] != serial[:-1]))
    last = np.append(first[1:], len(serial)) - 1
    order = serial[first].argsort(kind="stable")
    made = Runs(serial[first][order], rows.begin[first][order], end[last][order])
    piece.memo[_MEMO] = made
    return made


def _joined(parts: Sequence[Part], before: Arrivals | None) -> Arrivals:
    workers = {} if before is None else {name: number for number, name in enumerate(before.workers)}
    spans = [(piece.rows, slice(begin, end)) for piece, begin, end in parts]
    old = [] if before is None else [before]
    start, further = sum(map(len, old)), []
    for rows, some in spans:
        if rows.extras is not None:
            further.append((rows.extras, rows.ids, _further(rows.extras, some), start - some.start))
        start += some.stop - some.start
    beside = [one.beside for one in old]
    beside += [
        Beside(
            one.owner[some].astype(np.int64) + shift,
            _numbers(workers, ids, one.row[some]),
            one.kind[some],
            one.lead_ns[some],
            one.duration_ns[some],
        )
        for one, ids, some, shift in further
    ]
    return Arrivals(
        time_ns=np.concatenate([*(one.time_ns for one in old), *(rows.time_ns[some] for rows, some in spans)]),
        first=np.concatenate(
            [*(one.first for one in old), *(rows.first[some].astype(np.int64) for rows, some in spans)]
        ),
        tokens=np.concatenate(
            [*(one.tokens for one in old), *(rows.tokens[some].astype(np.int64) for rows, some in spans)]
        ),
        worker=np.concatenate(
            [*(one.worker for one in old), *(_numbers(workers, rows.ids, rows.row[some]) for rows, some in spans)]
        ),
        kind=np.concatenate([*(one.kind for one in old), *(rows.kind[some] for rows, some in spans)]),
        late=np.concatenate([*(one.late for one in old), *(rows.late[some] for rows, some in spans)]),
        flags=np.concatenate([*(one.flags for one in old), *(_flags(rows, some) for rows, some in spans)]),
        lead_ns=np.concatenate([*(one.lead_ns for one in old), *(rows.lead_ns[some] for rows, some in spans)]),
        duration_ns=np.concatenate(
            [*(one.duration_ns for one in old), *(rows.duration_ns[some] for rows, some in spans)]
        ),
        beside=Beside(*map(np.concatenate, zip(*beside, strict=True))) if further else beside[0] if beside else _NONE,
        workers=tuple(workers),
    )


def _further(extras: Extras, some: slice) -> slice:
    """The extras of some rows."""
    low, high = extras.owner.searchsorted([some.start, some.stop])
    return slice(int(low), int(high))


def _flags(rows: KeptRows, some: slice) -> Bytes:
    return np.zeros(some.stop - some.start, np.uint8) if rows.flags is None else rows.flags[some]


def _numbers(workers: dict[str, int], ids: Sequence[str], rows: Shorts) -> Index:
    """Numbers of workers by the rows of a chunk; one that is new is given the next."""
    if len(rows) and (rows == rows[0]).all():
        return np.full(len(rows), workers.setdefault(ids[int(rows[0])], len(workers)), np.intp)
    found, inverse = np.unique(rows, return_inverse=True)
    numbers = [workers.setdefault(ids[row], len(workers)) for row in found.tolist()]
    return np.array(numbers, np.intp)[inverse]
