"""Server-sent events out of bytes that are cut anywhere. Pure; knows nothing of what an event says.

As https://html.spec.whatwg.org/multipage/server-sent-events.html has it: lines end with LF, CR or CR LF, an empty one ends an event, and an event
without data is none. A CR ends its line at once, so that no event waits for the next byte.
"""

from typing import Final

import msgspec

MAX_EVENT: Final = 1 << 20
"""Bytes of one event that are kept. A chunk of chat with logprobs of 20 alternatives a token takes a few KiB."""
_MAX_NAME: Final = 64
_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = 0x20


class Event(msgspec.Struct, frozen=True, gc=False):
    """`data`: its data lines, joined by LF; None where the event was over the limit and is not kept. `name`: of its `event` line."""

    data: bytes | None
    name: bytes = b""


class EventSplitter:
    """`feed` gives the events that a chunk completes. The same events come out, however the bytes are cut.

    What is kept is one line and one event, each at most `max_event` bytes. `comments`: how many lines were comments (keep-alives).
    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self.comments = 0
        self._max_event = max_event
        self._line = bytearray()
        self._line_over = False
        self._after_cr = False
        self._began = False
        self._between = True
        """Whether nothing is left of before: the next byte begins a line of a new event."""
        self._size = 0
        self._over = False
        self._clear()

    @property
    def torn(self) -> bool:
        """Whether an event has begun that is not complete: at the end of a stream it is none."""
        return bool(self._line or self._line_over or self._data or self._over)

    def feed(self, chunk: bytes) -> list[Event]:
        events: list[Event] = []
        if not chunk:
            return events
        if self._between and self._is_one_event(chunk):  # as most are
            self._began = True
            return [Event(chunk[6 if chunk[5] == _SPACE else 5 : -2])]
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
            if not chunk:
                return events
        self._after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            if self._line or self._line_over:
                self._keep(line)
                line = bytes(self._line)
                self._line.clear()
            if self._end_line(line):
                events.append(Event(None if self._over else b"\n".join(self._data), self._name))
                self._clear()
        if rest:
            self._keep(rest)
        self._between = not (self.torn or self._name or self._after_cr)
        return events

    def _is_one_event(self, chunk: bytes) -> bool:
        """Whether the chunk is one whole event of one line of data."""
        size = len(chunk)
        return (
            chunk.startswith(b"data:")
            and chunk.find(b"\n") == size - 2
            and chunk.endswith(b"\n")
            and size <= self._max_event
            and b"\r" not in chunk
        )

    def _keep(self, piece: bytes) -> None:
        """A further piece of the line that is not complete."""
        if self._line_over or len(self._line) + len(piece) > self._max_event + len(b"data:"):
            # Enough of it stays to know which field it is.
            self._line += piece[: max(16 - len(self._line), 0)]
            del self._line[16:]
            self._line_over = True
        else:
            self._line += piece

    def _end_line(self, line: bytes) -> bool:
        """Whether the line ends an event."""
        over, self._line_over = self._line_over, False
        if not self._began:
            self._began = True
            line = line.removeprefix(_BOM)
        if not line:
            if self._data or self._over:
                return True
            self._clear()
            return False
        field, _, value = line.partition(b":")
        if not field:
            self.comments += 1
        elif field == b"data":
            self._size += len(value)
            if over or self._size > self._max_event:
                self._over = True
                self._data.clear()
            else:
                self._data.append(value.removeprefix(b" "))
        elif field == b"event" and not over:
            self._name = value[: _MAX_NAME + 1].removeprefix(b" ")
        return False

    def _clear(self) -> None:
        self._data: list[bytes] = []
        self._name = b""
        self._size = 0
        self._over = False
