"""When the process behind a page began to count: what the libraries that write pages say of it, under any back end's own families.

`process_start_time_seconds` (UTC) is every Prometheus client library's, as vLLM's page shows. One that gathers several processes' files leaves it out (`prometheus_client`'s multiprocess mode:
SGLang, vLLM with several API servers), and so it does their counters' `_created`. Dynamo's runtime says how long it is up instead. A page of a registry of its own, or of OpenMetrics, may
have `_created` (UTC, too) without a start time: then those of counters of tokens, which are few, tell.
Captured pages of llama.cpp do not say it. Where an operator lets files of counters outlive the processes (`PROMETHEUS_MULTIPROC_DIR` that is not wiped), what they say is wrong anyway.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from collectors.backends.mapping import Backend, Mapping, Rule, kind_of
from collectors.model.signals import Kind, Series, Signal
from collectors.wire.exposition import SampleKey
from collectors.wire.safe import safe_text

STARTED: Final = "process_start_time_seconds"
_UPTIME: Final = "dynamo_component_uptime_seconds"
_CREATED: Final = "tokens_created"
MAX_CREATED: Final = 16
"""Of a page: any of them would do."""
_WHEN: Final = Rule(Signal.COUNTER_CREATED, Kind.GAUGE)
_RULES: Final = {
    STARTED: Rule(Signal.PROCESS_STARTED, Kind.GAUGE),
    _UPTIME: Rule(Signal.PROCESS_UPTIME, Kind.GAUGE),
}


def dated(backend: Backend) -> Backend:
    """The same back end, whose mappings also have the start of the process. Not of one whose counters outlive it, as those of devices and hosts do."""
    if not backend.counts_itself:
        return backend

    def wanted(family: str) -> bool:
        return family in _RULES or backend.wanted(family) or _tells(family)

    def _tells(family: str) -> bool:
        return family.endswith(_CREATED) and backend.wanted(family.removesuffix("_created"))

    def mapped(keys: Sequence[SampleKey], target: str) -> Mapping:
        mapping = _with_start(backend.map(keys, target), keys)
        if any(one.signal is Signal.PROCESS_STARTED for one in mapping.series):
            return mapping
        # A counter's family is its name without the end in OpenMetrics, and one of its own elsewhere.
        created = [at for at, key in enumerate(keys) if key.name.endswith(_CREATED) and wanted(key.family)]
        for at in created[:MAX_CREATED]:
            labels = ",".join(f"{name}={value}" for name, value in sorted(keys[at].labels))
            series = Series(_WHEN.signal, _WHEN.kind, "", keys[at].name, label=safe_text(f"{keys[at].name} {labels}"))
            mapping = _with(mapping, series, at)
        return mapping

    return msgspec.structs.replace(backend, wanted=wanted, map=mapped)


def _with_start(mapping: Mapping, keys: Sequence[SampleKey]) -> Mapping:
    """A page with two start times is of several processes: which of them counts what is not said."""
    for name, rule in _RULES.items():
        found = [index for index, key in enumerate(keys) if key.name == name]
        if len(found) == 1 and kind_of(keys[found[0]], rule) is not None:
            mapping = _with(mapping, Series(rule.signal, rule.kind, "", name), found[0])
    return mapping


def _with(mapping: Mapping, series: Series, index: int) -> Mapping:
    """With the sample at `index` too, as the last of those that are taken."""
    at = len(mapping.take)
    return msgspec.structs.replace(
        mapping,
        series=(*mapping.series[:at], series, *mapping.series[at:]),
        take=np.append(mapping.take, np.intp(index)),
        scale=None if mapping.scale is None else np.append(mapping.scale, 1.0),
    )
