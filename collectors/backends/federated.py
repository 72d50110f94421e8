"""Pages that a Prometheus server made of those of many targets (`/federate`): refused, for the figures of one target must not be added to another's.

Each sample has the labels `job` and `instance` there (prometheus/prometheus `docs/federation.md`); a page of its own has neither.
"""

from collections.abc import Sequence

import msgspec

from collectors.backends.mapping import Backend, Mapping, MappingError
from collectors.wire.exposition import SampleKey


def of_one_page(backend: Backend) -> Backend:
    """The same back end, whose `map` raises MappingError for samples of several targets."""

    def mapped(keys: Sequence[SampleKey], target: str) -> Mapping:
        count = len({found for key in keys if (found := _scraped_from(key))})
        if count > 1:
            raise MappingError(f"of {count} targets at once (labels job, instance): read them, or prom+http://SERVER")
        return backend.map(keys, target)

    return msgspec.structs.replace(backend, map=mapped)


def _scraped_from(key: SampleKey) -> tuple[str, str] | None:
    """The job and instance of a federated sample; None for any other."""
    names = [name for name, _ in key.labels]
    if "job" not in names or "instance" not in names:
        return None
    labels = dict(key.labels)
    return labels["job"], labels["instance"]
