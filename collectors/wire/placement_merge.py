"""Makes few large parts of many small ones without changing what they say. Pure but for remembering which stream a living request has.

What consumers do costs a fixed amount for each part, so the parts that came between two batches are put together, kind by kind.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from collectors.model.batch import (
    BLOCK,
    DELIVERY,
    EXTRA,
    OCCUPANCY,
    Admitted,
    Blocks,
    Decision,
    Decisions,
    Deliveries,
    Finished,
    Occupancy,
    Part,
    Phases,
    Received,
    Requests,
    Rows,
    Span,
    Watermark,
)


class Merger:
    """Puts the parts of one connection together, batch by batch."""

    def __init__(self) -> None:
        self._streams: dict[str, int] = {}

    def merge(self, parts: Iterable[Part]) -> tuple[Part, ...]:
        """The same rows in fewer parts: each kind in its own order; of a request, `received` still first and `finished` last; the last watermark at the end.

        Two requests that had the same stream number one after the other stay apart, and so does what stands before and after an inventory.
        """
        whole: list[Part] = []
        group = _Group()
        watermark: Watermark | None = None
        for part in parts:
            match part:
                case Deliveries():
                    group.rows.append(part.rows)
                    group.extras.append(part.extras)
                case Requests():
                    for row in part.rows:
                        if isinstance(row, Received):
                            if group.closes(row):
                                whole += group.parts()
                                group = _Group()
                            self._streams[row.request] = row.stream
                        if isinstance(row, Finished):
                            group.close(row, self._streams.pop(row.request, None))
                        else:
                            group.open(row)
                case Decisions():
                    group.decisions += part.rows
                case Phases():
                    group.spans += part.rows
                case Blocks():
                    group.blocks.append(part.rows)
                case Occupancy():
                    group.occupancy.append(part.rows)
                case Watermark():
                    missed = part.missed + (watermark.missed if watermark else 0)
                    watermark = Watermark(part.time_ns, missed) if missed else part
                case _:
                    whole += group.parts()
                    whole.append(part)
                    group = _Group()
        whole += group.parts()
        return (*whole, watermark) if watermark else tuple(whole)


class _Group:
    """Rows that may be put together, by kind."""

    def __init__(self) -> None:
        self.opened: list[Received | Admitted | Finished] = []
        self.closed: list[Received | Admitted | Finished] = []
        self.decisions: list[Decision] = []
        self.spans: list[Span] = []
        self.rows: list[Rows] = []
        self.extras: list[Rows] = []
        self.blocks: list[Rows] = []
        self.occupancy: list[Rows] = []
        self._closed_streams: set[int] = set()
        self._closed_requests: set[str] = set()

    def close(self, row: Finished, stream: int | None) -> None:
        self.closed.append(row)
        self._closed_requests.add(row.request)
        if stream is not None:
            self._closed_streams.add(stream)

    def open(self, row: Received | Admitted) -> None:
        """What is said of a request after its end, against the format, stays after it."""
        (self.closed if row.request in self._closed_requests else self.opened).append(row)

    def closes(self, row: Received) -> bool:
        """Does the request take the stream or the id of one that finished in this group?"""
        return row.stream in self._closed_streams or row.request in self._closed_requests

    def parts(self) -> list[Part]:
        made: list[Part] = []
        if self.opened:
            made.append(Requests(tuple(self.opened)))
        if self.decisions:
            made.append(Decisions(tuple(self.decisions)))
        if self.spans:
            made.append(Phases(tuple(self.spans)))
        if self.blocks:
            made.append(Blocks(_joined(self.blocks, BLOCK)))
        if self.occupancy:
            made.append(Occupancy(_joined(self.occupancy, OCCUPANCY)))
        if self.rows:
            made.append(Deliveries(_joined(self.rows, DELIVERY), _joined(self.extras, EXTRA)))
        if self.closed:
            made.append(Requests(tuple(self.closed)))
        return made


def _joined(arrays: list[Rows], dtype: np.dtype[Any]) -> Rows:
    """One read-only array; numpy's own concatenation copies records field by field."""
    return arrays[0] if len(arrays) == 1 else np.frombuffer(b"".join(array.data for array in arrays), dtype)
