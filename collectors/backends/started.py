"""When the process behind a page began to count: what the libraries that write pages say of it, under any back end's own families.

`process_start_time_seconds` (UTC) is every Prometheus client library's, as vLLM's page shows. One that gathers several processes' files leaves it out (`prometheus_client`'s multiprocess mode:
SGLang, vLLM with several API servers), and so it does their counters' `_created`: where that is written the start time is too. Dynamo's runtime says how long it is up instead.
Captured pages of llama.cpp do not say it. Where an operator lets files of counters outlive the processes (`PROMETHEUS_MULTIPROC_DIR` that is not wiped), what they say is wrong anyway.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from collectors.backends.mapping import Backend, Mapping, Rule, kind_of
from collectors.model.signals import Kind, Series, Signal
from collectors.wire.exposition import SampleKey

STARTED: Final = "process_start_time_seconds"
_UPTIME: Final = "dynamo_component_uptime_seconds"
_RULES: Final = {
    STARTED: Rule(Signal.PROCESS_STARTED, Kind.GAUGE),
    _UPTIME: Rule(Signal.PROCESS_UPTIME, Kind.GAUGE),
}


def dated(backend: Backend) -> Backend:
    """The same back end, whose mappings also have the start of the process. Not of one whose counters outlive it, as those of devices and hosts do."""
    if not backend.counts_itself:
        return backend

    def wanted(family: str) -> bool:
        return family in _RULES or backend.wanted(family)

    def mapped(keys: Sequence[SampleKey], target: str) -> Mapping:
        return _with_start(backend.map(keys, target), keys)

    return msgspec.structs.replace(backend, wanted=wanted, map=mapped)


def _with_start(mapping: Mapping, keys: Sequence[SampleKey]) -> Mapping:
    """A page with two start times is of several processes: which of them counts what is not said."""
    for name, rule in _RULES.items():
        found = [index for index, key in enumerate(keys) if key.name == name]
        if len(found) == 1 and kind_of(keys[found[0]], rule) is not None:
            at = len(mapping.take)
            mapping = msgspec.structs.replace(
                mapping,
                series=(*mapping.series[:at], Series(rule.signal, rule.kind, "", name), *mapping.series[at:]),
                take=np.append(mapping.take, np.intp(found[0])),
                scale=None if mapping.scale is None else np.append(mapping.scale, 1.0),
            )
    return mapping
