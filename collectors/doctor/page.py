"""A page's bytes into evidence: what it is of, what its samples mean, what it says of devices. Pure."""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from collectors.backends import registry
from collectors.backends.mapping import Backend, MappingError, bounded
from collectors.backends.reach import Evidence, Fact
from collectors.backends.registry import UnknownBackendError
from collectors.doctor.findings import idle, of_devices
from collectors.model.vocabulary import TargetStatus
from collectors.sources.target import PROM
from collectors.wire.exposition import ExpositionError, PageReader
from collectors.wire.limits import DEFAULT, Limits

_PROMETHEUS: Final = "prometheus_build_info"


class Page(msgspec.Struct, frozen=True):
    backend: Backend
    evidence: Evidence
    samples: int
    emulated: bool = False
    offers_placement: bool = False
    devices: int = 0
    chips: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class PageError(Exception):
    """Why there is no page: `reason` is safe to show. `elsewhere`: there may be something for us on another path of that host.

    `instead` is how the target would have to be written, where we know; `limit` which one it is over.
    """

    def __init__(
        self, reason: str, status: TargetStatus, *, elsewhere: bool = False, instead: str = "", limit: str = ""
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.elsewhere = elsewhere
        self.instead = instead
        self.limit = limit


def understand(body: bytes, url: str, kind: str, name: str, limits: Limits = DEFAULT) -> Page:
    """`kind` is a back end's name, or empty: to be found out. Raises PageError."""
    reader = PageReader(
        limits
    )  # the whole page, not only what is mapped: what is declared tells too, and so do versions
    try:
        reader.read(body)
        families = frozenset({*reader.families, *(key.family for key in reader.keys)})
        backend = registry.named(kind) if kind else registry.recognise(families)
        if not backend.detect(families):
            raise UnknownBackendError(f"not a page of {backend.name}")
        return _meant(backend, reader, families, name, limits)
    except ExpositionError as error:
        raise PageError(f"not prometheus text: {error}", TargetStatus.REJECTED, limit=error.limit) from None
    except MappingError as error:
        raise PageError(str(error), TargetStatus.REJECTED, limit=error.limit) from None
    except UnknownBackendError as error:
        if not kind and _PROMETHEUS in families:
            parts = urlsplit(url)
            instead = f"{PROM}+{parts.scheme}://{parts.netloc}"
            raise PageError("the page of a Prometheus server itself", TargetStatus.REJECTED, instead=instead) from None
        raise PageError(str(error), TargetStatus.REJECTED, elsewhere=True) from None


def _meant(backend: Backend, reader: PageReader, families: frozenset[str], name: str, limits: Limits) -> Page:
    rows = [row for row, key in enumerate(reader.keys) if backend.wanted(key.family)]
    mapping = bounded(backend.map([reader.keys[row] for row in rows], name), limits)
    values = mapping.apply(reader.values[rows])
    family, label = backend.reach.version_label
    versions = [found for key in reader.keys if key.name == family and (found := dict(key.labels).get(label))]
    unused = idle(mapping.workers, mapping.series, values.tolist())
    notes = ["no token made yet: what comes with the first request cannot be judged"] if unused else []
    if others := registry.beside(backend, families):
        notes.append(f"left out: what the page has of {', '.join(others)}")
    if told := of_devices(mapping.series):
        notes.append(f"of devices and hosts: {told}")
    chips = [*(one.chip for one in mapping.workers), *(one.chip for one in mapping.devices)]
    return Page(
        backend=backend,
        evidence=Evidence(
            series=mapping.series,
            workers=mapping.workers,
            families=families,
            facts={Fact.VERSION: versions[0]} if versions else {},
            idle=unused,
        ),
        samples=len(reader.keys),
        emulated=mapping.emulated,
        offers_placement=mapping.offers_placement,
        devices=sum(not one.part_of for one in mapping.devices),
        chips=tuple(dict.fromkeys(filter(None, chips))),
        notes=tuple(notes),
    )
