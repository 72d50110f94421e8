"""Pages as a test reads them: what each signal of a page came to."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collectors.backends import registry
from collectors.backends.mapping import Mapping, bounded
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import Tier
from collectors.wire.exposition import PageReader
from collectors.wire.limits import DEFAULT

OF_THE_PROCESS = (Signal.PROCESS_STARTED, Signal.PROCESS_UPTIME, Signal.COUNTER_CREATED)
"""Not the back ends': see test_started."""
FIXTURES = Path(__file__).parent.parent / "fixtures"


class Read(NamedTuple):
    backend: str
    mapping: Mapping
    values: dict[tuple[str, Signal, Kind, Tier | None, str], list[float]]
    """By worker, signal, kind, tier and owner; buckets are left out."""
    buckets: dict[tuple[str, Signal], dict[float, float]]
    found: npt.NDArray[np.float64]
    """A value for each of the mapping's series."""

    def total(self, signal: str) -> float:
        """Of the signal's counter, or its histogram's count."""
        kinds = (Kind.COUNTER, Kind.COUNT)
        return sum(sum(values) for (_, one, kind, *_), values in self.values.items() if one == signal and kind in kinds)


def read(page: str, target: str = "target") -> Read:
    reader = PageReader(wanted=registry.noticed)
    reader.read(page.encode())
    backend = registry.recognise({*reader.families, *(key.family for key in reader.keys)})
    mapping = bounded(backend.map(reader.keys, target), DEFAULT)
    found = mapping.apply(reader.values)
    known = Read(backend.name, mapping, {}, {}, found)
    assert found.shape == (len(mapping.series),)
    for series, value in zip(mapping.series, found.tolist(), strict=True):
        if series.kind is Kind.BUCKET:
            assert series.le is not None
            known.buckets.setdefault((series.worker, series.signal), {})[series.le] = value
        elif series.signal not in OF_THE_PROCESS:
            assert series.le is None
            key = (series.worker, series.signal, series.kind, series.tier, series.owner)
            if series.less:
                known.values[key][-1] -= value
            else:
                known.values.setdefault(key, []).append(value)
    return known
