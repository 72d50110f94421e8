"""Textual's driver for terminals, with a meter on what it writes. The one place that knows how Textual's driver works inside."""

from __future__ import annotations

import contextlib
import time
from typing import IO, TYPE_CHECKING, Any, Final, cast

from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.drivers.linux_driver import LinuxDriver
from textual.events import CursorPosition, Key

from tui.pace import Meter

if TYPE_CHECKING:
    from textual.app import App
    from textual.message import Message

    from tui.urgency import Urgency

ASK: Final = "\x1b[6n"
"""Where the cursor is (DSR, ECMA-48 8.3.35), which every terminal tells: the place is nothing to us, but it comes after all that was written before."""
DRAWN: Final = 200
"""Characters of a write from which on it is a part of a Frame."""
LAST_S: Final = 1.0
"""How long an answer is waited for at the end: later it would stand on the shell's line."""


class Answer(str):
    """A part of a Frame that answers all keys that came before it (`Urgency.answer`)."""

    __slots__ = ("answer",)

    answer: float


class Metered:
    """The terminal as a file: each write is counted and timed. One that is gone takes anything."""

    def __init__(self, file: IO[str], meter: Meter) -> None:
        self._file, self._meter = file, meter
        self.urgency: Urgency | None = None
        """Is told of answers when they have been written, not when they were given to the thread that writes."""
        self._answer: float | None = None

    def write(self, text: str) -> int:
        self._meter.begin()
        try:
            return self._file.write(text)
        except OSError:
            self._meter.lost = True
            return 0
        finally:
            self._meter.end(len(text.encode(errors="replace")))
            if isinstance(text, Answer):
                self._answer = text.answer

    def flush(self) -> None:
        self._meter.begin()
        try:
            self._file.flush()
        except OSError:
            self._meter.lost = True
        self._meter.end(0)
        if self.urgency is not None and self._answer is not None:
            self.urgency.written(self._answer)
            self._answer = None

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return self._file.isatty()


class PacedDriver(LinuxDriver):
    _together = ""
    """Of an update that is shown at once, what came so far."""

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.meter = Meter()
        self._metered = Metered(cast("IO[str]", self._file), self.meter)
        self._file = cast("Any", self._metered)

    def heed(self, urgency: Urgency) -> None:
        """Tell it of each key, in the thread that reads: sooner than the app hears of it, which may be at work; and of what is drawn."""
        self._metered.urgency = urgency

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self.input_tty:
            self.meter.ask()
            self.write(ASK)

    def write(self, data: str) -> None:
        """What belongs together goes to the thread that writes in one piece: it has to wait for its turn each time."""
        if self._together or data == SYNC_START:
            self._together += data
            if data != SYNC_END:
                return
            data, self._together = self._together, ""
        self.meter.given += bool(data)
        drawn, urgency = len(data) > DRAWN, self._metered.urgency
        if self.meter.answers and drawn:
            self.meter.ask()
            data += ASK
        if drawn and urgency is not None and (answer := urgency.answer()) is not None:
            data = Answer(data)
            data.answer = answer
        super().write(data)

    def process_message(self, message: Message) -> None:
        """In the thread that reads."""
        if isinstance(message, CursorPosition):
            self.meter.answer()
            return
        if isinstance(message, Key) and self._metered.urgency is not None:
            self._metered.urgency.pressed()
        super().process_message(message)

    def stop_application_mode(self) -> None:
        self._together = ""  # of an update that a signal has come in the middle of
        until = LAST_S + (time.monotonic() if self.meter.answers else self.meter.heard)
        while self.meter.outstanding and time.monotonic() < until:
            time.sleep(0.01)
        with contextlib.suppress(OSError):
            super().stop_application_mode()
