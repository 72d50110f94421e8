"""Textual's driver for terminals, with a meter on what it writes. The one place that knows how Textual's driver works inside."""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING, Any, cast

from textual.drivers.linux_driver import LinuxDriver

from tui.pace import Meter

if TYPE_CHECKING:
    from textual.app import App


class Metered:
    """The terminal as a file: each write is counted and timed. One that is gone takes anything."""

    def __init__(self, file: IO[str], meter: Meter) -> None:
        self._file, self._meter = file, meter

    def write(self, text: str) -> int:
        self._meter.begin()
        try:
            return self._file.write(text)
        except OSError:
            self._meter.lost = True
            return 0
        finally:
            self._meter.end(len(text.encode(errors="replace")))

    def flush(self) -> None:
        self._meter.begin()
        try:
            self._file.flush()
        except OSError:
            self._meter.lost = True
        self._meter.end(0)

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return self._file.isatty()


class PacedDriver(LinuxDriver):
    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.meter = Meter()
        self._file = cast("Any", Metered(cast("IO[str]", self._file), self.meter))

    def write(self, data: str) -> None:
        self.meter.given += bool(data)
        super().write(data)

    def stop_application_mode(self) -> None:
        with contextlib.suppress(OSError):
            super().stop_application_mode()
