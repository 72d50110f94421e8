"""In which order the events of one advance are written, so that a reader never meets a request before it is received.

The stream's format asks that a request's `received` row stands before everything else that is said of it and its
`finished` row after all its deliveries, and that the number of a finished request's stream is given to another only in a
later message. Deliveries name requests by that number alone, so an advance in which a number is given again is cut in parts.
"""

from dataclasses import dataclass, replace

import numpy as np

from emulators.events import Events, Row


@dataclass(slots=True)
class Part:
    """What may be written as: `opened`, everything in `events` but its requests, `closed`."""

    opened: list[Row]
    events: Events
    closed: list[Row]


def in_order(events: Events, streams: dict[str, int]) -> list[Part]:
    """The parts of one advance, at least one.

    `streams` holds the stream number of each living request by id; it is brought up to date. The rows of
    `events.requests` and `events.deliveries` are in order of time, and a request's last delivery is not after its end.
    """
    parts = [Part([], replace(events, requests=[]), [])]
    part_of: dict[str, int] = {}
    given_back: set[int] = set()
    for row in events.requests:
        request = row["request"]
        if row["event"] == "finished":
            parts[-1].closed.append(row)
            given_back.add(streams.pop(request))
            continue
        if row["event"] == "received":
            if row["stream"] in given_back:
                parts.append(_cut(parts[-1], row["time_ns"]))
                given_back.clear()
            streams[request] = row["stream"]
            part_of[request] = len(parts) - 1
        parts[-1].opened.append(row)
    if len(parts) > 1:
        _distribute(events, parts, part_of)
    return parts


def _cut(part: Part, time_ns: int) -> Part:
    """Takes the deliveries after `time_ns` out of the part and gives them as a new one."""
    rows, extras = part.events.deliveries, part.events.extras
    at = int(np.searchsorted(rows["time_ns"], time_ns, side="right"))
    extras_at = int(rows["extra"][:at].sum(dtype=np.int64))
    rest = Events(deliveries=rows[at:], extras=extras[extras_at:])
    part.events = replace(part.events, deliveries=rows[:at], extras=extras[:extras_at])
    return Part([], rest, [])


def _distribute(events: Events, parts: list[Part], part_of: dict[str, int]) -> None:
    """Puts what names its request by id into the part in which that is received, which is never after the one of its end."""
    for part in parts:
        part.events.decisions, part.events.phases = [], []
    for row in events.decisions:
        parts[part_of.get(row["request"], 0)].events.decisions.append(row)
    for row in events.phases:
        parts[part_of.get(row["request"], 0)].events.phases.append(row)
