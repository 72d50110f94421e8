"""Names of hosts, workers and whatever lists them, replaced before anybody counts or keeps them: the same name by the same pseudonym within one run, and by another in the next.

Pseudonyms are keyed hashes; the key is nowhere kept, so they cannot be tried out. What is said of tokens, requests, models and rules stays.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from collectors.model.batch import (
    Batch,
    Inventory,
    Layout,
    Past,
    PoolInfo,
    Probing,
    Status,
    WorkerInfo,
)
from collectors.model.signals import DeviceFacts, Series
from collectors.model.traces import Account, Accounts, Move, Statement, Stretch
from collectors.model.vocabulary import About

LEVEL: Final = "names"
"""What a recording says of itself: names of hosts, workers, pods, devices, labels' values and URLs are pseudonyms."""
DIGITS: Final = 8
_NAME: Final = re.compile(r"\[[0-9A-Fa-f:.%]+\]|[^\s/:@,;?&=()\[\]\"'`]+")
"""A part of a name: a host, or an address in brackets; ports and ranks stand apart."""
_KEPT: Final = re.compile(r"[0-9]{1,5}|via|router|placement")
_ADDRESS: Final = re.compile(
    r"(?<![\w.])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[A-Za-z][\w-]*(?:\.[\w-]+){2,}|[A-Za-z][\w-]*\.[\w-]+(?=[:/]))(?![\w])"
)
"""In a sentence: an IPv4 address, or a name with two dots, or with one before a port or a path."""
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)?([^/?#]*)(.*)", re.DOTALL)
_WORKERS: Final = frozenset({About.PREFILL_WORKER, About.DECODE_WORKER})


class Redactor:
    """`key`: of the pseudonyms; a new one of nobody's knowledge."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(32) if key is None else key
        self._known: dict[str, str] = {}

    def batch(self, batch: Batch) -> Batch:
        parts = tuple(_BY_PART[type(part)](self, part) if type(part) in _BY_PART else part for part in batch.parts)
        return msgspec.structs.replace(batch, source=self.name(batch.source), parts=parts)

    def name(self, text: str) -> str:
        """Each part of it but ports, ranks and a few words of our own."""
        return _NAME.sub(lambda found: self._part(found[0]), text)

    def url(self, text: str) -> str:
        """Scheme and port are left; whatever is asked for there is not."""
        found = _URL.fullmatch(text)
        assert found is not None
        scheme, host, rest = found.groups()
        return f"{scheme or ''}{self.name(host.rpartition('@')[2])}{'/…' if rest.strip('/') else ''}"

    def sentence(self, text: str) -> str:
        """What is known to be a name, or looks like an address."""
        text = _ADDRESS.sub(lambda found: self._part(found[0]), text)
        names = sorted((name for name in self._known if len(name) > 1), key=len, reverse=True)
        if not names or not text:
            return text
        pattern = "|".join(re.escape(name) for name in names)
        return re.sub(rf"(?<![\w.-])(?:{pattern})(?![\w-])", lambda found: self._known[found[0]], text)

    def _part(self, text: str) -> str:
        if _KEPT.fullmatch(text):
            return text
        made = self._known.get(text)
        if made is None:
            digest = hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
            made = self._known[text] = f"n{digest[:DIGITS]}"
        return made

    def _inventory(self, part: Inventory) -> Inventory:
        return msgspec.structs.replace(
            part,
            workers=tuple(map(self._worker, part.workers)),
            pools=tuple(map(self._pool, part.pools)),
            devices=tuple(map(self._device, part.devices)),
            clock_id=self.name(part.clock_id),
            probe=None if part.probe is None else self._probe(part.probe),
        )

    def _worker(self, one: WorkerInfo) -> WorkerInfo:
        labels = {key: self.name(value) for key, value in one.labels.items()}
        return msgspec.structs.replace(one, id=self.name(one.id), labels=labels)

    def _pool(self, one: PoolInfo) -> PoolInfo:
        return msgspec.structs.replace(one, owner=self.name(one.owner))

    def _device(self, one: DeviceFacts) -> DeviceFacts:
        return msgspec.structs.replace(
            one,
            key=self.name(one.key),
            host=self.name(one.host),
            uuid=self.name(one.uuid),
            pods=tuple(map(self.name, one.pods)),
            part_of=self.name(one.part_of),
        )

    def _probe(self, one: Probing) -> Probing:
        return msgspec.structs.replace(one, of=self.name(one.of))

    def _status(self, part: Status) -> Status:
        return msgspec.structs.replace(
            part, url=self.url(part.url), reason=self.sentence(part.reason), warning=self.sentence(part.warning)
        )

    def _layout(self, part: Layout) -> Layout:
        return msgspec.structs.replace(part, series=tuple(map(self._series, part.series)))

    def _past(self, part: Past) -> Past:
        return msgspec.structs.replace(part, series=tuple(map(self._series, part.series)))

    def _series(self, one: Series) -> Series:
        return msgspec.structs.replace(one, worker=self.name(one.worker), owner=self.name(one.owner))

    def _accounts(self, part: Accounts) -> Accounts:
        return msgspec.structs.replace(part, rows=tuple(map(self._account, part.rows)))

    def _account(self, one: Account) -> Account:
        return msgspec.structs.replace(
            one,
            clock=self.name(one.clock),
            engine=self.name(one.engine),
            statements=tuple(map(self._statement, one.statements)),
            stretches=tuple(map(self._stretch, one.stretches)),
            moves=tuple(map(self._move, one.moves)),
        )

    def _statement(self, one: Statement) -> Statement:
        named = one.about in _WORKERS and isinstance(one.value, str)
        return msgspec.structs.replace(one, value=self.name(str(one.value))) if named else one

    def _stretch(self, one: Stretch) -> Stretch:
        return msgspec.structs.replace(one, worker=self.name(one.worker))

    def _move(self, one: Move) -> Move:
        return msgspec.structs.replace(one, from_worker=self.name(one.from_worker), reason=self.sentence(one.reason))


_BY_PART: Final[Mapping[type, Callable[[Redactor, Any], Any]]] = {
    Inventory: Redactor._inventory,
    Status: Redactor._status,
    Layout: Redactor._layout,
    Past: Redactor._past,
    Accounts: Redactor._accounts,
}
"""Parts of other types hold numbers, slots, and names of requests."""
