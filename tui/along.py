"""A session that is run along a recording for what its Frames leave out: single deliveries, requests, decisions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from collectors.model.batch import Tick
from collectors.session.detail import Detail
from collectors.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.recording.codec import Item
    from collectors.recording.reader import Reader

LEAD_NS: Final = 60_000_000_000
"""It begins so long before what is asked about."""
AHEAD_NS: Final = 90_000_000_000
"""What is further ahead than this is begun anew."""


class Along:
    def __init__(self, reader: Reader) -> None:
        self.detail: Detail | None = None
        """As far as it has come; None before the first moment was reached."""
        self._reader = reader
        self._made = Detail()
        self._session = Session("virtual")
        self._items: Iterator[Item] = iter(())
        self._next: Item | None = None
        self._began_ns: int | None = None
        self._begun_for_ns = 0
        self.at_ns = 0
        """The newest tick that it came to."""

    def work(self, until_ns: int, budget_s: float) -> bool:
        """Come nearer to the tick of `until_ns`, for about so much real time. Whether it is there."""
        too_far = until_ns - max(self.at_ns, self._begun_for_ns) > AHEAD_NS
        if self._began_ns is None or until_ns < self._began_ns or too_far:
            self._begin(until_ns)
        deadline = time.monotonic() + budget_s
        while self.at_ns < until_ns and time.monotonic() < deadline:
            if self._next is None:
                self._next = next(self._items, None)
            if self._next is None or self._next.time_ns > until_ns:
                return True
            item, self._next = self._next, None
            if isinstance(item, Tick):
                self._session.tick(item.time_ns, item.utc_s)
                self.at_ns, self.detail = item.time_ns, self._made
            else:
                self._session.feed(item)
        return self.at_ns >= until_ns

    def _begin(self, until_ns: int) -> None:
        self._made = Detail()
        self._session = Session("virtual", detail=self._made)
        self._items = self._reader.since_key(until_ns - LEAD_NS, 2**63 - 1)
        self._next = next(self._items, None)
        self.at_ns = self._began_ns = self._next.time_ns if self._next is not None else until_ns
        self._begun_for_ns = until_ns
        self.detail = None
