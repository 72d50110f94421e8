"""JSON columns of the placement stream made into arrays, many messages at once, without a Python object per row beyond what JSON decoding made.

Lengths and ranges of the columns are checked here; what the rows then say, in `placement_rows`.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collectors.model.batch import BLOCK, DELIVERY, EXTRA, OCCUPANCY, UNCOUNTED, WHOLE, Occupancy, Part, Rows
from collectors.model.vocabulary import STAGES, TIERS, UNKNOWN_WORKER
from collectors.wire.placement_format import MessageError
from collectors.wire.placement_messages import BlocksMessage, DeliveriesMessage, OccupancyMessage
from collectors.wire.placement_rows import Named, RowError, check_pools, frozen

Values = npt.NDArray[np.integer[Any]]


class _BadValueError(ValueError):
    def __init__(self, what: str, position: int) -> None:
        super().__init__(what)
        self.position = position


class _Ints:
    """Integers from `low` to `high`."""

    def __init__(self, low: int, high: int) -> None:
        self._low = low
        self._high = high

    def __call__(self, values: list[int]) -> Values:
        try:
            array = np.fromiter(values, np.int64, len(values))
        except OverflowError:
            array = None
        if array is None or (len(array) and (array.min() < self._low or array.max() > self._high)):
            position = next(i for i, value in enumerate(values) if not self._low <= value <= self._high)
            raise _BadValueError(f"a value outside {self._low} … {self._high}", position)
        return array


class _Codes(dict[str, int]):
    """Codes by name, and one for all other names."""

    def __init__(self, names: Iterable[str], other: int) -> None:
        super().__init__({name: code for code, name in enumerate(names)})
        self._other = other

    def __missing__(self, name: str) -> int:
        return self._other

    def __call__(self, values: list[str]) -> Values:
        return np.frombuffer(bytes(map(self.__getitem__, values)), np.uint8)


def _workers(values: list[int]) -> Values:
    return _SLOTS(values) & UNKNOWN_WORKER


def _hashes(values: list[str]) -> Values:
    try:
        numbers = bytes.fromhex("".join(values))
    except ValueError:
        numbers = b""
    if len(numbers) != 8 * len(values) or set(map(len, values)) - {16}:
        position = next((i for i, value in enumerate(values) if len(value) != 16), 0)
        raise _BadValueError("a value that is not 16 hexadecimal digits", position)
    return np.frombuffer(numbers, ">u8")


class _Column(NamedTuple):
    name: str
    field: str
    read: Callable[[list[Any]], Values]
    absent: int | str | None = None
    """What all values are where a message has no such column; None: it must have it."""


_I64: Final = _Ints(-(2**63), 2**63 - 1)
_U32: Final = _Ints(0, 2**32 - 1)
_U16: Final = _Ints(0, 2**16 - 1)
_U8: Final = _Ints(0, 2**8 - 1)
_SLOTS: Final = _Ints(-1, UNKNOWN_WORKER)
"""−1 is the worker that is not known."""
_TIER_CODES: Final = _Codes(TIERS, 0)
_STAGE_CODES: Final = _Codes(STAGES, 0)
_OP_CODES: Final = _Codes(("stored", "removed"), 0xFF)

_DELIVERY: Final = (
    _Column("time_ns", "time_ns", _I64),
    _Column("first_token", "first_token", _U32),
    _Column("tokens", "tokens", _U16),
    _Column("stream", "stream", _U32),
    _Column("worker", "worker", _workers, -1),
    _Column("tier", "tier", _TIER_CODES, "unknown"),
    _Column("stage", "stage", _STAGE_CODES, "unknown"),
    _Column("start_ns", "start_ns", _I64, 0),
    _Column("duration_ns", "duration_ns", _I64, 0),
    _Column("extra", "extra", _U8, 0),
    _Column("uncounted", "flags", _U8, 0),
)
_EXTRA: Final = (
    _Column("x_start_ns", "start_ns", _I64),
    _Column("x_duration_ns", "duration_ns", _I64),
    _Column("x_worker", "worker", _workers, -1),
    _Column("x_tier", "tier", _TIER_CODES, "unknown"),
    _Column("x_stage", "stage", _STAGE_CODES, "unknown"),
)
_BLOCK: Final = (
    _Column("time_ns", "time_ns", _I64),
    _Column("hash", "hash", _hashes),
    _Column("bytes", "bytes", _U32),
    _Column("pool", "pool", _U16),
    _Column("op", "op", _OP_CODES),
)
_OCCUPANCY: Final = (
    _Column("time_ns", "time_ns", _I64),
    _Column("pool", "pool", _U16),
    _Column("used_bytes", "used_bytes", _I64),
    _Column("active_bytes", "active_bytes", _I64),
)


class _Table:
    """Columns that grow message by message. The first column says how many rows a message has."""

    def __init__(self, columns: Sequence[_Column], dtype: np.dtype[Any]) -> None:
        self._columns = columns
        self._dtype = dtype
        self._lists = attrgetter(*(column.name for column in columns))
        self._nothing = (None,) * len(columns)
        self._values: list[list[Any]] = [[] for _ in columns]
        self.counts: list[int] = []

    def add(self, message: object) -> None:
        """Raises `MessageError` where the columns are not of one length."""
        lists: tuple[Any, ...] = self._lists(message)
        if lists == self._nothing:
            self.counts.append(0)
            return
        try:
            counts = list(map(len, lists))
        except TypeError:  # an absent column; asking first would take longer than all the rest
            lists = self._filled(lists)
            counts = list(map(len, lists))
        count = counts[0]
        if counts.count(count) != len(counts):
            index = next(i for i, other in enumerate(counts) if other != count)
            name, first = self._columns[index].name, self._columns[0].name
            raise MessageError(f"column `{name}` has {counts[index]} values, `{first}` {count}")
        deque(map(list.extend, self._values, lists), 0)
        self.counts.append(count)

    def rows(self) -> Rows:
        """All rows so far. Raises `RowError` where a value does not fit its field."""
        rows: Rows = np.zeros(sum(self.counts), self._dtype)
        for column, values in zip(self._columns, self._values, strict=True):
            try:
                rows[column.field] = column.read(values)
            except _BadValueError as error:
                index = bisect_right(list(accumulate(self.counts)), error.position)
                raise RowError(f"column `{column.name}` has {error}", index) from None
        return rows

    def _filled(self, lists: tuple[list[Any] | None, ...]) -> tuple[list[Any], ...]:
        """The lists, with those of absent columns made."""
        count = len(lists[0] or ())
        filled: list[list[Any]] = []
        for column, values in zip(self._columns, lists, strict=True):
            if values is None and column.absent is None:
                raise MessageError(f"column `{column.name}` is missing")
            filled.append([column.absent] * count if values is None else values)
        return tuple(filled)


class DeliveryColumns:
    """The columns of deliveries messages. Their lists are emptied into few long ones: thousands of small ones would keep the garbage collector busy."""

    def __init__(self) -> None:
        self._rows = _Table(_DELIVERY, DELIVERY)
        self._extras = _Table(_EXTRA, EXTRA)

    def add(self, message: DeliveriesMessage) -> None:
        """A further message, its column `stream` filled in. Raises `MessageError`."""
        if message.extra is None:  # in most messages
            message.extra = [0] * len(message.time_ns)
        message.uncounted = _flags(message)
        self._rows.add(message)
        self._extras.add(message)

    @property
    def counts(self) -> tuple[list[int], list[int]]:
        """Of each message, how many rows and extra stages it has."""
        return self._rows.counts, self._extras.counts

    def arrays(self) -> tuple[Rows, Rows]:
        """All rows and extra stages. Raises `RowError`."""
        return self._rows.rows(), self._extras.rows()


def _flags(message: DeliveriesMessage) -> list[int]:
    """What the columns of observers say, which most messages do not have. Raises `MessageError`."""
    count = len(message.time_ns)
    if message.uncounted is None and message.whole is None:
        return [0] * count
    columns = [message.uncounted or [0] * count, message.whole or [0] * count]
    if any(len(column) != count for column in columns):
        raise MessageError(f"columns `uncounted` and `whole` have not the {count} values of `time_ns`")
    return [UNCOUNTED * (events > 0) | WHOLE * (whole > 0) for events, whole in zip(*columns, strict=True)]


def block_columns(message: BlocksMessage) -> Rows:
    """The rows of one message, `op` 255 where it is not known. Raises `MessageError`."""
    table = _Table(_BLOCK, BLOCK)
    table.add(message)
    return table.rows()


def occupancy(message: OccupancyMessage, pools: Named) -> list[Part]:
    """The part of one message; nothing where it has no rows. Raises `MessageError`."""
    table = _Table(_OCCUPANCY, OCCUPANCY)
    table.add(message)
    rows = table.rows()
    if not len(rows):
        return []
    for name in ("time_ns", "used_bytes", "active_bytes"):
        if rows[name].min() < 0:
            raise MessageError(f"negative {name}")
    check_pools(rows["pool"], pools)
    return [Occupancy(frozen(rows))]
