"""What the tap tells, read back by the product's own decoder."""

from collectors.exchanges.book import MAX_WORKERS, UNKNOWN, Book
from collectors.model.batch import Deliveries, Finished, Inventory, Part, Received, Requests, Watermark
from collectors.wire.placement_json import JsonDecoder


def told(data: bytes, decoder: JsonDecoder | None = None) -> list[Part]:
    return (decoder or JsonDecoder()).feed(data)


def requests(parts: list[Part]) -> list[Received | Finished]:
    return [row for part in parts if isinstance(part, Requests) for row in part.rows if not hasattr(row, "worker")]


def deliver(book: Book, told_: object, time_ns: int, tokens: int = 1, worker: int = UNKNOWN) -> None:
    book.deliver(told_, time_ns, tokens=tokens, events=1, uncounted=0, worker=worker)  # type: ignore[arg-type]


def test_a_request_from_its_head_to_its_end() -> None:
    book, decoder = Book("clock"), JsonDecoder()
    assert book.quiet
    told(book.opening(0), decoder)
    one = book.receive("r-1", 10)
    assert one is not None
    slot = book.worker("7/0", "nvext", "m", "decode")
    deliver(book, one, 20, 2, slot)
    deliver(book, one, 30, 1, slot)
    book.finish(one, 40, "stop", 3)
    parts = told(book.take(50), decoder)
    inventory = next(part for part in parts if isinstance(part, Inventory))
    assert [(worker.id, worker.role, worker.model) for worker in inventory.workers] == [("7/0", "decode", "m")]
    assert inventory.measured
    assert not inventory.emulated
    assert requests(parts) == [Received(10, "r-1", one.stream), Finished(40, "r-1", "stop", 3)]
    rows = next(part for part in parts if isinstance(part, Deliveries)).rows
    assert rows[["first_token", "tokens", "time_ns", "worker"]].tolist() == [(0, 2, 20, slot), (2, 1, 30, slot)]
    assert parts[-1] == Watermark(50)
    assert book.quiet


def test_who_joins_late_is_told_who_is_alive_and_nothing_twice() -> None:
    book = Book("clock")
    gone, here = book.receive("gone", 1), book.receive("here", 2)
    assert gone
    assert here
    book.finish(gone, 3, "stop", None)
    book.take(4)
    decoder = JsonDecoder()
    assert requests(told(book.opening(4), decoder)) == [Received(2, "here", here.stream)]
    deliver(book, here, 5)
    assert [type(part) for part in told(book.take(6), decoder)] == [Deliveries, Watermark]


def test_ids_and_streams_are_unique_among_what_lives_and_come_back_only_after_a_take() -> None:
    book, decoder = Book("clock"), JsonDecoder()
    told(book.opening(0), decoder)
    first, second = book.receive("same", 1), book.receive("same", 1)
    assert first
    assert second
    assert first.received["request"] != second.received["request"]
    book.finish(first, 2, "stop", None)
    third = book.receive("same", 3)  # the first is still told of in this take
    assert third
    assert len({one.stream for one in (first, second, third)}) == 3
    assert len(requests(told(book.take(4), decoder))) == 4
    again = book.receive("same", 5)
    assert again
    assert again.received["request"] == "same"
    assert requests(told(book.take(6), decoder)) == [Received(5, "same", again.stream)]


def test_all_streams_taken_is_said_and_a_freed_one_is_given_again() -> None:
    book = Book("clock")
    taken = [book.receive("", 1) for _ in range(65_536)]
    assert book.receive("", 1) is None
    assert taken[9]
    book.finish(taken[9], 2, "stop", None)
    assert book.receive("", 3) is None
    book.take(4)
    again = book.receive("", 5)
    assert again
    assert again.stream == taken[9].stream


def test_more_workers_than_are_told_apart_are_of_nobody() -> None:
    book = Book("clock")
    slots = [book.worker(f"w{i}", "target") for i in range(MAX_WORKERS + 2)]
    assert slots[-2:] == [UNKNOWN, UNKNOWN]
    assert book.worker("w3", "target") == 3


def test_a_warning_is_in_every_handshake_from_then_on() -> None:
    book = Book("clock")
    book.warn("first")
    book.warn("second")
    book.warn("first")
    for data in (book.take(1), book.opening(2)):
        decoder = JsonDecoder()
        told(data, decoder)
        assert decoder.hello is not None
        assert decoder.hello.warning == "first; second"
