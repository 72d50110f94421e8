"""What the tap knows, as rows of the placement stream: who is alive, who made what, and what happened since it was last asked. Pure; knows no sockets.

Rows come in any order of requests; a row's time is when the tap had read its bytes.
"""

import uuid
from collections import deque
from collections.abc import Sequence
from typing import Final

from collectors.wire import placement_write as write
from collectors.wire.placement_format import MAX_NAME, MAX_STREAMS
from collectors.wire.placement_write import Row
from collectors.wire.safe import safe_text

MAX_WORKERS: Final = 256
"""That are told apart; tokens of any further ones are of no worker that is known."""
UNKNOWN: Final = -1
UNCOUNTED: Final = "not all events say how many tokens they bring (stream_options.continuous_usage_stats makes them): rates of tokens are lower bounds, or not known"
ONE_CHOICE: Final = "of requests with several choices only the first is shown"


def shown(text: str) -> str:
    """Text from outside as an id or a name of the stream."""
    return safe_text(text, MAX_NAME).encode()[:MAX_NAME].decode("utf-8", "ignore")


class Told:
    """One living request, or one choice of it, by the number of its stream."""

    __slots__ = ("next_token", "received", "stream")

    def __init__(self, stream: int, received: Row) -> None:
        self.stream = stream
        self.received = received
        self.next_token = 0


class Book:
    """`take` gives, as NDJSON, what happened since; `opening` what a reader must know who joins now."""

    def __init__(self, clock_id: str) -> None:
        self._warnings: list[str] = []
        self._clock_id = clock_id
        self._emulated = False
        self.epoch = uuid.uuid4().hex[:16]
        self.seq = 0
        self._until_ns = 0
        """Of the last message that was taken."""
        self._live: dict[str, Told] = {}
        self._ended: list[Told] = []
        self._unused = 0
        self._freed: deque[int] = deque()
        self._workers: dict[str, Row] = {}
        self._greet = False
        self._received: list[Row] = []
        self._finished: list[Row] = []
        self._deliveries: list[tuple[int, ...]] = []

    @property
    def live(self) -> int:
        return len(self._live) - len(self._ended)

    def receive(self, name: str, time_ns: int) -> Told | None:
        """A request, whose id is `name` or, while that one lives, the same with a number. None: all streams are taken, it cannot be told."""
        stream = self._number()
        if stream is None:
            return None
        wanted, others = name or f"tap-{stream}", 1
        request = wanted
        while request in self._live:
            others += 1
            request = f"{wanted[: MAX_NAME // 4]}~{others}"
        told = Told(stream, {"event": "received", "time_ns": time_ns, "request": request, "stream": stream})
        self._live[request] = told
        self._received.append(told.received)
        return told

    def warn(self, what: str) -> None:
        """What is not as it should be with the figures, for all readers from now on; each once."""
        if what not in self._warnings:
            self._warnings.append(what)
            self._greet = True

    def emulated(self) -> None:
        """Whoever answers says that it is simulated: so are all figures from now on, for one stream has one mark."""
        if not self._emulated:
            self._emulated = self._greet = True

    def worker(self, name: str, named_by: str, model: str = "", role: str = "") -> int:
        """The slot of a worker; UNKNOWN where there are too many. `named_by`: what says so."""
        row = self._workers.get(name)
        if row is None:
            if not name or len(self._workers) >= MAX_WORKERS:
                return UNKNOWN
            row = {"slot": len(self._workers), "id": name, "named_by": named_by}
            row |= {key: value for key, value in (("model", model), ("role", role)) if value}
            self._workers[name] = row
            self._greet = True
        elif model and row.setdefault("model", model) not in ("", model):
            row["model"] = ""  # it serves several
            self._greet = True
        slot: int = row["slot"]
        return slot

    def deliver(
        self, told: Told, time_ns: int, *, tokens: int, events: int, uncounted: int, worker: int, whole: bool = False
    ) -> None:
        """One arrival: what one read brought for one request. `uncounted` of its `events` said no number of tokens, and count as one each; or it is
        the `whole` response at once."""
        row = (told.stream, told.next_token, min(tokens, 0xFFFF), time_ns, worker, events, uncounted, int(whole))
        self._deliveries.append(row)
        told.next_token += tokens

    def finish(
        self, told: Told, time_ns: int, reason: str, output_tokens: int | None, names: Sequence[str] = ()
    ) -> None:
        """`names`: what others call the request."""
        row: Row = {"event": "finished", "time_ns": time_ns, "request": told.received["request"], "reason": reason}
        if names:
            row["names"] = list(names)
        if output_tokens is not None:
            row["output_tokens"] = output_tokens
        self._finished.append(row)
        self._ended.append(told)

    @property
    def quiet(self) -> bool:
        """Whether `take` would have nothing to tell but the time."""
        return not (self._greet or self._received or self._finished or self._deliveries)

    def take(self, now_ns: int, until_ns: int | None = None) -> bytes:
        """All rows so far, complete up to `until_ns` (None: now)."""
        self._until_ns = now_ns if until_ns is None else min(until_ns, now_ns)
        said = [write.line(self._hello(now_ns))] if self._greet else []
        said += [write.rows("requests", self._received)]
        if self._deliveries:
            columns = map(list, zip(*self._deliveries, strict=True))
            said.append(write.columns("deliveries", dict(zip(_COLUMNS, columns, strict=True))))
        said.append(write.rows("requests", self._finished))
        self.forget()
        data = b"".join(said)
        self.seq += data.count(b"\n") + 1
        return data + write.line(write.watermark(self._until_ns, self.seq))

    def skip(self, until_ns: int) -> None:
        """What happened so far is told to nobody, and no reader can go on from before it."""
        self._until_ns = until_ns
        self.forget()
        self.seq += 1

    def forget(self) -> None:
        """What happened so far, which has been told. Numbers of what has finished are free from now on."""
        for told in self._ended:
            del self._live[told.received["request"]]
            self._freed.append(told.stream)
        self._greet = False
        self._received, self._finished, self._ended, self._deliveries = [], [], [], []

    def opening(self, now_ns: int) -> bytes:
        """For a reader that will be given every `take` from now on; right after one."""
        alive = [told.received for told in self._live.values()]
        return (
            write.line(self._hello(now_ns))
            + write.rows("requests", alive)
            + write.line(write.watermark(self._until_ns, self.seq))
        )  # fmt: skip

    def resumption(self, now_ns: int, seq: int) -> bytes:
        """For a reader that has everything up to message `seq` of this book, and will be given all that follows it."""
        return write.line({**self._hello(now_ns), "resumed_after": seq})

    def _hello(self, now_ns: int) -> Row:
        more: Row = {"measured": True, "epoch": self.epoch}
        if self._warnings:
            more["warning"] = "; ".join(self._warnings)
        return write.hello(
            producer="tokenyard-tap",
            emulated=self._emulated,
            clock_id=self._clock_id,
            now_ns=now_ns,
            workers=list(self._workers.values()),
            more=more,
        )

    def _number(self) -> int | None:
        """One that was never given, else the one that was given back first."""
        if self._unused < MAX_STREAMS:
            self._unused += 1
            return self._unused - 1
        return self._freed.popleft() if self._freed else None


_COLUMNS: Final = ("stream", "first_token", "tokens", "time_ns", "worker", "events", "uncounted", "whole")
