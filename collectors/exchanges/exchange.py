"""One request through the tap: what its bytes say, and when they came, told to the book and the meters. Pure: times are given.

An arrival is a read: all events that one read completed share its time and are one delivery of each choice that they belong to.
"""

from collections.abc import Mapping
from typing import Final

from collectors.exchanges.book import ONE_CHOICE, UNCOUNTED, UNKNOWN, Book, Told, shown
from collectors.exchanges.meters import Meters, WorkerMeters
from collectors.wire.openai_stream import Said, StreamReader, Workers, whole
from collectors.wire.sse import EventSplitter

_WORKER_HEADERS: Final = (
    "x-inference-pod",
    "x-gateway-destination-endpoint-served",
    "x-gateway-destination-endpoint",
)
"""llm-d's gateway and simulator, the most telling first."""
EMULATED: Final = "x-emulated"
"""A header of whoever simulates, as our own emulators do."""
MAX_WHOLE: Final = 1 << 20
"""Bytes of a response that is not streamed, which is held until it is whole, looked at for what it counts, and dropped. What is larger is not looked at."""
_EVENT_STARTS: Final = (b"data:", b"event:", b":")


class _Choice:
    """One sequence of output. Of the read that is being looked at: how many events it had, and the tokens of them."""

    __slots__ = ("counted", "events", "last_ns", "tokens", "told", "uncounted")

    def __init__(self, told: Told | None) -> None:
        self.told = told
        self.last_ns: int | None = None
        self.counted = True
        self.events = self.tokens = self.uncounted = 0


class Exchange:
    """`came` with each read, before it is passed on; `look` afterwards; `end` once. Any of them may be called again without harm.

    `target`: who answers where nobody is named, that is, whoever stands behind that address.
    """

    def __init__(self, book: Book, meters: Meters, *, name: str, target: str, time_ns: int) -> None:
        self._book, self._meters = book, meters
        self._name, self._received_ns = shown(name), time_ns
        self._worker, self._named_by = target, "target"
        self._role = self._model = self._said_model = ""
        self._said_workers: Workers | None = None
        self._placed: tuple[int, WorkerMeters] | None = None
        """Slot and meters of the worker that is named now; None until they are asked for."""
        self._events = EventSplitter()
        self._reader = StreamReader()
        self._reads: list[tuple[int, bytes]] = []
        self._measured = False
        self._sniff = False
        self._whole: bytearray | None = None
        """A response that is not streamed, as far as it has come; None if it is, or is none that can be understood."""
        self._first = True
        self._ended = self._came_whole = False
        self.error_inside = False
        """Whether an event or a whole response was an error, whatever its status."""
        self._error = self._done = False
        self._finish = ""
        self._names: list[str] = []
        """What the server calls the request."""
        self._output_tokens: int | None = None
        self._choices: dict[int, _Choice] = {}
        told = book.receive(self._name, time_ns)
        if told is None:
            meters.unmeasured.labels("too many requests").inc()
        else:
            self._name = told.received["request"]
        self._choices[0] = _Choice(told)
        meters.in_flight.inc()

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of the response. Compressed bodies are passed on as they are, and so not understood."""
        for header in _WORKER_HEADERS:
            if value := shown(headers.get(header, "")):
                self._worker, self._named_by = value, f"header {header}"
                break
        if EMULATED in headers:
            self._book.emulated()
            self._meters.emulated.set(1)
        self._call(headers.get("x-request-id", ""))
        self._error = status >= 400
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        plain = headers.get("content-encoding", "identity").strip().lower() in ("", "identity")
        if not plain and kind == "text/event-stream":
            self._meters.unmeasured.labels("compressed").inc()
        self._measured = plain and status < 300
        self._sniff = kind != "text/event-stream"

    def came(self, time_ns: int, data: bytes) -> None:
        if self._measured:
            self._reads.append((time_ns, data))

    def look(self) -> None:
        """At what came."""
        reads, self._reads = self._reads, []
        for time_ns, data in reads:
            if self._sniff:
                self._sniff = False
                self._whole = bytearray() if data.lstrip().startswith(b"{") else None
                self._measured = self._whole is not None or data.lstrip().startswith(_EVENT_STARTS)
            if self._whole is not None:
                self._gather(data)
            elif self._measured:
                self._read(time_ns, data)

    def end(self, time_ns: int, outcome: str) -> None:
        """`outcome` is `whole` (all that was sent came through), `abort` (the client left) or `error` (the upstream was not there, or died)."""
        self.look()
        if self._ended:
            return
        self._ended = True
        if outcome == "whole":
            self._read_whole(time_ns)
            outcome = "error" if self._error or self.torn else "length" if self._finish == "length" else "stop"
        self._meters.in_flight.dec()
        self._meters.requests.labels(outcome).inc()
        for choice in self._choices.values():
            if choice.told is not None:
                self._book.finish(choice.told, time_ns, outcome, self._tokens_of(choice), self._names)

    def give_up(self, time_ns: int) -> None:
        """Ends without looking at anything: what is told of it so far stays."""
        if not self._ended:
            self._ended, self._reads = True, []
            self._meters.in_flight.dec()
            self._meters.unmeasured.labels("fault").inc()
            for choice in self._choices.values():
                if choice.told is not None:
                    self._book.finish(choice.told, time_ns, "error", None)

    @property
    def name(self) -> str:
        """By which it is told."""
        return self._name

    @property
    def spoke(self) -> bool:
        """Whether output came."""
        return self._came_whole or any(choice.last_ns is not None for choice in self._choices.values())

    @property
    def torn(self) -> bool:
        """Whether the stream ended before what it said was said."""
        return self._events.torn or (not self._finish and not self._done and not self._came_whole and self.spoke)

    def _tokens_of(self, choice: _Choice) -> int | None:
        if self._output_tokens is not None and len(self._choices) == 1:
            return self._output_tokens
        return choice.told.next_token if choice.told and choice.counted and choice.last_ns is not None else None

    def _read(self, time_ns: int, data: bytes) -> None:
        for event in self._events.feed(data):
            said = self._reader.read(event)
            self._note(said)
            if said.content:
                choice, tokens = self._choices.get(said.choice) or self._further(said.choice), said.tokens
                choice.events += 1
                choice.tokens += tokens or 1
                if tokens is None:
                    choice.uncounted += 1
        for choice in self._choices.values():
            if choice.events:
                self._deliver(choice, time_ns)

    def _gather(self, data: bytes) -> None:
        assert self._whole is not None
        self._whole += data
        if len(self._whole) > MAX_WHOLE:
            self._whole, self._measured = None, False
            self._meters.unmeasured.labels("too large").inc()

    def _read_whole(self, time_ns: int) -> None:
        """A response that was not streamed is one delivery, of the tokens that it counts, and its end no first token's time."""
        if self._whole is None:
            return
        said = whole(bytes(self._whole))
        self._whole = None
        self._note(said)
        if said.content and said.error is None and said.understood:
            choice = self._choices[0]
            self._came_whole = True
            slot, meters = self._place()
            uncounted = said.tokens is None
            if uncounted:
                self._book.warn(UNCOUNTED)
            if choice.told is not None:
                self._book.deliver(
                    choice.told,
                    time_ns,
                    tokens=said.tokens or 1,
                    events=1,
                    uncounted=int(uncounted),
                    worker=slot,
                    whole=True,
                )
            meters.delivered(1, said.tokens or 1, int(uncounted))

    def _place(self) -> tuple[int, WorkerMeters]:
        """Slot and meters of the worker that is named now."""
        if self._placed is None:
            slot = self._book.worker(self._worker, self._named_by, self._model, self._role)
            self._placed = slot, self._meters.of("" if slot == UNKNOWN else self._worker)
        return self._placed

    def _call(self, name: str) -> None:
        name = shown(name)
        if name and name != self._name and name not in self._names:
            self._names.append(name)

    def _note(self, said: Said) -> None:
        if said.id:
            self._call(said.id)
        if not said.understood:
            self._meters.not_understood.inc()
        if said.error is not None:
            self._error = self.error_inside = True
            self._meters.errors_inside.inc()
        if said.model and said.model != self._said_model:
            self._said_model, self._model, self._placed = said.model, shown(said.model), None
        if said.workers is not None and said.workers != self._said_workers:
            self._said_workers, self._placed = said.workers, None
            prefill, decode = said.workers.prefill, said.workers.decode
            apart = bool(prefill and decode and prefill != decode)
            if decode:
                self._worker, self._named_by, self._role = decode, "nvext", "decode" if apart else ""
            if apart:
                self._book.worker(prefill, "nvext", self._model, "prefill")
        if said.finish:
            self._finish = said.finish
        if said.done:
            self._done = True
        if said.output_tokens is not None:
            self._output_tokens = said.output_tokens
        if said.times is not None:
            for phase in ("queue", "prefill", "decode"):
                seconds = getattr(said.times, f"{phase}_s")
                if seconds is not None:
                    self._meters.server_seconds.labels(phase).observe(seconds)

    def _further(self, index: int) -> _Choice:
        """Another choice of the request. It began with the request, which the stream can no longer say: it is only metered."""
        self._book.warn(ONE_CHOICE)
        return self._choices.setdefault(index, _Choice(None))

    def _deliver(self, choice: _Choice, time_ns: int) -> None:
        slot, meters = self._placed or self._place()
        if choice.uncounted:
            self._book.warn(UNCOUNTED)
            choice.counted = False
        if choice.told is not None:
            self._book.deliver(
                choice.told,
                time_ns,
                tokens=choice.tokens,
                events=choice.events,
                uncounted=choice.uncounted,
                worker=slot,
            )
        last_ns, choice.last_ns = choice.last_ns, time_ns
        if last_ns is None:
            meters.delivered(choice.events, choice.tokens, choice.uncounted)
            if self._first:
                meters.ttft.observe((time_ns - self._received_ns) / 1e9)
                self._first = False
        else:
            meters.delivered(choice.events, choice.tokens, choice.uncounted, time_ns - last_ns)
        choice.events = choice.tokens = choice.uncounted = 0
