"""Slices as a trace in Chrome's JSON form, which Perfetto reads: a process for each worker, in it tracks by kind, and arrows from a request's prefill over its transfer to its decode.

The form: "Trace Event Format" (Google, docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU). Times are microseconds since the beginning of the recording.
"""

import heapq
import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

import numpy as np

from collectors.export.slices import DELIVERIES, NOT_TOLD, STALL, Columns, Place, Slices
from collectors.model.vocabulary import Phase
from collectors.stats.sketch import Ints

KINDS: Final = (*(phase.value for phase in Phase), DELIVERIES, STALL)
"""In the order of the tracks of a worker."""
LANES: Final = 100_000
"""Numbers of tracks from one kind to the next."""
NOBODY: Final = "no worker named"
_JOINED: Final = frozenset({Phase.PREFILL.value, Phase.TRANSFER.value, Phase.DECODE.value, DELIVERIES})
_ENDS: Final = tuple(
    {"ph": end, "name": "request", "cat": "request", **more} for end, more in (("s", {}), ("f", {"bp": "e"}))
)

Event = dict[str, Any]


def chrome_file(file: BinaryIO, found: Slices, first_ns: int) -> tuple[int, int]:
    """How many slices, and how many arrows, it wrote."""
    columns = found.columns()
    kinds, places, requests = list(found.kinds), list(found.places), list(found.requests)
    tracks = lanes(columns, kinds)
    arrows = list(joined(columns, kinds))
    file.write(b'{"displayTimeUnit":"ms","traceEvents":[\n')
    file.write(_encoded(_meta("trace_name", 0, 0, name="tokenyard")))
    for event in _names(found, columns, tracks):
        file.write(b",\n" + _encoded(event))
    for row in zip(*(column.tolist() for column in columns), tracks.tolist(), strict=True):
        start_ns, duration_ns, place, kind, request, tokens, size, track = row
        about: Event = {"request": requests[request]}
        if tokens != NOT_TOLD:
            about["tokens"] = tokens
        if size != NOT_TOLD:
            about["bytes"] = size
        if kinds[kind] == STALL:
            about["causes"] = found.causes.get((request, start_ns), "")
        event = {
            "ph": "X",
            "name": kinds[kind],
            "cat": places[place].source,
            "pid": place + 1,
            "tid": track,
            "args": about,
        }
        file.write(b",\n" + _timed(event, start_ns - first_ns, duration_ns))
    for number, arrow in enumerate(arrows, 1):
        for end, at in zip(_ENDS, arrow, strict=True):
            event = {**end, "id": number, "pid": int(columns.place[at]) + 1, "tid": int(tracks[at])}
            file.write(b",\n" + _timed(event, int(columns.start_ns[at]) - first_ns, None))
    file.write(b"\n]}\n")
    return len(tracks), len(arrows)


def lanes(columns: Columns, kinds: Sequence[str]) -> Ints:
    """The track of each slice, numbered by kind: none overlaps with another on its own."""
    tracks = np.zeros(len(columns.place), np.int64)
    free: dict[tuple[int, int], tuple[list[int], list[tuple[int, int]]]] = {}
    ends = columns.start_ns + columns.duration_ns
    rows = zip(columns.place.tolist(), columns.kind.tolist(), columns.start_ns.tolist(), ends.tolist(), strict=True)
    for number, (place, kind, start_ns, end_ns) in enumerate(rows):
        unused, busy = free.setdefault((place, kind), ([], []))
        while busy and busy[0][0] <= start_ns:
            heapq.heappush(unused, heapq.heappop(busy)[1])
        lane = heapq.heappop(unused) if unused else len(busy)
        # One without any length has its track to itself for that moment.
        heapq.heappush(busy, (max(end_ns, start_ns + 1), lane))
        tracks[number] = KINDS.index(kinds[kind]) * LANES + lane
    return tracks


def joined(columns: Columns, kinds: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Rows from which and to which an arrow goes: what a request had of prefill, transfer and decode, from one to the next as they began."""
    wanted = np.array([kind in _JOINED for kind in kinds], np.bool_)
    rows = np.flatnonzero(wanted[columns.kind]) if len(kinds) else np.zeros(0, np.intp)
    rows = rows[np.lexsort((columns.start_ns[rows], columns.request[rows]))]
    for one, other in zip(rows[:-1].tolist(), rows[1:].tolist(), strict=True):
        if columns.request[one] == columns.request[other]:
            yield one, other


def _names(found: Slices, columns: Columns, tracks: Ints) -> Iterator[Event]:
    for place, number in found.places.items():
        yield _meta("process_name", number + 1, 0, name=_title(place, found))
        yield _meta("process_sort_index", number + 1, 0, sort_index=number)
    for place, track in sorted(set(zip(columns.place.tolist(), tracks.tolist(), strict=True))):
        kind, lane = divmod(track, LANES)
        yield _meta("thread_name", place + 1, track, name=KINDS[kind] if not lane else f"{KINDS[kind]} {lane + 1}")
        yield _meta("thread_sort_index", place + 1, track, sort_index=track)


def _title(place: Place, found: Slices) -> str:
    device = found.devices.get(place, "")
    parts = (place.worker or NOBODY, "" if device == "unknown" else device, place.source)
    return " · ".join([*filter(None, parts), *(["EMULATED"] if place.source in found.emulated else [])])


def _meta(what: str, pid: int, tid: int, **about: Any) -> Event:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": about}


def _encoded(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _timed(event: Event, at_ns: int, duration_ns: int | None) -> bytes:
    """Nanoseconds as microseconds to the last digit, which a float has not room for."""
    length = "" if duration_ns is None else f',"dur":{_micros(duration_ns)}'
    return _encoded(event)[:-1] + f',"ts":{_micros(at_ns)}{length}}}'.encode()


def _micros(ns: int) -> str:
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    return f"{sign}{ns // 1_000}.{ns % 1_000:03d}"
