"""Trace files and logs on this machine as a source: followed as they grow, what each line says of a request passed on.

Which lines are understood is `collectors.traces`' to say, how files grow `collectors.wire.tail`'s. A file that is not there yet is waited for.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from collectors.model.batch import Batch, Part, Status
from collectors.model.traces import Account, Accounts
from collectors.model.vocabulary import TargetStatus
from collectors.sources.source import Clock, Emit
from collectors.traces.lines import LineReader
from collectors.wire.limits import DEFAULT, Limits
from collectors.wire.safe import safe_text
from collectors.wire.tail import Tail, TailError

POLL_S: Final = 0.25
LOOK_S: Final = 2.0
"""Between two looks at which files a pattern matches."""
MAX_FILES: Final = 64
"""Of one pattern, the newest by name: segments are numbered."""
BACKEND: Final = "trace"
MAX_WARNING: Final = 200
_WILD: Final = ("*", "?", "[")


def matching(path: Path) -> Sequence[Path]:
    """The files that a path names, the newest last; itself where it has no wildcards, whether it is there or not."""
    if not any(sign in path.name for sign in _WILD):
        return (path,)
    return sorted(path.parent.glob(path.name))[-MAX_FILES:]


class TraceFileSource:
    """`path`: its last part may have wildcards. `from_start`: what is in the files when they are first seen counts too."""

    def __init__(
        self,
        name: str,
        url: str,
        path: Path,
        *,
        from_start: bool = False,
        limits: Limits = DEFAULT,
        poll_s: float = POLL_S,
    ) -> None:
        self.name = name
        self._url = url
        self._path = path
        self._from_start = from_start
        self._max_line = limits.max_event_bytes
        self._poll_s = poll_s
        self._reader = LineReader(name)
        self._tails: dict[Path, Tail] = {}
        self._gone = [0, 0]
        """Long lines and truncations of files that are followed no longer."""
        self._faults: dict[Path, str] = {}
        self._looked_s = -LOOK_S
        self._said: Status | None = None

    async def run(self, clock: Clock, emit: Emit) -> None:
        while True:
            more = await self._round(clock.now_ns, time.time_ns, emit)
            await asyncio.sleep(0 if more else self._poll_s)

    async def step(self, until_ns: int, emit: Emit) -> None:
        """All that is in the files now."""
        while await self._round(lambda: max(until_ns - 1, 0), lambda: 0, emit):
            pass

    async def close(self) -> None:
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()

    async def _round(self, now_ns: Callable[[], int], unix_ns: Callable[[], int], emit: Emit) -> bool:
        """A piece of each file. Whether there may be more to be had at once."""
        self._look()
        accounts: list[Account] = []
        more = False
        for path, tail in list(self._tails.items()):
            try:
                piece = await asyncio.to_thread(tail.read)
            except FileNotFoundError:
                self._faults[path] = "no such file"
            except TailError as error:
                self._faults[path] = str(error)
            else:
                self._faults.pop(path, None)
                more = more or piece.more
                accounts += self._reader.read(piece.lines)
        parts: list[Part] = []
        status = self._status()
        if status != self._said:
            self._said = status
            parts.append(status)
        if accounts:
            parts.append(Accounts(tuple(accounts), unix_ns()))
        if parts:
            emit(Batch(self.name, now_ns(), tuple(parts)))
        return more

    def _look(self) -> None:
        """Which files there are to follow. One that is followed already stays, as its name may be another's by now."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        first = self._looked_s < 0
        self._looked_s = now_s
        for path in matching(self._path):
            if path not in self._tails:
                # A file that appears while we look counts as a whole.
                self._tails[path] = Tail(path, from_start=self._from_start or not first, max_line=self._max_line)
        for path in sorted(self._tails)[:-MAX_FILES]:
            self._forget(path)
        for path in [path for path, fault in self._faults.items() if fault == "no such file" and len(self._tails) > 1]:
            self._forget(path)

    def _forget(self, path: Path) -> None:
        tail = self._tails.pop(path)
        self._faults.pop(path, None)
        self._gone[0] += tail.too_long
        self._gone[1] += tail.truncated
        tail.close()

    def _status(self) -> Status:
        if not self._tails:
            return self._told(TargetStatus.DOWN, "no file matches")
        if len(self._faults) == len(self._tails):
            return self._told(TargetStatus.DOWN, next(iter(self._faults.values())))
        return self._told(TargetStatus.UP, warning="; ".join(self._warnings()))

    def _warnings(self) -> list[str]:
        wrong = dict(self._reader.wrong)
        too_long = self._gone[0] + sum(tail.too_long for tail in self._tails.values())
        if too_long:
            wrong[f"longer than {self._max_line:,} bytes"] = too_long
        said = [f"{path.name}: {fault}" for path, fault in list(self._faults.items())[:3]]
        if wrong:
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(wrong.items()))
            last = f" (the last: {self._reader.last})" if self._reader.last else ""
            said.append(f"lines passed over: {kinds}{last}")
        if cut := self._gone[1] + sum(tail.truncated for tail in self._tails.values()):
            said.append(f"cut in place {cut}×")
        return said

    def _told(self, status: TargetStatus, reason: str = "", warning: str = "") -> Status:
        return Status(self._url, BACKEND, status, safe_text(reason, MAX_WARNING), safe_text(warning, MAX_WARNING))
