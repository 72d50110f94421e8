"""Every delivery of a recording with its gap, as the statistics of the screen count them: it is they that tell of them here."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from collectors.export.source import Source
from collectors.export.span import Part
from collectors.export.table import Coded, Column, Kind, Rows, Schema, same
from collectors.model.batch import UNCOUNTED, WHOLE, Batch
from collectors.model.vocabulary import STAGES, TIERS
from collectors.recording.codec import Item
from collectors.stats.gaps import Dealt

DELIVERIES: Final[Schema] = {
    "time_ns": Kind.INT,
    "source": Kind.TEXT,
    "request": Kind.TEXT,
    "worker": Kind.TEXT,
    "device": Kind.TEXT,
    "model": Kind.TEXT,
    "stage": Kind.TEXT,
    "tier": Kind.TEXT,
    "first_token": Kind.INT,
    "tokens": Kind.INT,
    "gap_s": Kind.FLOAT,
    "stage_start_ns": Kind.INT,
    "stage_duration_s": Kind.FLOAT,
    "whole_response": Kind.FLAG,
    "probe": Kind.FLAG,
    "emulated": Kind.FLAG,
}


def deliveries(items: Iterable[Item], of: Part) -> Iterator[Rows]:
    """Those whose session time is in the part, in pieces: of one source in the order in which they came."""
    sources: dict[str, Source] = {}
    made: list[Rows] = []

    def hear(source: Source, dealt: Dealt) -> None:
        rows = _rows(source, dealt, of)
        if rows is not None:
            made.append(rows)

    for item in items:
        if isinstance(item, Batch):
            source = sources.get(item.source)
            if source is None:
                source = sources[item.source] = Source(item.source, hear)
            source.feed(item)
        else:
            for source in sources.values():
                source.tick(item.time_ns)
        yield from made
        made.clear()
    for source in sources.values():
        source.flush()
    yield from made


def _rows(source: Source, dealt: Dealt, of: Part) -> Rows | None:
    chunk = dealt.chunk
    # Where each row stands in the chunk, in the order in which they came.
    came = np.empty(len(chunk.order), np.intp)
    came[chunk.order] = np.arange(len(came))
    came = came[(dealt.at_ns[came] >= of.begin_ns) & (dealt.at_ns[came] < of.end_ns)]
    if not len(came):
        return None
    rows, flags = chunk.rows[came], np.zeros(len(came), np.int64) if chunk.flags is None else chunk.flags[came]
    run = (np.searchsorted(chunk.begin, came, side="right") - 1).astype(np.int64)
    workers = [source.workers.get(one) for one in dealt.ids]
    row = dealt.row[came].astype(np.int64)
    uncounted, untimed = flags & UNCOUNTED > 0, rows["duration_ns"] <= 0
    return {
        "time_ns": dealt.at_ns[came],
        "source": same(source.name, len(came)),
        "request": Coded(run, [dealt.name(stream) for stream in chunk.stream.tolist()]),
        "worker": Coded(row, [one or None for one in dealt.ids]),
        "device": Coded(row, [None if one is None else one.device.value for one in workers]),
        "model": Coded(row, [None if one is None else one.model or None for one in workers]),
        "stage": _named(rows["stage"], [stage.value for stage in STAGES]),
        "tier": _named(rows["tier"], [tier.value for tier in TIERS]),
        "first_token": np.ma.masked_array(rows["first_token"].astype(np.int64), uncounted),
        "tokens": np.ma.masked_array(rows["tokens"].astype(np.int64), uncounted),
        "gap_s": _gaps(dealt)[came],
        "stage_start_ns": np.ma.masked_array(rows["start_ns"] + source.offset_ns, untimed),
        "stage_duration_s": np.ma.masked_array(rows["duration_ns"] / 1e9, untimed),
        "whole_response": flags & WHOLE > 0,
        "probe": np.full(len(came), source.state.probing is not None),
        "emulated": np.full(len(came), source.emulated),
    }


def _gaps(dealt: Dealt) -> npt.NDArray[np.float64]:
    """Of each row of the chunk in seconds, masked where it has none."""
    found = np.zeros(len(dealt.at_ns))
    counted = np.ones(len(found), np.bool_)
    counted[dealt.chunk.without] = False
    found[counted] = dealt.chunk.gap_ns / 1e9
    return np.ma.masked_array(found, ~counted)


def _named(codes: npt.NDArray[np.uint8], names: list[str]) -> Column:
    """Codes of a vocabulary, whose first word is `unknown`, as are those that it does not have."""
    return Coded(np.where(codes < len(names), codes, 0).astype(np.int64), names)
