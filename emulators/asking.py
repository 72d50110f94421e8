"""A request that does not come from the workload: what it asks the cluster for, and what becomes of it."""

from dataclasses import dataclass

from emulators.blocks import Context
from emulators.request import Request


@dataclass(slots=True, eq=False)
class Asked:
    """Tokens are counts, as in `Request`. `kind`: interactive or batch."""

    id: str
    prompt: int
    output: int
    limit: int
    context: Context
    kind: str
    request: Request | None = None
    """From when it is received on."""
    ended: bool = False

    def end(self) -> None:
        self.ended = True
