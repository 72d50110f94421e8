"""The token river of any span, at any width of its columns, by worker, request or workflow. Pure, over chunks that are kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from collectors.model.detail import NO_PLACE, Cell, Place, River, RiverLine
from collectors.model.vocabulary import STAGES, TIERS
from collectors.session.kept_deliveries import KeptDeliveries, Piece
from collectors.session.river_pieces import Slices, forget, sliced
from collectors.stats.kept_rows import STAGE_SHIFT, Bytes
from collectors.stats.sketch import Bools, Index, Ints

MAX_PLACES: Final = NO_PLACE
_KINDS: Final = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A row to be shown. `serials` by source of the requests in it; None: it is a worker, whose name is its key. `since_ns`: nothing can have been before."""

    key: int | str
    name: str
    source: str
    serials: Mapping[str, Sequence[int]] | None = None
    since_ns: int = 0


@dataclass(slots=True, eq=False)
class _Entries:
    """Sums with the row that they belong to."""

    cell: list[Ints] = field(default_factory=list)
    place: list[Ints] = field(default_factory=list)
    tokens: list[Ints] = field(default_factory=list)
    late: list[Ints] = field(default_factory=list)


class Span:
    """`columns` slices of `slice_ns` from `begin_ns` on (a multiple of it), as of `until_ns`."""

    def __init__(self, begin_ns: int, slice_ns: int, columns: int, until_ns: int) -> None:
        self.begin_ns, self.slice_ns, self.columns, self.until_ns = begin_ns, slice_ns, columns, until_ns

    @property
    def end_ns(self) -> int:
        return self.begin_ns + self.columns * self.slice_ns


def river(kept: KeptDeliveries, span: Span, rows: Sequence[Row], first: int, keys: Sequence[int | str]) -> River:
    workers: dict[str, int] = {}
    primary, beside = _Entries(), _Entries()
    uncounted = np.zeros(len(rows), np.bool_)
    by_worker = bool(rows) and rows[0].serials is None
    for pieces in _groups(kept.until(span.until_ns), span, counted=by_worker):
        ids = pieces[0].rows.ids
        # A place is a worker's number here, and a kind.
        numbers = np.array([workers.setdefault(one, len(workers)) for one in ids], np.int64)
        row_of = _row_of(rows, pieces[0].source, ids)
        cut = [sliced(piece, span.slice_ns) for piece in pieces]
        for slices, entries in (([one.primary for one in cut], primary), ([one.beside for one in cut], beside)):
            found = _add(entries, slices, span, numbers, row_of)
            if entries is primary:
                uncounted |= np.bincount(found, minlength=len(rows)).astype(np.bool_) & any(
                    one.uncounted for one in slices
                )
    return _drawn(kept, span, rows, first, tuple(keys), list(workers), primary, beside, uncounted)


def serials_on(kept: KeptDeliveries, span: Span, worker: str) -> dict[str, frozenset[int]]:
    """By source: serials of the requests that a worker had a stage of in the span."""
    found: dict[str, set[int]] = {}
    for pieces in _groups(kept.until(span.until_ns), span, counted=False):
        ids = pieces[0].rows.ids
        if worker in ids:
            row = list(ids).index(worker)
            for piece in pieces:
                cut = sliced(piece, span.slice_ns)
                for one in (cut.primary, cut.beside):
                    mine = (one.row == row) & (one.column >= span.begin_ns // span.slice_ns)
                    found.setdefault(piece.source, set()).update(one.serial[mine].tolist())
    return {source: frozenset(serials) for source, serials in found.items()}


def _groups(pieces: Iterable[Piece], span: Span, *, counted: bool) -> list[list[Piece]]:
    """Those that may have something in the span, of one source and one numbering of its workers each."""
    groups: dict[tuple[str, int], list[Piece]] = {}
    for piece in pieces:
        if piece.tick_ns <= span.begin_ns:
            forget(piece)
        elif piece.counted or not counted:
            groups.setdefault((piece.source, id(piece.rows.ids)), []).append(piece)
    return list(groups.values())


class _RowOf:
    """Which of the rows shown a sum belongs to; −1 of none."""

    def __init__(self, workers: Index | None, serials: Index, rows: Index) -> None:
        self._workers, self._serials, self._rows = workers, serials, rows

    def __call__(self, slices: Sequence[Slices]) -> Index:
        if self._workers is not None:
            return self._workers.take(np.concatenate([one.row for one in slices]))
        serial = np.concatenate([one.serial for one in slices])
        if not len(self._serials):
            return np.full(len(serial), -1, np.intp)
        at = np.minimum(self._serials.searchsorted(serial), len(self._serials) - 1)
        return np.where(self._serials[at] == serial, self._rows[at], -1)


def _row_of(rows: Sequence[Row], source: str, ids: Sequence[str]) -> _RowOf:
    nothing = np.zeros(0, np.intp)
    if rows and rows[0].serials is None:
        known = {row.key: index for index, row in enumerate(rows)}
        return _RowOf(np.array([known.get(one, -1) for one in ids], np.intp), nothing, nothing)
    pairs = sorted((serial, index) for index, row in enumerate(rows) for serial in (row.serials or {}).get(source, ()))
    serials, indices = np.array(pairs, np.int64).reshape(-1, 2).T
    return _RowOf(None, serials, indices.astype(np.intp))


def _add(entries: _Entries, slices: Sequence[Slices], span: Span, numbers: Ints, row_of: _RowOf) -> Index:
    """Takes what is in the span and in a row; the rows that were found."""
    row = row_of(slices)
    column = np.concatenate([one.column for one in slices]) - span.begin_ns // span.slice_ns
    inside: Bools = (row >= 0) & (column >= 0) & (column < span.columns)
    chosen = np.flatnonzero(inside)
    worker = np.concatenate([one.row for one in slices])[chosen]
    kind = np.concatenate([one.kind for one in slices])[chosen]
    entries.cell.append(row[chosen] * span.columns + column[chosen])
    entries.place.append(numbers[worker] * _KINDS + kind)
    entries.tokens.append(np.concatenate([one.tokens for one in slices])[chosen])
    entries.late.append(np.concatenate([one.late for one in slices])[chosen].astype(np.int64))
    found: Index = row[chosen]
    return found


def _drawn(
    kept: KeptDeliveries,
    span: Span,
    rows: Sequence[Row],
    first: int,
    keys: tuple[int | str, ...],
    workers: Sequence[str],
    primary: _Entries,
    beside: _Entries,
    uncounted: Bools,
) -> River:
    cells = len(rows) * span.columns
    places: dict[int, int] = {}
    tokens, where, late = _cells(primary, cells, places)
    more, there, _ = _cells(beside, cells, places)
    since_ns = kept.since_ns if kept.since_ns is not None else span.until_ns
    lines = []
    for index, row in enumerate(rows):
        mine = slice(index * span.columns, (index + 1) * span.columns)
        lines.append(
            RiverLine(
                key=row.key,
                name=row.name,
                tokens=tuple(tokens[mine].tolist()),
                late=late[mine].tobytes(),
                place=where[mine].tobytes(),
                beside_tokens=tuple(more[mine].tolist()),
                beside=there[mine].tobytes(),
                seen=_seen(kept, span, row, since_ns),
                uncounted=bool(uncounted[index]),
            )
        )
    named = tuple(_place(workers, code) for code in places)
    return River(span.begin_ns, span.slice_ns, span.columns, since_ns, named, tuple(lines), first, keys)


def _cells(entries: _Entries, cells: int, places: dict[int, int]) -> tuple[Ints, Bytes, Bytes]:
    """Tokens of each cell, the place of most of them, and the worst lateness. Two places of as many tokens: the one that came first in the stream's numbering."""
    if not entries.cell or not sum(map(len, entries.cell)):
        nothing = np.zeros(cells, np.int64)
        return nothing, np.full(cells, NO_PLACE, np.uint8), np.zeros(cells, np.uint8)
    cell, code = np.concatenate(entries.cell), np.concatenate(entries.place)
    count = np.concatenate(entries.tokens)
    late = np.zeros(cells, np.uint8)
    np.maximum.at(late, cell, np.concatenate(entries.late).astype(np.uint8))
    tokens = np.bincount(cell, weights=count, minlength=cells).astype(np.int64)
    codes, place = np.unique(code, return_inverse=True)
    pair = cell * len(codes) + place
    pairs, at = np.unique(pair, return_inverse=True)
    summed = np.bincount(at, weights=count)
    order = np.lexsort((-pairs, summed))
    where = np.full(cells, NO_PLACE, np.uint8)
    numbers = np.array(
        [
            places.setdefault(one, len(places)) if one in places or len(places) < MAX_PLACES else NO_PLACE
            for one in codes.tolist()
        ],
        np.uint8,
    )
    # Of a cell that is written twice the later one stays: assignment goes in order, the most tokens last.
    where[pairs[order] // len(codes)] = numbers[pairs[order] % len(codes)]
    return tokens, where, late


def _seen(kept: KeptDeliveries, span: Span, row: Row, since_ns: int) -> bytes:
    """Of each column what is known of its being watched. One that is not watched in part is not, for what is missing there is not known."""
    state = bytearray([Cell.SEEN]) * span.columns

    def mark(begin_ns: int, end_ns: int, value: int) -> None:
        low = max((begin_ns - span.begin_ns) // span.slice_ns, 0)
        high = min(-(-(end_ns - span.begin_ns) // span.slice_ns), span.columns)
        if low < high:
            state[low:high] = bytes([value]) * (high - low)

    for begin_ns, end_ns in kept.unobserved(row.source, span.until_ns):
        mark(begin_ns, end_ns, Cell.UNOBSERVED)
    if kept.let_go:
        mark(span.begin_ns, since_ns, Cell.NOT_KEPT)
    if row.since_ns:
        mark(span.begin_ns, row.since_ns - row.since_ns % span.slice_ns, Cell.AHEAD)
    ahead_ns = -(-span.until_ns // span.slice_ns) * span.slice_ns
    mark(ahead_ns, span.end_ns, Cell.AHEAD)
    return bytes(state)


def _place(workers: Sequence[str], code: int) -> Place:
    worker, kind = divmod(code, _KINDS)
    tier, stage = kind & ((1 << STAGE_SHIFT) - 1), kind >> STAGE_SHIFT
    return Place(
        workers[worker],
        STAGES[stage] if stage < len(STAGES) else STAGES[0],
        TIERS[tier] if tier < len(TIERS) else TIERS[0],
    )
