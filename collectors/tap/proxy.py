"""What all requests through the tap share: where they go, who measures them, and which of them are under way."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, Protocol

from yarl import URL

from collectors.exchanges.book import Book
from collectors.exchanges.exchange import Exchange
from collectors.exchanges.meters import Meters
from collectors.model.vocabulary import PROBE_ID
from collectors.tap.headers import to_upstream
from collectors.tap.measuring import Measuring
from collectors.tap.request import RequestHead
from collectors.tap.turns import Turns
from collectors.tap.upstream import Upstream
from collectors.wire.connections import Origin

_MEASURED: Final = (b"/completions", b"/responses")


class Passing(Protocol):
    """A request under way."""

    def measure(self) -> None:
        """Tells of it from now on."""

    def stop(self) -> None:
        """Cuts both sides off."""


class Proxy:
    """`target`: how the upstream is called where nobody is named. `ask`: whether Dynamo is asked who serves. `clock` gives monotonic nanoseconds."""

    def __init__(
        self,
        upstream: URL,
        book: Book,
        meters: Meters,
        *,
        clock: Callable[[], int],
        tls: ssl.SSLContext | None = None,
        ask: bool = False,
    ) -> None:
        self.draining = self.stopping = False
        self.ask, self.meters, self.turns = ask, meters, Turns()
        self.target = f"{upstream.host}:{upstream.port}"
        assert upstream.raw_host is not None
        assert upstream.port is not None
        self.upstream = Upstream(Origin(upstream.scheme == "https", upstream.raw_host, upstream.port), tls, clock)
        self._host = (upstream.host_port_subcomponent or "").encode()
        self._base = upstream.raw_path.rstrip("/").encode()
        self._book, self._clock = book, clock
        self._passing: set[Passing] = set()
        self.unmeasured: set[Passing] = set()
        """Of those, the ones of which nothing is told yet."""
        self._idle = asyncio.Event()
        self._idle.set()

    def head(self, asked: RequestHead, length: int | None = None) -> bytes:
        """As the upstream gets it; `length`: of a body that is another than was sent."""
        return to_upstream(asked, self._host, self._base, length)

    def begun(self, passing: Passing) -> None:
        self._passing.add(passing)
        self.unmeasured.add(passing)
        self._idle.clear()

    def measuring(self, asked: RequestHead, time_ns: int) -> Measuring:
        """Of a request that is being passed on; `time_ns`: when its head was read."""
        exchange = None
        if asked.method != b"POST" or not asked.path.endswith(_MEASURED):
            self.meters.passed.inc()
        elif (name := asked.text("x-request-id")).startswith(PROBE_ID):
            # A dashboard's own traffic, which is in no figure of the fleet.
            self.meters.unmeasured.labels("probe").inc()
        else:
            exchange = Exchange(self._book, self.meters, name=name, target=self.target, time_ns=time_ns)
        return Measuring(exchange, self._clock)

    def ended(self, passing: Passing) -> None:
        self._passing.discard(passing)
        if not self._passing:
            self._idle.set()

    async def idle(self) -> None:
        """Waits until nothing is being passed on."""
        await self._idle.wait()

    def look(self) -> int:
        """At everything that has come. Afterwards no row is older than the time that is returned."""
        for passing in list(self.unmeasured):
            passing.measure()
        self.turns.run()
        return self._clock()

    async def close(self) -> None:
        """Ends what is under way."""
        self.stopping = True
        for passing in list(self._passing):
            passing.stop()
        await self.upstream.close()
