"""Single deliveries as they are kept for whoever asks about one: the columns of a chunk, sorted by stream, with how late each was. No object per token."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from collectors.model.batch import Rows
from collectors.stats.medians import GapMedians
from collectors.stats.pieces import Pieces
from collectors.stats.sketch import Index, Ints
from collectors.stats.stalls import JUDGED, LATE, STALL
from collectors.stats.streams import Chunk, StreamTable

Bytes = npt.NDArray[np.uint8]
Shorts = npt.NDArray[np.uint16]
Words = npt.NDArray[np.uint32]
Lengths = npt.NDArray[np.float32]
STAGE_SHIFT: Final = 8
"""A `kind` is a tier's code, and above these bits a stage's."""
NOBODY: Final = 0
"""Serial of deliveries whose request was never told of."""
_OBJECTS: Final = 2_000
"""Bytes that a chunk's arrays take beside what is in them, about."""


@dataclass(frozen=True, slots=True, eq=False)
class Extras:
    """Further stages, in the order of their deliveries: of the row at `owner`."""

    owner: Words
    row: Shorts
    kind: Shorts
    lead_ns: Lengths
    duration_ns: Lengths


@dataclass(frozen=True, slots=True, eq=False)
class KeptRows:
    """Deliveries of one source that were dealt with together. Runs of one request begin at `begin`; times are the emitter's, session time is that plus
    `offset_ns`, at most `limit_ns`. `lead_ns` is from a stage's start to the delivery, NaN where the stage's span is not known (as `duration_ns` is).

    `late`: as in frame.RiverRow, against a median of the gaps that the request had before (`GapMedians.lately`); stalls are exact. `ids` names the workers' rows.
    """

    ids: Sequence[str]
    offset_ns: int
    limit_ns: int
    begin: Index
    serial: Words
    time_ns: Ints
    first: Words
    tokens: Shorts
    row: Shorts
    kind: Shorts
    late: Bytes
    lead_ns: Lengths
    duration_ns: Lengths
    flags: Bytes | None
    extras: Extras | None

    @property
    def nbytes(self) -> int:
        columns = [getattr(self, one.name) for one in fields(self)]
        if self.extras is not None:
            columns += [getattr(self.extras, one.name) for one in fields(self.extras)]
        return sum(column.nbytes for column in columns if isinstance(column, np.ndarray)) + _OBJECTS

    @property
    def lengths(self) -> Index:
        """Deliveries of each run."""
        found: Index = np.diff(self.begin, append=len(self.time_ns))
        return found

    def at_ns(self) -> Ints:
        """Session time of each delivery."""
        return np.minimum(self.time_ns + self.offset_ns, self.limit_ns)


def lateness(chunk: Chunk, medians: GapMedians, stalls: Index) -> Bytes:
    """Of each row of the chunk, whose gaps are not in `medians` yet; `stalls` are the positions of those that are."""
    late = np.zeros(len(chunk.time_ns), np.uint8)
    median_ns = medians.lately(chunk)
    steps = np.repeat((median_ns == median_ns).astype(np.uint8) * np.uint8(JUDGED), chunk.gaps)
    for multiple in LATE:
        steps += chunk.gap_ns >= np.repeat(multiple * median_ns, chunk.gaps)
    if len(chunk.without):
        has_gap = np.ones(len(late), np.bool_)
        has_gap[chunk.without] = False
        late[has_gap] = steps
    else:
        late = steps
    late[stalls] = STALL
    return late


def kept_rows(
    chunk: Chunk,
    pieces: Pieces,
    table: StreamTable,
    late: Bytes,
    ids: Sequence[str],
    offset_ns: int,
    limit_ns: int,
    extras: Rows,
    row_of_worker: Index,
) -> KeptRows:
    rows = chunk.rows
    lead_ns, duration_ns = _span(chunk.time_ns, rows)
    serial = np.maximum(table.serial[chunk.stream], NOBODY)
    # A run that does not begin with its request's first token may be the rest of another one's: it has the stream's number all the same, which was taken from nobody.
    return KeptRows(
        ids=ids,
        offset_ns=offset_ns,
        limit_ns=limit_ns,
        begin=chunk.begin,
        serial=serial.astype(np.uint32),
        time_ns=chunk.time_ns,
        first=rows["first_token"].copy(),
        tokens=chunk.tokens.astype(np.uint16),
        row=np.repeat(pieces.row.astype(np.uint16), pieces.deliveries),
        kind=(chunk.place >> np.uint32(16)).astype(np.uint16),
        late=late,
        lead_ns=lead_ns,
        duration_ns=duration_ns,
        flags=None if chunk.flags is None else chunk.flags.astype(np.uint8),
        extras=_extras(chunk, extras, row_of_worker) if len(extras) else None,
    )


def _span(time_ns: Ints, rows: Rows) -> tuple[Lengths, Lengths]:
    known = rows["duration_ns"] > 0
    lead, length = time_ns - rows["start_ns"], rows["duration_ns"]
    if known.all():
        return lead.astype(np.float32), length.astype(np.float32)
    nothing = np.float32(np.nan)
    return (
        np.where(known, lead.astype(np.float32), nothing),
        np.where(known, length.astype(np.float32), nothing),
    )


def _extras(chunk: Chunk, extras: Rows, row_of_worker: Index) -> Extras:
    """`extras` are in the order in which the rows came; sorted, they follow their rows."""
    number = chunk.rows["extra"].astype(np.int64)
    owner = np.arange(len(number)).repeat(number)
    came = np.empty(len(number), np.int64)
    came[chunk.order] = number
    # Those of a row begin after those of all rows that came before it.
    begin = (came.cumsum() - came)[chunk.order]
    of_row = np.arange(len(owner)) - (number.cumsum() - number)[owner]
    extras = extras.take(begin[owner] + of_row)
    lead_ns, duration_ns = _span(chunk.time_ns[owner], extras)
    return Extras(
        owner=owner.astype(np.uint32),
        row=row_of_worker.take(extras["worker"]).astype(np.uint16),
        kind=(extras["tier"] | (extras["stage"].astype(np.uint16) << np.uint16(STAGE_SHIFT))).astype(np.uint16),
        lead_ns=lead_ns,
        duration_ns=duration_ns,
    )
