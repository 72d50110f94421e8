"""What came in one turn of the event loop is passed on when all of it has been read, so that no read's time waits for other responses' bytes, and looked at after that."""

import asyncio
import logging
from typing import Final, Protocol

_log: Final = logging.getLogger(__name__)


class Due(Protocol):
    def pass_on(self) -> None:
        """Must not raise: others are due as well."""

    def look(self) -> None: ...


class Turns:
    """What is due at the end of this turn of the loop."""

    def __init__(self) -> None:
        self._due: list[Due] = []

    def add(self, due: Due) -> None:
        if not self._due:
            asyncio.get_running_loop().call_soon(self.run)
        self._due.append(due)

    def run(self) -> None:
        due, self._due = self._due, []
        for one in due:
            one.pass_on()
        for one in due:
            try:
                one.look()
            except Exception:  # noqa: BLE001  others are due as well
                _log.exception("what came is not looked at to its end")
