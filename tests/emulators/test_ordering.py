"""A reader that follows the format's rules, message by message, must never lose a delivery or give it to the wrong request."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.events import BLOCK, DELIVERY, EXTRA, OCCUPANCY, Events, Row
from emulators.ordering import Part, in_order


class Reader:
    """Maps stream numbers to requests as the format says, and counts the tokens of each request."""

    def __init__(self) -> None:
        self.streams: dict[int, str] = {}
        self.tokens: Counter[str] = Counter()
        self.finished: dict[str, int] = {}
        self.said: set[tuple[str, str]] = set()

    def part(self, part: Part) -> None:
        self._requests(part.opened)
        for row in [*part.events.decisions, *part.events.phases]:
            assert row["request"] in self.streams.values(), "said of a request that does not live"
            self.said.add((row["request"], row.get("phase", "decision")))
        extras = 0
        for row in part.events.deliveries:
            self.tokens[self.streams[int(row["stream"])]] += int(row["tokens"])
            for extra in part.events.extras[extras : extras + int(row["extra"])]:
                assert extra["duration_ns"] == row["duration_ns"], "an extra stage of another delivery"
            extras += int(row["extra"])
        assert extras == len(part.events.extras)
        self._requests(part.closed)

    def _requests(self, rows: list[Row]) -> None:
        # The whole message before any of its effects: a number is given again only in a later message.
        taken = {row["stream"] for row in rows if row["event"] == "received"}
        assert not taken & self.streams.keys()
        for row in rows:
            match row["event"]:
                case "received":
                    self.streams[row["stream"]] = row["request"]
                case "admitted":
                    assert row["request"] in self.streams.values()
                case "finished":
                    self.finished[row["request"]] = row["output_tokens"]
                    del self.streams[next(k for k, v in self.streams.items() if v == row["request"])]


@st.composite
def happenings(draw: st.DrawFn) -> Events:
    """Requests with 0 to 3 deliveries each on the few stream numbers that are free, lowest first: numbers come back at once."""
    free: list[int] = list(range(draw(st.integers(1, 4))))
    living: list[tuple[int, str, int, int]] = []  # end, id, stream, deliveries
    requests: list[Row] = []
    decisions: list[Row] = []
    phases: list[Row] = []
    deliveries: list[tuple[int, int, int]] = []  # time, stream, duration
    now, started = 0, 0

    def finish(before: int) -> None:
        for end, name, stream, count in sorted(living):
            if end <= before:
                requests.append({"event": "finished", "time_ns": end, "request": name, "output_tokens": count})
                phases.append({"request": name, "phase": "decode", "start_ns": end - 1, "duration_ns": 1})
                free.append(stream)
                living.remove((end, name, stream, count))

    for _ in range(draw(st.integers(0, 12))):
        now += draw(st.integers(0, 3))
        finish(now)
        if not free:
            continue
        free.sort()
        stream, name = free.pop(0), f"r-{started}"
        started += 1
        requests.append({"event": "received", "time_ns": now, "request": name, "stream": stream})
        requests.append({"event": "admitted", "time_ns": now, "request": name, "worker": 0})
        decisions.append({"time_ns": now, "request": name, "rule": "any"})
        times = [now + 1 + i for i in range(draw(st.integers(0, 3)))]
        deliveries += [(time, stream, started) for time in times]
        living.append((times[-1] if times else now + 1, name, stream, len(times)))
    finish(10**6)
    deliveries.sort(key=lambda row: row[0])
    rows, extras = np.zeros(len(deliveries), DELIVERY), []
    for row, (time, stream, duration) in zip(rows, deliveries, strict=True):
        row["time_ns"], row["stream"], row["duration_ns"], row["tokens"] = time, stream, duration, 1
        row["extra"] = duration % 3
        extras += [(0, duration, 0, 0, 0, 0)] * (duration % 3)
    return Events(
        deliveries=rows, extras=np.array(extras, EXTRA), requests=requests, decisions=decisions, phases=phases
    )


@given(happenings())
def test_a_reader_can_follow(events: Events) -> None:
    reader, streams = Reader(), dict[str, int]()
    for part in in_order(events, streams):
        reader.part(part)
    assert streams == {}
    assert {name: reader.tokens[name] for name in reader.finished} == reader.finished
    requests = {row["request"] for row in events.requests}
    assert reader.said == {(name, "decision") for name in requests} | {(name, "decode") for name in requests}


def test_without_a_number_given_again_there_is_one_part() -> None:
    events = Events(
        deliveries=np.zeros(3, DELIVERY),
        blocks=np.zeros(2, BLOCK),
        occupancy=np.zeros(1, OCCUPANCY),
        requests=[
            {"event": "received", "time_ns": 0, "request": "a", "stream": 0},
            {"event": "finished", "time_ns": 1, "request": "a"},
            {"event": "received", "time_ns": 2, "request": "b", "stream": 1},
        ],
    )
    streams = dict[str, int]()
    (part,) = in_order(events, streams)
    assert [row["request"] for row in part.opened] == ["a", "b"]
    assert [row["request"] for row in part.closed] == ["a"]
    assert (len(part.events.deliveries), len(part.events.blocks), len(part.events.occupancy)) == (3, 2, 1)
    assert streams == {"b": 1}


def test_a_request_received_earlier_gives_its_number_back() -> None:
    events = Events(
        deliveries=np.array([(5, 0, 0, 7, 0, 1, 0, 0, 0, 0, 0), (9, 0, 0, 7, 0, 1, 0, 0, 0, 0, 0)], DELIVERY),
        requests=[
            {"event": "finished", "time_ns": 5, "request": "old"},
            {"event": "received", "time_ns": 5, "request": "new", "stream": 7},
        ],
    )
    first, second = in_order(events, {"old": 7})
    assert first.events.deliveries["time_ns"].tolist() == [5]
    assert second.events.deliveries["time_ns"].tolist() == [9]
    assert [row["request"] for row in first.closed + second.opened] == ["old", "new"]


def test_the_end_of_a_request_that_was_never_received_is_an_error() -> None:
    with pytest.raises(KeyError):
        in_order(Events(requests=[{"event": "finished", "time_ns": 0, "request": "ghost"}]), {})
