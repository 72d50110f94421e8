"""How often the screen is drawn: with every tick, or less where nobody looks, over ssh, and where the terminal does not keep up. No Textual."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

UNSEEN_HZ: Final = 1.0
SSH_HZ: Final = 2.0
SLOWEST_HZ: Final = 0.5
TICK_HZ: Final = 4.0
EARLY_S: Final = 0.1
"""Ticks come on a grid, give or take: one that is due so soon is due."""
BEHIND: Final = 0.5
"""Share of the time spent waiting for the terminal from which on it does not keep up."""
AT_EASE: Final = 0.1
EASE_S: Final = 10.0
"""How long it has to keep up before it is given more again."""
MEASURED: Final = 20
"""Frames that costs are told of."""
UNANSWERED_S: Final = 20.0
"""A terminal that has answered and then says nothing for so long is asked no more."""


class Meter:
    """What the terminal took: bytes, and for how long it was waited for. Each number is written from one thread, and read from others.

    What was written may stand for long in buffers on its way, of a terminal here tens of kilobytes, of ssh megabytes. Only the terminal's own word tells what it has: it is asked
    behind what is drawn, and answers when it gets there.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.bytes = 0
        self.given = 0
        """Writes that were asked for; `begin` and `end` are of those that are done."""
        self.lost = False
        """It is there no more."""
        self.answers = False
        """It has answered, and is worth asking."""
        self._way_s = math.inf
        """The shortest answer so far."""
        self._asked = 0
        self._answered = 0
        self.heard = clock()
        """When it answered last, or was asked after it had told all."""
        self._clock = clock
        self._taken = 0
        self._waited_s = 0.0
        self._since: float | None = None

    def begin(self) -> None:
        self._since = self._clock()

    def end(self, written: int) -> None:
        since, self._since = self._since, None
        self.bytes += written
        self._taken += bool(written)
        if since is not None and not self.answers:
            self._waited_s += self._clock() - since

    def ask(self) -> None:
        """It is asked behind what is written now."""
        if not self.outstanding:
            self.heard = self._clock()
        self._asked += 1

    def answer(self) -> None:
        """What it took beyond the way there and back is what it was waited for."""
        if self.outstanding:
            now = self._clock()
            took, self.heard = now - self.heard, now
            self._way_s = min(self._way_s, took)
            if self.answers:
                self._waited_s += took - self._way_s
            self._answered += 1
        self.answers = True

    @property
    def outstanding(self) -> bool:
        """It has not answered yet."""
        return self._answered < self._asked

    @property
    def behind(self) -> bool:
        """Something that was drawn is not out yet: what is drawn now would be seen after it, and so would the answer to a key."""
        if self._taken < self.given or self._since is not None:
            return True
        if self.answers and self.outstanding and self._clock() - self.heard > UNANSWERED_S:
            self.answers, self._answered = False, self._asked
        return self.answers and self.outstanding

    @property
    def waited_s(self) -> float:
        since = None if self.answers else self._since
        return self._waited_s + (0.0 if since is None else max(self._clock() - since, 0.0))


class Pace:
    """`focused`: the terminal is looked at, as far as it says. On a stage it always is."""

    def __init__(self, *, ssh: bool = False, stage: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.focused = True
        self._ssh, self._stage, self._clock = ssh, stage, clock
        self._slowed_hz: float | None = None
        self._last: float | None = None
        self._seen: tuple[float, float] | None = None
        self._eased: float | None = None

    @property
    def limit(self) -> tuple[float, str] | None:
        """Frames a second at most, and why; None: as ticks come."""
        limits = [(SSH_HZ, "ssh")] if self._ssh else []
        if not self.focused and not self._stage:
            limits.append((UNSEEN_HZ, "not looked at"))
        if self._slowed_hz is not None:
            limits.append((self._slowed_hz, "slow terminal"))
        return min(limits, default=None)

    def due(self) -> bool:
        """Whether a tick that comes now is shown."""
        now, limit = self._clock(), self.limit
        if limit is not None and self._last is not None and now - self._last < 1 / limit[0] - EARLY_S:
            return False
        self._last = now
        return True

    def waited(self, waited_s: float) -> None:
        """The terminal has been waited for so long so far: slow down where that is most of the time, and later try more again."""
        now = self._clock()
        if self._seen is None:
            self._seen = now, waited_s
            return
        elapsed = now - self._seen[0]
        if elapsed < 1.0:
            return
        share = (waited_s - self._seen[1]) / elapsed
        self._seen = now, waited_s
        if share > AT_EASE:
            self._eased = None
        elif self._eased is None:
            self._eased = now
        if share > BEHIND:
            self._slowed_hz = max((self._slowed_hz or TICK_HZ) / 2, SLOWEST_HZ)
        elif self._slowed_hz is not None and self._eased is not None and now - self._eased >= EASE_S:
            faster = self._slowed_hz * 2
            self._slowed_hz, self._eased = (None if faster >= TICK_HZ else faster), now


class Costs:
    """Of the newest frames: what drawing them took, all of the process, and the terminal."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu: Callable[[], float] = time.process_time
    ) -> None:
        self._clock, self._cpu = clock, cpu
        self._frames: deque[tuple[float, float, int, float]] = deque(maxlen=MEASURED + 1)

    def shown(self, draw_s: float, written: int) -> None:
        self._frames.append((self._clock(), self._cpu(), written, draw_s))

    def told(self, limit: tuple[float, str] | None) -> str:
        frames = self._frames
        if len(frames) < 2:
            return "measuring …"
        (begin, cpu, written, _), (end, cpu_now, written_now, _) = frames[0], frames[-1]
        count, seconds = len(frames) - 1, end - begin
        drawn = 1000 * sum(draw for *_, draw in list(frames)[1:]) / count
        if not seconds:
            return "measuring …"
        process, kib = 1000 * (cpu_now - cpu) / count, (written_now - written) / count / 1024
        said = f"{drawn:.1f} ms drawn, {process:.1f} ms CPU, {kib:.1f} KiB a frame · {count / seconds:.1f} fps"
        return said + (f" · at most {limit[0]:g} Hz: {limit[1]}" if limit else "")
