"""Putting parts together changes neither what is said nor the order in which it may be said of a request."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.model.batch import Admitted, Deliveries, Finished, Inventory, Part, Received, Requests, Watermark
from collectors.wire.placement_binary import BinaryDecoder
from collectors.wire.placement_merge import Merger
from tests.wire.placement_encoder import frames
from tests.wire.placement_plain import plain
from tests.wire.placement_strategies import streams
from tests.wire.placement_vectors import BLOCKS, DECISIONS, DELIVERIES, EXTRAS, HELLO, OCCUPANCY, PHASES


def requests(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"type": "requests", "rows": list(rows)}


def received(name: str, stream: int) -> dict[str, Any]:
    return {"event": "received", "time_ns": 1, "request": name, "stream": stream}


def finished(name: str) -> dict[str, Any]:
    return {"event": "finished", "time_ns": 9, "request": name, "reason": "stop"}


def kinds(parts: tuple[Part, ...]) -> list[str]:
    return [type(part).__name__ for part in parts]


def by_request(parts: Sequence[Part]) -> dict[str, list[Any]]:
    """What is said of each request, in order: received, its deliveries with their extra stages, finished. Admissions apart, whose place is told by their times."""
    said: dict[str, list[Any]] = defaultdict(list)
    taker: dict[int, str] = {}
    for part in parts:
        if isinstance(part, Requests):
            for row in part.rows:
                said[f"{row.request} admitted" if isinstance(row, Admitted) else row.request].append(row)
                if isinstance(row, Received):
                    taker[row.stream] = row.request
        elif isinstance(part, Deliveries):
            extra = 0
            for delivery in part.rows:
                count = int(delivery["extra"])
                stages = part.extras[extra : extra + count].tolist()
                extra += count
                said[taker[int(delivery["stream"])]].append((delivery.tolist(), stages))
    return said


def lawful(parts: Sequence[Part], data: st.DataObject) -> list[Part]:
    """The parts with deliveries of living requests only, as the format has it."""
    living: dict[str, int] = {}
    kept: list[Part] = []
    for part in parts:
        if isinstance(part, Requests):
            for row in part.rows:
                if isinstance(row, Received):
                    living[row.request] = row.stream
                elif isinstance(row, Finished):
                    living.pop(row.request, None)
        if isinstance(part, Deliveries):
            if not living:
                continue
            rows = part.rows.copy()
            rows["stream"] = [data.draw(st.sampled_from(sorted(living.values()))) for _ in rows]
            kept.append(Deliveries(rows, part.extras))
        else:
            kept.append(part)
    return kept


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages=streams(), data=st.data())
def test_nothing_changes_for_any_request(messages: list[dict[str, Any]], data: st.DataObject) -> None:
    parts = lawful(BinaryDecoder().feed(frames(messages)), data)
    merger = Merger()
    cut = data.draw(st.integers(0, len(parts)))
    merged = merger.merge(parts[:cut]) + merger.merge(parts[cut:])
    assert by_request(merged) == by_request(parts)
    for kind in ("decisions", "phases", "blocks", "occupancy"):
        assert rows_of(merged, kind) == rows_of(parts, kind)
    assert inventories(merged) == inventories(parts)


def rows_of(parts: Sequence[Part], kind: str) -> list[Any]:
    rows: list[Any] = []
    for part in plain(parts):
        if isinstance(part, tuple) and part[0] == kind:
            rows += part[1]
        elif isinstance(part, dict) and part["type"] == kind:
            rows += part["rows"]
    return rows


def inventories(parts: Sequence[Part]) -> list[Inventory]:
    return [part for part in parts if isinstance(part, Inventory)]


def test_many_small_parts_become_one_of_each_kind() -> None:
    between = [requests(received("a", 1)), OCCUPANCY, BLOCKS, DECISIONS, PHASES, {"type": "watermark", "time_ns": 1}]
    messages = [HELLO]
    for i, message in enumerate([*between, requests(received("b", 2)), *between[1:]]):
        messages += [message, DELIVERIES if i % 2 else EXTRAS]
    messages += [requests(finished("a")), DELIVERIES, requests(received("c", 5)), {"type": "watermark", "time_ns": 7}]
    merged = Merger().merge(BinaryDecoder().feed(frames(messages)))
    assert kinds(merged) == [
        "Inventory",
        "Requests",
        "Decisions",
        "Phases",
        "Blocks",
        "Occupancy",
        "Deliveries",
        "Requests",
        "Watermark",
    ]
    assert merged[-1] == Watermark(7)
    deliveries = merged[6]
    assert isinstance(deliveries, Deliveries)
    assert not deliveries.rows.flags.writeable
    assert int(deliveries.rows["extra"].sum()) == len(deliveries.extras)


def test_two_takers_of_a_stream_stay_apart() -> None:
    first = [requests(received("a", 3)), DELIVERIES, requests(finished("a"))]
    second = [requests(received("b", 3)), DELIVERIES]
    parts = BinaryDecoder().feed(frames([HELLO, *first, *second]))
    assert kinds(Merger().merge(parts))[1:] == ["Requests", "Deliveries", "Requests", "Requests", "Deliveries"]


def test_the_taker_of_a_stream_is_remembered_between_batches() -> None:
    decoder, merger = BinaryDecoder(), Merger()
    merger.merge(decoder.feed(frames([HELLO, requests(received("a", 3))])))
    merged = merger.merge(
        decoder.feed(frames([DELIVERIES, requests(finished("a")), requests(received("b", 3)), DELIVERIES]))
    )
    assert kinds(merged) == ["Deliveries", "Requests", "Requests", "Deliveries"]


def test_an_inventory_is_not_passed() -> None:
    parts = BinaryDecoder().feed(frames([HELLO, DELIVERIES, HELLO, DELIVERIES]))
    assert kinds(Merger().merge(parts)) == ["Inventory", "Deliveries", "Inventory", "Deliveries"]


def test_what_is_said_of_a_request_after_its_end_stays_there() -> None:
    admitted = {"event": "admitted", "time_ns": 10, "request": "a", "worker": 0, "computed_tokens": 1}
    parts = BinaryDecoder().feed(
        frames([HELLO, requests(received("a", 1)), requests(finished("a")), requests(admitted)])
    )
    assert by_request(Merger().merge(parts)) == by_request(parts)
