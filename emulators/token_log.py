"""The last deliveries, token by token, with the request that each was of: what `GET /truth/tokens` says. Bounded, and read out only when somebody asks."""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np

from emulators.events import STAGES, TIERS, Events, Row, Rows

MAX_ROWS: Final = 1 << 17
"""Deliveries that are kept: 5 MiB; half a minute of the default scenario."""


class TokenLog:
    """Remembers advances. `live`: `received` rows of the requests that are alive at the start."""

    def __init__(self, live: Sequence[Row], max_rows: int = MAX_ROWS) -> None:
        self._max_rows = max_rows
        self._owners = {row["stream"]: row["request"] for row in live}
        """Whose each stream was before the first advance that is kept."""
        self._kept: deque[tuple[Rows, list[tuple[int, int, str]]]] = deque()
        """Deliveries of an advance, and the requests that were received in it: when, on which stream, who."""
        self._rows = 0
        self.from_ns = 0
        """Everything from then on is kept."""
        self._until_ns = 0

    def hear(self, events: Events) -> None:
        """Everything that happened in one advance."""
        received = [(r["time_ns"], r["stream"], r["request"]) for r in events.requests if r["event"] == "received"]
        rows = events.deliveries
        if not len(rows) and not received:
            return
        self._kept.append((rows, received))
        self._rows += len(rows)
        while self._rows > self._max_rows:
            gone, begun = self._kept.popleft()
            self._rows -= len(gone)
            self._owners.update((stream, request) for _, stream, request in begun)
            if len(gone):
                self.from_ns = int(gone["time_ns"][-1]) + 1

    def tokens(self, workers: Sequence[str], request: str | None, after_ns: int) -> Row:
        """Columns of all kept deliveries after a time, of one request or of all; `workers`: ids by slot. `received_ns` is when its request was, null if that is too long ago."""
        rows = (
            np.concatenate([rows for rows, _ in self._kept]) if self._kept else np.empty(0, Events().deliveries.dtype)
        )
        begun: dict[int, list[tuple[int, str]]] = {stream: [(-1, name)] for stream, name in self._owners.items()}
        for _, received in self._kept:
            for time_ns, stream, name in received:
                begun.setdefault(stream, []).append((time_ns, name))
        rows = rows[rows["time_ns"] > after_ns]
        if request is not None:
            streams = [stream for stream, those in begun.items() if any(name == request for _, name in those)]
            rows = rows[np.isin(rows["stream"], streams)]
        # A stream's number is given back at the last delivery at the earliest, and taken again before the first.
        owners = [
            begun[stream][bisect_left(begun[stream], (time_ns, "")) - 1]
            for stream, time_ns in zip(rows["stream"].tolist(), rows["time_ns"].tolist(), strict=True)
        ]
        if request is not None:
            own = [name == request for _, name in owners]
            rows, owners = rows[np.array(own, bool)], [owner for owner in owners if owner[1] == request]
        return {
            "request": [name for _, name in owners],
            "received_ns": [None if time_ns < 0 else time_ns for time_ns, _ in owners],
            **{name: rows[name].tolist() for name in ("first_token", "tokens", "time_ns", "start_ns", "duration_ns")},
            "worker": [workers[slot] for slot in rows["worker"].tolist()],
            "tier": [TIERS[code] for code in rows["tier"].tolist()],
            "stage": [STAGES[code] for code in rows["stage"].tolist()],
        }
