"""A request that does not come from a session: what it asks the cluster for, and what becomes of it."""

from collections.abc import Callable
from dataclasses import dataclass

from emulators.blocks import Context
from emulators.request import Request


@dataclass(slots=True, eq=False)
class Asked:
    """Tokens are counts, as in `Request`. `kind`: interactive or batch. `on_end` is told when it has ended."""

    id: str
    prompt: int
    output: int
    limit: int
    context: Context
    kind: str
    findable: int = 1 << 62
    workload: str = "asked"
    workflow: str | None = None
    parents: tuple[str, ...] = ()
    intended_ns: int | None = None
    """When it was meant to be asked; None: when it is."""
    target_ttft_s: float | None = None
    on_end: Callable[[], None] | None = None
    request: Request | None = None
    """From when it is received on."""
    ended: bool = False

    def end(self) -> None:
        self.ended = True
        if self.on_end is not None:
            self.on_end()
