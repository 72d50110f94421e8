"""The probes of one server, told as the tap tells of what goes through it: who served them, when each delivery came, how they ended.

Answers are read as the tap reads them (`Exchange`, `Book`), and come to parts of a batch on the tap's way: a placement stream of their own, read back. When to ask is not decided here.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from collectors.exchanges.book import Book
from collectors.exchanges.exchange import Exchange
from collectors.exchanges.meters import Meters
from collectors.model.batch import Admitted, Finished, Inventory, Part, Probing, Received, Requests
from collectors.probe.requests import FORMS, MAX_TOKENS, NOT_SO, Form, body, headers, id_of
from collectors.probe.sending import Sender
from collectors.sources.placement_reader import Reader
from collectors.wire.fault import FetchError
from collectors.wire.placement_format import NDJSON

AT_ONCE: Final = 4
"""Probes under way at a time, at most: no slow server has more of us, and no more than it must is left out while it is slow."""
NO_OUTPUT: Final = "no output"
IN_STREAM: Final = "error in the stream"
UNFINISHED: Final = "stream ended unfinished"


class Told(NamedTuple):
    """Of a probe that has ended; `failure` is empty where it brought what it was to bring."""

    parts: tuple[Part, ...]
    failure: str


class _Ended(NamedTuple):
    name: str
    failure: str


class Canary:
    """Of the target `of`. `clock` gives session time, as it does to `sender`."""

    def __init__(self, of: str, sender: Sender, every_s: float, clock: Callable[[], int]) -> None:
        self._of, self._every_s, self._model = of, every_s, ""
        self._base = self._host = ""
        self._clock = clock
        self._sender = sender
        self._book = Book(f"probe {secrets.token_hex(8)}")
        self._meters = Meters()
        self._reader = Reader(NDJSON)
        self._form: Form | None = None
        """In which the server has answered: it is asked in no other one then."""
        self._inventory: Inventory | None = None
        """As the book says it."""
        self._told: Inventory | None = None
        self._due: dict[str, int] = {}
        """When those were due that are under way."""

    @property
    def ready(self) -> bool:
        """Whether another may be sent now. As long as it is not known how to ask, one at a time."""
        return len(self._due) < (1 if self._form is None else AT_ONCE)

    def ask_for(self, model: str, base: str) -> tuple[Part, ...]:
        """Which model of the API at `base` from now on; perhaps it is another server now, so that how to ask has to be found out again."""
        self._model, self._form, self._told = model, None, None
        self._base, self._host = base, urlsplit(base).netloc
        return self._parts(self._book.opening(self._clock()) if self._inventory is None else b"", ())

    async def probe(self, due_ns: int) -> Told:
        """One probe that was due then: from that moment on its time counts, whenever it is sent. What goes wrong with it is told."""
        nonce = secrets.token_hex(8)
        self._due[nonce] = due_ns
        forms = FORMS if self._form is None else (self._form,)
        ended = None
        try:
            for form in forms:
                ended = await self._in_form(form, nonce, last=form is forms[-1])
                if ended is not None:
                    break
                self._due[nonce] = self._clock()  # how long it took to find out how to ask says nothing of an answer
        finally:
            del self._due[nonce]
        assert ended is not None
        now_ns = self._clock()
        said = self._book.take(now_ns, min(self._due.values(), default=now_ns))
        return Told(self._parts(said, (ended,)), ended.failure)

    async def _in_form(self, form: Form, nonce: str, *, last: bool) -> _Ended | None:
        """None, and nothing is told, where the server takes no such form and there is another one."""
        exchange: Exchange | None = None
        failure, status = "", 0

        def begun() -> Exchange:
            return Exchange(self._book, self._meters, name=id_of(nonce), target=self._host, time_ns=self._due[nonce])

        def answered(found: int, said: Mapping[str, str]) -> bool:
            nonlocal exchange, status
            status = found
            if found in NOT_SO and not last:
                return False
            exchange = begun()
            exchange.answered(found, said)
            return True

        def came(time_ns: int, data: bytes) -> None:
            assert exchange is not None
            exchange.came(time_ns, data)
            exchange.look()

        try:
            url = f"{self._base}{form.path}"
            await self._sender.send(url, body(form, self._model, nonce), headers(nonce), answered, came)
        except FetchError as error:
            failure = f"{error.reason} (limits.{error.limit})" if error.limit else error.reason
        if exchange is None and not failure:
            return None
        exchange = exchange or begun()
        exchange.end(self._clock(), "error" if failure else "whole")
        failure = f"http {status}" if status >= 300 else failure or _wrong(exchange)
        if not failure:
            self._form = form
        return _Ended(exchange.name, failure)

    def _parts(self, data: bytes, ended: tuple[_Ended, ...]) -> tuple[Part, ...]:
        """What the book says, with why requests failed; marked as our own."""
        why = {one.name: one.failure for one in ended if one.failure}
        path = "" if self._form is None else self._form.path
        probing = Probing(self._of, self._every_s, self._model, path, MAX_TOKENS, AT_ONCE)
        found: list[Part] = []
        for part in self._reader.merged(self._reader.read(data, None)):
            if isinstance(part, Inventory):
                self._inventory = part
            elif isinstance(part, Requests):
                found.append(Requests(tuple(_with_reason(row, why) for row in part.rows)))
            else:
                found.append(part)
        assert self._inventory is not None
        marked = msgspec.structs.replace(self._inventory, probe=probing)
        if marked != self._told:
            self._told = marked
            found.insert(0, marked)
        return tuple(found)


def _with_reason(row: Received | Admitted | Finished, why: Mapping[str, str]) -> Received | Admitted | Finished:
    if isinstance(row, Finished) and row.request in why:
        return msgspec.structs.replace(row, reason=why[row.request])
    return row


def _wrong(exchange: Exchange) -> str:
    if exchange.error_inside:
        return IN_STREAM
    if exchange.torn:
        return UNFINISHED
    return "" if exchange.spoke else NO_OUTPUT
