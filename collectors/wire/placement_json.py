"""The placement stream as NDJSON: bytes in, parts out. No I/O. Lines are decoded one by one, the columns of a chunk's deliveries made into arrays at once."""

from typing import Final

from collectors.model.batch import Part
from collectors.wire.placement_columns import DeliveryColumns, block_columns, occupancy
from collectors.wire.placement_format import MAX_MESSAGE, MessageError, PlacementError, TooLongError
from collectors.wire.placement_messages import (
    BlocksMessage,
    ColumnMessage,
    DeliveriesMessage,
    Hello,
    OccupancyMessage,
    RowMessage,
    parse,
)
from collectors.wire.placement_numbers import Position
from collectors.wire.placement_rows import Named, Place, RowError, Walk, blocks
from collectors.wire.placement_state import State

_BLANK: Final = (b"", b"\r")


class _Found:
    """What a chunk's lines hold: parts, and between them the columns of deliveries that are not made into arrays yet."""

    def __init__(self) -> None:
        self.walk = Walk()
        self._earlier: list[Part] = []
        self._columns = DeliveryColumns()

    def add(self, message: DeliveriesMessage, place: Place) -> None:
        """Raises `MessageError`."""
        self._columns.add(message)
        self.walk.run()
        self.walk.places.append(place)

    def settle(self, workers: Named) -> list[Part]:
        """All parts so far in order, of rows that name workers by these slots. Raises `PlacementError`."""
        if self.walk.places:
            try:
                self.walk.row_counts, self.walk.extra_counts = self._columns.counts
                rows, extras = self._columns.arrays()
                self._earlier += self.walk.settled(rows, extras, workers)
            except RowError as error:
                raise PlacementError(str(error), _where(*self.walk.places[error.index])) from None
            self._columns = DeliveryColumns()
        else:
            self._earlier += self.walk.parts
        self.walk = Walk()
        return self._earlier


class JsonDecoder:
    """Decodes one connection's lines, fed in chunks of any size. `skipped` counts what was passed over: messages and rows of unknown kind."""

    def __init__(self) -> None:
        self.skipped = 0
        self._state = State()
        self._tail = bytearray()
        self._lines = 0
        self._offset = 0

    @property
    def hello(self) -> Hello | None:
        """The last handshake, as it came."""
        return self._state.hello

    @property
    def position(self) -> Position | None:
        return self._state.numbers.position

    def disconnect(self) -> None:
        """The line that was begun will not be ended: the next connection goes on with whole ones, or begins anew."""
        self._tail.clear()
        self._state.disconnect()

    def feed(self, chunk: bytes) -> list[Part]:
        """The parts of all lines that this chunk ends, in order of the stream; neighbouring deliveries as one part.

        Raises `PlacementError`; the parts of the same chunk before it are then lost. Arrays are read-only and own their memory.
        """
        parts: list[Part] = []
        used = chunk.rfind(b"\n") + 1
        if used:
            data = b"".join((self._tail, chunk[:used])) if self._tail else chunk[:used]
            self._tail.clear()
            parts = self._read(data)
            self._offset += len(data)
        self._tail += chunk[used:]
        if len(self._tail) > MAX_MESSAGE:
            raise PlacementError(str(_too_long()), _where(self._lines, self._offset), TooLongError.limit)
        return parts

    def _read(self, data: bytes) -> list[Part]:
        """The parts of whole lines."""
        found = _Found()
        at = self._offset
        for line in data.split(b"\n")[:-1]:
            try:
                self._line(line, found, (self._lines, at))
            except MessageError as error:
                raise PlacementError(str(error), _where(self._lines, at), error.limit) from None
            at += len(line) + 1
            self._lines += 1
        return found.settle(self._state.workers)

    def _line(self, line: bytes, found: _Found, place: Place) -> None:
        if len(line) > MAX_MESSAGE:
            raise _too_long()
        if line in _BLANK:
            return
        message, skipped = parse(line)
        self._state.numbers.message()
        if isinstance(message, DeliveriesMessage):
            self._state.greeted()
            if message.stream is None or message.request is not None:
                self._number(message)
            found.add(message, place)
            return
        self.skipped += skipped
        if isinstance(message, Hello):
            found.settle(self._state.workers)
        if message is not None:
            found.walk.parts += self._parts(message)

    def _number(self, message: DeliveriesMessage) -> None:
        """Fills in the column `stream` of a producer that gives ids."""
        if message.request is None:
            raise MessageError("deliveries without a column `stream` or `request`")
        if message.stream is not None:
            raise MessageError("deliveries have the column `stream` or the column `request`, not both")
        message.stream = self._state.streams.numbers(message.request)

    def _parts(self, message: Hello | ColumnMessage | RowMessage) -> list[Part]:
        state = self._state
        if isinstance(message, Hello):
            return [state.inventory(message)]
        state.greeted()
        if isinstance(message, BlocksMessage):
            parts, skipped = blocks(block_columns(message), state.pools)
            self.skipped += skipped
            return parts
        if isinstance(message, OccupancyMessage):
            return occupancy(message, state.pools)
        return state.parts(message)


def _where(line: int, offset: int) -> str:
    return f"line {line + 1} at byte {offset}"


def _too_long() -> TooLongError:
    return TooLongError(f"a line of more than {MAX_MESSAGE} bytes")
