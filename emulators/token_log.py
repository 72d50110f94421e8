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
        self._kept: deque[tuple[Rows, Rows, list[tuple[int, int, str]]]] = deque()
        """Deliveries of an advance, their further stages, and the requests that were received in it: when, on which stream, who."""
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
        self._kept.append((rows, events.extras, received))
        self._rows += len(rows)
        while self._rows > self._max_rows:
            gone, _, begun = self._kept.popleft()
            self._rows -= len(gone)
            self._owners.update((stream, request) for _, stream, request in begun)
            if len(gone):
                self.from_ns = int(gone["time_ns"][-1]) + 1

    def tokens(self, workers: Sequence[str], request: str | None, after_ns: int) -> Row:
        """Columns of all kept deliveries after a time, of one request or of all; `workers`: ids by slot. `received_ns` is when its request was, null if that is too long ago; `beside`
        (if there are any) lists the stages beside the primary one."""
        none = Events()
        rows = np.concatenate([none.deliveries, *(rows for rows, _, _ in self._kept)])
        extras = np.concatenate([none.extras, *(extras for _, extras, _ in self._kept)])
        ends = rows["extra"].cumsum(dtype=np.int64)
        begun: dict[int, list[tuple[int, str]]] = {stream: [(-1, name)] for stream, name in self._owners.items()}
        for _, _, received in self._kept:
            for time_ns, stream, name in received:
                begun.setdefault(stream, []).append((time_ns, name))
        later = rows["time_ns"] > after_ns
        rows, ends = rows[later], ends[later]
        if request is not None:
            streams = [stream for stream, those in begun.items() if any(name == request for _, name in those)]
            those = np.isin(rows["stream"], streams)
            rows, ends = rows[those], ends[those]
        # A stream's number is given back at the last delivery at the earliest, and taken again before the first.
        owners = [
            begun[stream][bisect_left(begun[stream], (time_ns, "")) - 1]
            for stream, time_ns in zip(rows["stream"].tolist(), rows["time_ns"].tolist(), strict=True)
        ]
        if request is not None:
            own = [name == request for _, name in owners]
            rows, ends = rows[np.array(own, bool)], ends[np.array(own, bool)]
            owners = [owner for owner in owners if owner[1] == request]
        beside = [
            [_stage(extra, workers) for extra in extras[end - count : end]]
            for end, count in zip(ends.tolist(), rows["extra"].tolist(), strict=True)
        ]
        return {
            "request": [name for _, name in owners],
            "received_ns": [None if time_ns < 0 else time_ns for time_ns, _ in owners],
            **{name: rows[name].tolist() for name in ("first_token", "tokens", "time_ns", "start_ns", "duration_ns")},
            "worker": [workers[slot] for slot in rows["worker"].tolist()],
            "tier": [TIERS[code] for code in rows["tier"].tolist()],
            "stage": [STAGES[code] for code in rows["stage"].tolist()],
            **({"beside": beside} if len(extras) else {}),
        }


def _stage(extra: Rows, workers: Sequence[str]) -> Row:
    return {
        "worker": workers[int(extra["worker"])],
        "tier": TIERS[int(extra["tier"])],
        "stage": STAGES[int(extra["stage"])],
        "start_ns": int(extra["start_ns"]),
        "duration_ns": int(extra["duration_ns"]),
    }
