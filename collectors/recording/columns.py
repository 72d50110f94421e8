"""Arrays of a chunk as columns of small numbers, which compress to a tenth, and back. Pure, exact for any values (all arithmetic is modulo the field's width).

`docs/recording.md` describes the form. Rows of the same request are like each other: what is a difference here is one to the row before of the same stream.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collectors.model.batch import BLOCK, DELIVERY, DTYPES, EXTRA, OCCUPANCY, Rows
from collectors.recording.errors import DamagedError

Column = npt.NDArray[Any]
Order = npt.NDArray[np.intp] | slice

_ALL: Final = slice(None)
_COUNT: Final = np.dtype("<u4")
_FLOAT: Final = np.dtype("<f8")


def pack_arrays(arrays: Sequence[Sequence[Rows]]) -> bytes:
    """For each of DTYPES all its arrays of the chunk, in order, as one run of columns."""
    return b"".join(form.pack(_joined(some, dtype)) for some, form, dtype in zip(arrays, _FORMS, DTYPES, strict=True))


def unpack_arrays(data: bytes, at: int) -> list[Rows]:
    """What `pack_arrays` made, which is all of `data` from `at` on: one array for each of DTYPES. Raises `DamagedError`."""
    cursor = _Cursor(data, at)
    out = [form.unpack(cursor) for form in _FORMS]
    if cursor.at != len(data):
        raise DamagedError("has more columns than rows")
    return out


class _Cursor:
    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def take(self, dtype: np.dtype[Any], count: int) -> Column:
        end = self.at + dtype.itemsize * count
        if end > len(self.data):
            raise DamagedError("has fewer columns than rows")
        begin, self.at = self.at, end
        return np.frombuffer(self.data, dtype, count, begin)

    def count(self, bytes_each: int) -> int:
        """How many rows follow, of at least so many bytes each."""
        count = int(self.take(_COUNT, 1)[0])
        if count * bytes_each > len(self.data) - self.at:
            raise DamagedError("has fewer columns than rows")
        return count

    def planes(self, dtype: np.dtype[Any], count: int) -> Column:
        """A column whose bytes stand by significance: all lowest ones, then all next ones, …"""
        if dtype.itemsize == 1:
            return self.take(dtype, count)
        planes = self.take(np.dtype("u1"), dtype.itemsize * count).reshape(dtype.itemsize, count)
        return np.ascontiguousarray(planes.T).view(dtype).ravel()


class _Form(NamedTuple):
    pack: Callable[[Rows], bytes]
    unpack: Callable[[_Cursor], Rows]


def _joined(arrays: Sequence[Rows], dtype: np.dtype[Any]) -> Rows:
    """By their bytes: `concatenate` looks at every field of every array."""
    return arrays[0] if len(arrays) == 1 else np.frombuffer(b"".join(rows.tobytes() for rows in arrays), dtype)


def _planes(column: Column) -> bytes:
    column = np.ascontiguousarray(column)
    return np.ascontiguousarray(column.view("u1").reshape(len(column), column.itemsize).T).tobytes()


def _counted(rows: Rows, *columns: bytes) -> bytes:
    return b"".join((len(rows).to_bytes(4, "little"), *columns))


def _steps(column: Column) -> Column:
    """Differences, the first one to zero."""
    return np.diff(column, prepend=column.dtype.type(0))


def _sums(steps: Column) -> Column:
    return np.cumsum(steps, dtype=steps.dtype)


def _by(column: Column) -> npt.NDArray[np.intp]:
    """Where the rows go so that those of one stream or pool stand together, otherwise as they were."""
    return np.argsort(column, kind="stable")


def _fields(rows: Rows, names: Sequence[str], order: Order) -> bytes:
    return b"".join(_planes(rows[name][order]) for name in names)


def _take_fields(cursor: _Cursor, rows: Rows, names: Sequence[str], order: Order) -> None:
    for name in names:
        rows[name][order] = cursor.planes(rows.dtype[name], len(rows))


_DELIVERED: Final = ("duration_ns", "tokens", "worker", "tier", "stage", "extra", "flags")


def _pack_deliveries(rows: Rows) -> bytes:
    order = _by(rows["stream"])
    late = rows["time_ns"] - rows["start_ns"] - rows["duration_ns"]
    return _counted(
        rows,
        _planes(rows["stream"]),
        _planes(_steps(rows["time_ns"][order])),
        _fields(rows, _DELIVERED, order),
        _planes(late[order]),
        _planes(_steps(rows["first_token"][order]) - _before(rows["tokens"][order])),
    )


def _before(tokens: Column) -> Column:
    """How far the number of the first token moves from row to row while no token is missing."""
    moved = np.zeros(len(tokens), DELIVERY["first_token"])
    moved[1:] = tokens[:-1]
    return moved


def _unpack_deliveries(cursor: _Cursor) -> Rows:
    count = cursor.count(DELIVERY.itemsize)
    stream = cursor.planes(DELIVERY["stream"], count)
    order = _by(stream)
    rows = np.zeros(count, DELIVERY)
    rows["stream"] = stream
    rows["time_ns"][order] = _sums(cursor.planes(DELIVERY["time_ns"], count))
    _take_fields(cursor, rows, _DELIVERED, order)
    rows["start_ns"][order] = -cursor.planes(DELIVERY["start_ns"], count)
    rows["start_ns"] += rows["time_ns"] - rows["duration_ns"]
    skipped = cursor.planes(DELIVERY["first_token"], count)
    rows["first_token"][order] = _sums(skipped + _before(rows["tokens"][order]))
    return rows


_STAGED: Final = ("duration_ns", "worker", "tier", "stage", "reserved")


def _pack_extras(rows: Rows) -> bytes:
    return _counted(rows, _planes(_steps(rows["start_ns"])), _fields(rows, _STAGED, _ALL))


def _unpack_extras(cursor: _Cursor) -> Rows:
    rows = np.zeros(cursor.count(EXTRA.itemsize), EXTRA)
    rows["start_ns"] = _sums(cursor.planes(EXTRA["start_ns"], len(rows)))
    _take_fields(cursor, rows, _STAGED, _ALL)
    return rows


_BLOCK: Final = ("bytes", "pool", "op", "reserved")


def _pack_blocks(rows: Rows) -> bytes:
    """A hash that was there before is told by how many others came up first since: a block that moves is named several times."""
    known, first, which = np.unique(rows["hash"], return_index=True, return_inverse=True)
    appeared = np.argsort(first)
    rank = np.empty(len(known), np.int64)
    rank[appeared] = np.arange(len(known))
    place = rank[which]
    newest = np.maximum.accumulate(place) if len(place) else place
    is_new = np.diff(newest, prepend=-1) > 0
    back = np.where(is_new, 0, newest - place + 1).astype("<u4")
    return _counted(
        rows,
        _planes(_steps(rows["time_ns"])),
        _fields(rows, _BLOCK, _ALL),
        _planes(back),
        known[appeared].tobytes(),
    )


def _unpack_blocks(cursor: _Cursor) -> Rows:
    rows = np.zeros(cursor.count(20), BLOCK)
    rows["time_ns"] = _sums(cursor.planes(BLOCK["time_ns"], len(rows)))
    _take_fields(cursor, rows, _BLOCK, _ALL)
    back = cursor.planes(_COUNT, len(rows)).astype(np.int64)
    newest = np.cumsum(back == 0) - 1
    place = newest - np.maximum(back - 1, 0)
    if len(rows) and place.min() < 0:
        raise DamagedError("has a block that was never named")
    known = cursor.take(BLOCK["hash"], int(newest[-1]) + 1 if len(rows) else 0)
    rows["hash"] = known[place]
    return rows


_LEVELS: Final = ("used_bytes", "active_bytes")


def _pack_occupancy(rows: Rows) -> bytes:
    order = _by(rows["pool"])
    return _counted(
        rows,
        _planes(rows["pool"]),
        _planes(_steps(rows["time_ns"])),
        *(_planes(_steps(rows[name][order])) for name in _LEVELS),
    )


def _unpack_occupancy(cursor: _Cursor) -> Rows:
    rows = np.zeros(cursor.count(OCCUPANCY.itemsize), OCCUPANCY)
    rows["pool"] = cursor.planes(OCCUPANCY["pool"], len(rows))
    order = _by(rows["pool"])
    rows["time_ns"] = _sums(cursor.planes(OCCUPANCY["time_ns"], len(rows)))
    for name in _LEVELS:
        rows[name][order] = _sums(cursor.planes(OCCUPANCY[name], len(rows)))
    return rows


def _pack_samples(values: Rows) -> bytes:
    return _counted(values, values.tobytes())


def _unpack_samples(cursor: _Cursor) -> Rows:
    return cursor.take(_FLOAT, cursor.count(8)).copy()


_FORMS: Final = (
    _Form(_pack_deliveries, _unpack_deliveries),
    _Form(_pack_extras, _unpack_extras),
    _Form(_pack_blocks, _unpack_blocks),
    _Form(_pack_occupancy, _unpack_occupancy),
    _Form(_pack_samples, _unpack_samples),
)
"""In the order of DTYPES."""
