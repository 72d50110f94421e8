"""JSON columns of the placement stream made into arrays, many messages at once, without a Python object per row beyond what JSON decoding made.

Lengths and ranges of the columns are checked here; what the rows then say, in `placement_rows`.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from collectors.model.batch import BLOCK, DELIVERY, EXTRA, OCCUPANCY, Occupancy, Part, Rows
from collectors.model.vocabulary import STAGES, TIERS, UNKNOWN_WORKER
from collectors.wire.placement_format import MessageError
from collectors.wire.placement_messages import BlocksMessage, DeliveriesMessage, OccupancyMessage
from collectors.wire.placement_rows import Named, RowError, check_pools, frozen

Ints = npt.NDArray[np.int64]


class _Codes(dict[str, int]):
    """Codes by name, and one for all other names."""

    def __init__(self, names: Iterable[str], other: int) -> None:
        super().__init__({name: code for code, name in enumerate(names)})
        self._other = other

    def __missing__(self, name: str) -> int:
        return self._other


_TIER_CODES: Final = _Codes(TIERS, 0)
_STAGE_CODES: Final = _Codes(STAGES, 0)
_OP_CODES: Final = _Codes(("stored", "removed"), 0xFF)


def deliveries(messages: Sequence[DeliveriesMessage]) -> tuple[Rows, Rows]:
    """The rows and extra stages of messages, in order; `stream` columns must be filled in. Raises `RowError`."""
    table = _Table(messages, DELIVERY, "time_ns")
    for name in ("first_token", "tokens", "stream"):
        table.ints(name)
    table.workers("worker")
    table.codes("tier", _TIER_CODES)
    table.codes("stage", _STAGE_CODES)
    for name in ("start_ns", "duration_ns", "extra"):
        table.ints(name, absent=0)
    further = _Table(messages, EXTRA, "x_start_ns", "x_")
    further.ints("duration_ns")
    further.workers("worker")
    further.codes("tier", _TIER_CODES)
    further.codes("stage", _STAGE_CODES)
    return table.rows, further.rows


def blocks(message: BlocksMessage) -> Rows:
    """The rows of one message, `op` 255 where it is not known. Raises `MessageError`."""
    table = _Table([message], BLOCK, "time_ns")
    table.ints("bytes")
    table.ints("pool")
    table.codes("op", _OP_CODES, absent=None)
    table.hashes("hash")
    return table.rows


def occupancy(message: OccupancyMessage, pools: Named) -> list[Part]:
    """The part of one message; nothing where it has no rows. Raises `MessageError`."""
    table = _Table([message], OCCUPANCY, "time_ns")
    for name in ("pool", "used_bytes", "active_bytes"):
        table.ints(name)
    rows = table.rows
    if not len(rows):
        return []
    for name in ("time_ns", "used_bytes", "active_bytes"):
        if rows[name].min() < 0:
            raise MessageError(f"negative {name}")
    if rows["pool"].min() < 0 or rows["pool"].max() >= len(pools):
        raise MessageError(f"a pool slot outside 0 … {len(pools) - 1}")
    check_pools(rows["pool"], pools)
    return [Occupancy(frozen(rows))]


class _Table:
    """Rows that are filled column by column from the lists of messages, None where a message has no such column.

    The columns of a message are as long as its column `first`.
    """

    def __init__(self, messages: Sequence[object], dtype: np.dtype[Any], first: str, prefix: str = "") -> None:
        self._messages = messages
        self._prefix = prefix
        self._first = first
        self._counts = [0 if values is None else len(values) for values in self._lists(first)]
        self.rows: Rows = np.zeros(sum(self._counts), dtype)
        self.ints(first.removeprefix(prefix))

    def ints(self, name: str, absent: int | None = None) -> None:
        """An integer column. Where a message has none, all its values are `absent`; None: it must have one."""
        fit = np.iinfo(self.rows.dtype[name])
        values = self._values(name, absent, int(fit.min), int(fit.max))
        if values is not None:
            self.rows[name] = values

    def workers(self, name: str) -> None:
        """A column of worker slots, −1 where the worker is not known or the column absent."""
        values = self._values(name, -1, -1, UNKNOWN_WORKER)
        self.rows[name] = UNKNOWN_WORKER if values is None else values & UNKNOWN_WORKER

    def codes(self, name: str, codes: _Codes, absent: str | None = "unknown") -> None:
        """A column of names, as codes. The name that an absent column stands for has code 0."""
        lists = self._full(name, absent)
        if lists is not None:
            self.rows[name] = np.frombuffer(bytes(map(codes.__getitem__, chain.from_iterable(lists))), np.uint8)

    def hashes(self, name: str) -> None:
        """A column of 64-bit numbers in 16 hexadecimal digits."""
        digits = list(chain.from_iterable(self._full(name, None) or ()))
        try:
            numbers = bytes.fromhex("".join(digits))
        except ValueError:
            numbers = b""
        if set(map(len, digits)) - {16} or len(numbers) != 8 * len(digits):
            raise MessageError(f"column `{name}` has a value that is not 16 hexadecimal digits")
        self.rows[name] = np.frombuffer(numbers, ">u8")

    def _lists(self, column: str) -> list[Any]:
        return list(map(attrgetter(column), self._messages))

    def _full(self, name: str, absent: int | str | None) -> list[list[Any]] | None:
        """The column's lists, each as long as its message's first column. None where no message has the column and none needs it."""
        column = self._prefix + name
        lists = self._lists(column)
        missing = lists.count(None)
        if missing == len(lists) and (absent is not None or not len(self.rows)):
            return None
        if missing:
            fill = [] if absent is None else [absent]
            lists = [fill * n if values is None else values for values, n in zip(lists, self._counts, strict=True)]
        if list(map(len, lists)) != self._counts:
            index = next(i for i, values in enumerate(lists) if len(values) != self._counts[i])
            raise RowError(
                f"column `{column}` has {len(lists[index])} values, `{self._first}` {self._counts[index]}", index
            )
        return lists

    def _values(self, name: str, absent: int | None, low: int, high: int) -> Ints | None:
        lists = self._full(name, absent)
        if lists is None:
            return None
        flat = lists[0] if len(lists) == 1 else chain.from_iterable(lists)
        try:
            values = np.fromiter(flat, np.int64, len(self.rows))
        except OverflowError:
            values = None
        if values is None or (len(values) and (values.min() < low or values.max() > high)):
            index = next(i for i, numbers in enumerate(lists) if any(not low <= number <= high for number in numbers))
            raise RowError(f"column `{self._prefix}{name}` has a value outside {low} … {high}", index)
        return values
