"""What was asked, as the emulators alone know it: whose each request is, when it was meant to come, and what it follows from."""

from collections import deque
from typing import Final

from emulators.events import Row
from emulators.request import Request

MOST: Final = 16_384
"""Requests that are kept, the newest."""


class Requested:
    """Keeps a little of each request, not the request."""

    def __init__(self) -> None:
        self._rows: deque[tuple[object, ...]] = deque(maxlen=MOST)

    def add(self, request: Request) -> None:
        """A request that has just been received."""
        received = request.received_ns
        self._rows.append(
            (
                request.id,
                request.workload,
                request.workflow,
                request.parents,
                received if request.intended_ns < 0 else request.intended_ns,
                received,
                request.prompt,
                request.output,
            )
        )

    def columns(self) -> Row:
        """Oldest first. `intended_ns` is before `received_ns` where a request waited for an answer; `output_tokens` is what it will have."""
        names = (
            "request",
            "workload",
            "workflow",
            "parents",
            "intended_ns",
            "received_ns",
            "prompt_tokens",
            "output_tokens",
        )
        return dict(
            zip(names, map(list, zip(*self._rows, strict=True)) if self._rows else ([] for _ in names), strict=True)
        )
