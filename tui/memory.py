"""What a live dashboard remembers without having been asked to, until it is loaded: numpy and the like come after the first paint."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collectors.model.frame import Frame
    from tui.driver import History


class Late:
    """A `History` that is empty until there is `behind` it what remembers."""

    def __init__(self) -> None:
        self.behind: History | None = None

    def at(self, time_ns: int) -> Frame | None:
        return self.behind.at(time_ns) if self.behind is not None else None

    def step(self, time_ns: int, direction: int) -> Frame | None:
        return self.behind.step(time_ns, direction) if self.behind is not None else None

    def newest(self) -> Frame | None:
        return self.behind.newest() if self.behind is not None else None

    def span(self) -> tuple[int, int] | None:
        return self.behind.span() if self.behind is not None else None
