"""How long a worker has been in each phase, and what its steps read from its memory: the counts from which joules follow.

Counts only, exact and O(1) a run of steps: nanoseconds and bytes as integers. What a second or a byte costs is `emulators.energy`'s.
"""

from typing import Final


def grown(context: int, steps: int, window: int = 0) -> int:
    """Tokens attended to by a sequence of so much context over so many steps, after each of which it is one longer; by a layer with a window at most `window` a step."""
    full = min(steps, max(0, window - context)) if window else steps
    return full * context + full * (full - 1) // 2 + (steps - full) * window


PREFILL: Final = "prefill"
DECODE: Final = "decode"
TRANSFER: Final = "transfer"
IDLE: Final = "idle"
PHASES: Final = (PREFILL, DECODE, TRANSFER, IDLE)
"""prefill: a step with prompts in it, whatever else it decodes. decode: one without. transfer: nothing to compute, but KV under way that a request waits for."""


class Phases:
    """One worker's time by phase. A worker is in one phase at a time, from 0 on `idle`."""

    __slots__ = ("_ns", "_phase", "_since_ns")

    def __init__(self) -> None:
        self._ns = dict.fromkeys(PHASES, 0)
        self._phase = IDLE
        self._since_ns = 0

    def enter(self, now_ns: int, phase: str) -> None:
        """From now on it is in that phase."""
        if phase != self._phase:
            self._ns[self._phase] += now_ns - self._since_ns
            self._phase, self._since_ns = phase, now_ns

    @property
    def current(self) -> str:
        return self._phase

    def seconds(self, now_ns: int) -> dict[str, float]:
        """By phase, as of now; they sum to the time since the start."""
        ns = dict(self._ns)
        ns[self._phase] += now_ns - self._since_ns
        return {phase: ns[phase] / 1e9 for phase in PHASES}


class Reads:
    """Bytes that one worker's steps have read from its memory: weights, and KV that was attended to."""

    __slots__ = ("kv_bytes", "weight_bytes")

    def __init__(self) -> None:
        self.weight_bytes = 0
        self.kv_bytes = 0

    def add(self, weight_bytes: int, kv_bytes: int) -> None:
        self.weight_bytes += weight_bytes
        self.kv_bytes += kv_bytes
