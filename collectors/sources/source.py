"""What every source is: something that yields Batches, live or step by step. Nothing downstream asks which one it is."""

from collections.abc import Callable
from typing import Protocol

from collectors.model.batch import Batch, Status
from collectors.model.vocabulary import TargetStatus
from collectors.wire.safe import safe_text

Emit = Callable[[Batch], None]
"""Takes a batch; called from the event loop, in the order in which things are to be seen."""


class Clock(Protocol):
    """Session time."""

    def now_ns(self) -> int: ...


class Source(Protocol):
    """`name` is unique in a session. A target's fault is emitted as a `Status` part and tried again, never raised."""

    @property
    def name(self) -> str: ...

    async def run(self, clock: Clock, emit: Emit) -> None:
        """Live: emits as things come, until cancelled."""

    async def step(self, until_ns: int, emit: Emit) -> None:
        """On a virtual clock: when it returns, everything with a time before `until_ns` has been emitted."""

    async def close(self) -> None:
        """Gives connections back. The source is not used afterwards."""


async def guarded(source: Source, clock: Clock, emit: Emit) -> None:
    """Runs it; a fault of its own ends this source only, visibly."""
    try:
        await source.run(clock, emit)
    except Exception as error:  # noqa: BLE001  a task's boundary: it becomes the target's status
        reason = safe_text(f"internal error: {type(error).__name__}: {error}", 200)
        status = Status(url="", backend="", status=TargetStatus.REJECTED, reason=reason)
        emit(Batch(source=source.name, time_ns=clock.now_ns(), parts=(status,)))
