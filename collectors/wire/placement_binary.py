"""The placement stream as binary frames: bytes in, parts out. No I/O, and no Python object per row.

Frames are walked by their headers only; the bodies of all deliveries of a chunk are joined once and checked as one array.
"""

import struct
from typing import Final

import numpy as np

from collectors.model.batch import BLOCK, DELIVERY, EXTRA, Part
from collectors.wire.placement_columns import occupancy
from collectors.wire.placement_format import (
    MAX_MESSAGE,
    VERSION,
    MessageError,
    PlacementError,
    TooLongError,
    unsupported,
)
from collectors.wire.placement_messages import (
    BlocksMessage,
    DeliveriesMessage,
    Hello,
    Message,
    OccupancyMessage,
    parse,
)
from collectors.wire.placement_numbers import Position
from collectors.wire.placement_rows import Named, Place, RowError, Walk, blocks
from collectors.wire.placement_state import State

_HEADER: Final = struct.Struct("<IBBxxII")
_ROW: Final = DELIVERY.itemsize
_EXTRA: Final = EXTRA.itemsize
_MESSAGE: Final = 1
_DELIVERIES: Final = 2
_BLOCKS: Final = 3


class _Found:
    """What a chunk's frames hold: parts, and between them the bodies of deliveries frames that are not made into arrays yet."""

    def __init__(self) -> None:
        self.walk = Walk()
        self._earlier: list[Part] = []
        self._rows: list[memoryview] = []
        self._extras: list[memoryview] = []

    def take(self, view: memoryview, at: int, place: Place) -> tuple[int, int]:
        """Takes the deliveries frames that follow one another from `at` on, up to the first that is anything else, incomplete or wrong.

        Returns how many there were, and where they end.
        """
        self.walk.run()
        number, offset = place[0], place[1] - at
        total = len(view)
        while at <= total - _HEADER.size:
            length, kind, version, rows, extras = _HEADER.unpack_from(view, at)
            body = at + _HEADER.size
            split = body + rows * _ROW
            after = split + extras * _EXTRA
            if kind != _DELIVERIES or version != VERSION or after != body + length:
                break
            if length > MAX_MESSAGE or after > total:
                break
            self._rows.append(view[body:split])
            if extras:
                self._extras.append(view[split:after])
            self.walk.row_counts.append(rows)
            self.walk.extra_counts.append(extras)
            self.walk.places.append((number, offset + at))
            number += 1
            at = after
        return number - place[0], at

    def settle(self, workers: Named) -> list[Part]:
        """All parts so far in order, of rows that name workers by these slots. Raises `PlacementError`."""
        if self._rows:
            rows = np.frombuffer(b"".join(self._rows), DELIVERY)
            extras = np.frombuffer(b"".join(self._extras), EXTRA)
            try:
                self._earlier += self.walk.settled(rows, extras, workers)
            except RowError as error:
                raise PlacementError(str(error), _where(*self.walk.places[error.index])) from None
            self._rows.clear()
            self._extras.clear()
        else:
            self._earlier += self.walk.parts
        self.walk = Walk()
        return self._earlier


class BinaryDecoder:
    """Decodes one connection's frames, fed in chunks of any size. `skipped` counts what was passed over: frames, messages and rows of unknown kind."""

    def __init__(self) -> None:
        self.skipped = 0
        self._state = State()
        self._tail = bytearray()
        """The frame that the last chunk ended in, as far as it came."""
        self._need = _HEADER.size
        self._frames = 0
        self._offset = 0

    @property
    def hello(self) -> Hello | None:
        """The last handshake, as it came."""
        return self._state.hello

    @property
    def position(self) -> Position | None:
        return self._state.numbers.position

    def disconnect(self) -> None:
        """The frame that was begun will not be ended: the next connection goes on with whole ones, or begins anew."""
        self._tail.clear()
        self._need = _HEADER.size
        self._state.disconnect()

    def feed(self, chunk: bytes) -> list[Part]:
        """The parts of all frames that this chunk completes, in order of the stream; neighbouring deliveries as one part.

        Raises `PlacementError`; the parts of the same chunk before it are then lost. Arrays are read-only and own their memory.
        """
        found = _Found()
        rest = memoryview(chunk)
        while self._tail and rest:
            lacking = self._need - len(self._tail)
            self._tail += rest[:lacking]
            rest = rest[lacking:]
            if len(self._tail) >= self._need:
                data, self._tail = self._tail, bytearray()
                self._tail += self._walk(memoryview(data), found)
        if rest:
            self._tail += self._walk(rest, found)
        return found.settle(self._state.workers)

    def _walk(self, view: memoryview, found: _Found) -> memoryview:
        """Enters the whole frames at the beginning of `view` into `found`. Returns the rest."""
        at = 0
        self._need = _HEADER.size
        while len(view) - at >= _HEADER.size:
            length, kind, version, rows, extras = _HEADER.unpack_from(view, at)
            after = at + _HEADER.size + length
            place: Place = (self._frames, self._offset + at)
            try:
                if version != VERSION:
                    raise MessageError(unsupported(version))
                if length > MAX_MESSAGE:
                    raise TooLongError(f"a body of {length} bytes; the limit is {MAX_MESSAGE}")
                if after > len(view):
                    self._need = after - at
                    break
                if kind == _DELIVERIES:
                    self._state.greeted()
                    if rows * _ROW + extras * _EXTRA != length:
                        raise MessageError(f"a body of {length} bytes for {rows} deliveries and {extras} extra stages")
                    taken, at = found.take(view, at, place)
                    self._frames += taken
                    self._state.numbers.message(taken)
                    continue
                self._state.numbers.message()
                body = view[at + _HEADER.size : after]
                if kind == _BLOCKS:
                    found.walk.parts += self._blocks(body, rows, extras)
                elif kind == _MESSAGE:
                    self._message(body, found)
                else:
                    self.skipped += 1
            except MessageError as error:
                raise PlacementError(str(error), _where(*place), error.limit) from None
            at = after
            self._frames += 1
        self._offset += at
        return view[at:]

    def _message(self, body: memoryview, found: _Found) -> None:
        message, skipped = parse(body)
        self.skipped += skipped
        if isinstance(message, Hello):
            found.settle(self._state.workers)
        if message is not None:
            found.walk.parts += self._parts(message)

    def _parts(self, message: Message) -> list[Part]:
        state = self._state
        if isinstance(message, Hello):
            return [state.inventory(message)]
        state.greeted()
        if isinstance(message, DeliveriesMessage | BlocksMessage):
            raise MessageError("deliveries and blocks have frames of their own kinds")
        if isinstance(message, OccupancyMessage):
            return occupancy(message, state.pools)
        return state.parts(message)

    def _blocks(self, body: memoryview, rows: int, extras: int) -> list[Part]:
        self._state.greeted()
        if rows * BLOCK.itemsize != len(body) or extras:
            raise MessageError(f"a body of {len(body)} bytes for {rows} blocks and {extras} extra stages")
        parts, skipped = blocks(np.frombuffer(bytes(body), BLOCK), self._state.pools)
        self.skipped += skipped
        return parts


def _where(frame: int, offset: int) -> str:
    return f"frame {frame} at byte {offset}"
