"""What is told of one request on its way through, each step after the bytes that it is about: measuring that fails stops nothing but itself."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from collectors.exchanges.exchange import Exchange
from collectors.wire.http_answer import Head

_log: Final = logging.getLogger(__name__)


class Measuring:
    """Of an exchange, or of none. `clock` gives monotonic nanoseconds."""

    def __init__(self, exchange: Exchange | None, clock: Callable[[], int]) -> None:
        self._exchange, self._clock = exchange, clock

    def look(self, head: Head | None, came: Sequence[tuple[int, bytes]]) -> None:
        """At the head of the answer, once, and at each read of its body."""
        exchange = self._exchange
        if exchange is None:
            return
        try:
            if head is not None:
                exchange.answered(head.status, head.headers)
            for time_ns, data in came:
                exchange.came(time_ns, data)
            exchange.look()
        except Exception:  # noqa: BLE001  measuring must not stand in the way of what is measured
            self._give_up(exchange)

    def end(self, outcome: str) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        try:
            exchange.end(self._clock(), outcome)
        except Exception:  # noqa: BLE001  measuring must not stand in the way of what is measured
            self._give_up(exchange)

    def _give_up(self, exchange: Exchange) -> None:
        _log.exception("a request is passed on without being measured any further")
        self._exchange = None
        exchange.give_up(self._clock())
