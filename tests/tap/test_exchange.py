"""What is told of one response, with times that the test states: counts, workers, ends, and jitter at an LPU's pace."""

import json
from pathlib import Path

import msgspec
import pytest

from collectors.exchanges.book import ONE_CHOICE, UNCOUNTED, Book
from collectors.exchanges.exchange import Exchange
from collectors.exchanges.meters import Meters
from collectors.model.batch import Batch, Deliveries, Finished, Inventory, Part, Requests, Status
from collectors.model.frame import Frame
from collectors.model.vocabulary import Provenance, State, TargetStatus
from collectors.session.session import Session
from collectors.wire.placement_json import JsonDecoder

FIXTURES = Path(__file__).parents[1] / "fixtures"
MS = 1_000_000
S = 1_000_000_000
STREAM = {"content-type": "text/event-stream; charset=utf-8"}
TOKEN = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def counted(so_far: int) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": "x"}}], "usage": {"completion_tokens": so_far}}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


class Rig:
    """One request, received at 1 ms, with everything that is told of it."""

    def __init__(self, headers: dict[str, str] | None = None, status: int = 200) -> None:
        self.book, self.meters = Book("clock"), Meters()
        self.decoder = JsonDecoder()
        self.parts: list[Part] = self.decoder.feed(self.book.opening(0))
        self.exchange = Exchange(self.book, self.meters, name="r", target="h:1", time_ns=MS)
        self.exchange.answered(status, STREAM if headers is None else headers)

    def read(self, time_ns: int, data: bytes) -> None:
        self.exchange.came(time_ns, data)
        self.exchange.look()

    def end(self, time_ns: int = 2**50, outcome: str = "whole") -> Finished:
        self.exchange.end(time_ns, outcome)
        self.parts += self.decoder.feed(self.book.take(time_ns))
        (row,) = [
            row for part in self.parts if isinstance(part, Requests) for row in part.rows if isinstance(row, Finished)
        ]
        return row

    @property
    def rows(self) -> list[tuple[int, int, int, int]]:
        """(first token, tokens, ms, worker's slot)"""
        told = [part.rows for part in self.parts if isinstance(part, Deliveries)]
        return [
            (first, n, time_ns // MS, w)
            for rows in told
            for first, n, time_ns, w in rows[["first_token", "tokens", "time_ns", "worker"]].tolist()
        ]

    @property
    def workers(self) -> list[tuple[str, str, str]]:
        inventory = [part for part in self.parts if isinstance(part, Inventory)][-1]
        return [(worker.id, worker.role, worker.model) for worker in inventory.workers]

    def value(self, name: str, **labels: str) -> float | None:
        return self.meters.registry.get_sample_value(f"tokenyard_tap_{name}", labels)

    @property
    def warning(self) -> str | None:
        assert self.decoder.hello is not None
        return self.decoder.hello.warning


def test_a_vllm_stream_is_counted_token_by_token() -> None:
    rig = Rig()
    for number, event in enumerate((FIXTURES / "vllm/chat_stream.sse").read_bytes().split(b"\n\n")):
        rig.read((10 + number) * MS, event + b"\n\n")
    assert rig.end() == Finished(2**50, "r", "length", 12, ("chatcmpl-fixture-1",))
    assert rig.rows == [(i, 1, 11 + i, 0) for i in range(12)]
    assert rig.workers == [("h:1", "unknown", "tiny")]
    assert rig.warning is None
    assert rig.value("ttft_seconds_sum", worker="h:1") == pytest.approx(0.010)
    assert rig.value("gap_seconds_count", worker="h:1") == 11


def test_dynamo_names_the_workers_and_what_is_not_counted_is_warned_of() -> None:
    rig = Rig()
    rig.read(5 * MS, (FIXTURES / "dynamo/chat_stream_disagg.sse").read_bytes())
    assert rig.end().output_tokens == 12
    assert rig.workers == [("17325804865820210879/0", "prefill", "tiny"), ("10877841985536116478/0", "decode", "tiny")]
    assert rig.rows == [(0, 12, 5, 1)]
    assert rig.warning == UNCOUNTED
    assert rig.value("coalesced_deliveries_total", worker="10877841985536116478/0") == 1
    assert rig.value("tokens_total", worker="10877841985536116478/0") == 0


def test_events_of_one_read_are_one_delivery_with_the_tokens_of_all() -> None:
    rig = Rig()
    rig.read(5 * MS, counted(1) + counted(3)[:20])
    rig.read(6 * MS, counted(3)[20:] + counted(4))
    rig.end()
    assert rig.rows == [(0, 1, 5, 0), (1, 3, 6, 0)]
    assert rig.value("tokens_total", worker="h:1") == 4


@pytest.mark.parametrize(
    ("headers", "worker"),
    [
        ({"x-inference-pod": "pod-7"}, "pod-7"),
        ({"x-gateway-destination-endpoint": "10.0.0.7:8000"}, "10.0.0.7:8000"),
        ({"x-inference-pod": "\x1b[31mred"}, "red"),
        ({}, "h:1"),
    ],
)
def test_headers_name_the_worker_else_the_target(headers: dict[str, str], worker: str) -> None:
    rig = Rig({**STREAM, **headers})
    rig.read(MS, TOKEN)
    rig.end()
    assert [name for name, _, _ in rig.workers] == [worker]


@pytest.mark.parametrize(
    ("reads", "outcome", "reason"),
    [
        ([TOKEN, END], "whole", "stop"),
        ([TOKEN, END.replace(b'"stop"', b'"length"')], "whole", "length"),
        ([TOKEN, b'data: {"error":{"message":"oom"}}\n\n'], "whole", "error"),
        ([TOKEN], "whole", "error"),
        ([TOKEN, END, b"data: {"], "whole", "error"),
        ([TOKEN], "abort", "abort"),
        ([TOKEN], "error", "error"),
        ([b": keep-alive\n\n"], "abort", "abort"),
    ],
)
def test_how_it_ended(reads: list[bytes], outcome: str, reason: str) -> None:
    rig = Rig()
    for data in reads:
        rig.read(2 * MS, data)
    assert rig.end(9 * MS, outcome).reason == reason
    assert rig.value("requests_total", outcome=reason) == 1
    assert rig.value("requests_in_flight") == 0


def test_an_error_status_is_an_error() -> None:
    assert Rig(status=500).end().reason == "error"


def test_a_wrong_content_type_does_not_hide_events() -> None:
    rig = Rig({"content-type": "application/json"})
    rig.read(3 * MS, TOKEN + END)
    assert (rig.end().reason, rig.rows) == ("stop", [(0, 1, 3, 0)])


def test_what_is_compressed_is_not_looked_at_and_counted() -> None:
    rig = Rig({**STREAM, "content-encoding": "gzip"})
    rig.read(3 * MS, TOKEN)
    assert (rig.end().output_tokens, rig.rows) == (None, [])
    assert rig.value("unmeasured_requests_total", why="compressed") == 1


def test_a_second_choice_is_no_part_of_the_firsts_gaps() -> None:
    rig = Rig()
    for ms in (3, 5, 7):
        rig.read(ms * MS, TOKEN)
        rig.read((ms + 1) * MS, TOKEN.replace(b'"index":0', b'"index":1'))
    rig.end()
    assert [ms for _, _, ms, _ in rig.rows] == [3, 5, 7]
    assert rig.warning == f"{UNCOUNTED}; {ONE_CHOICE}"
    assert rig.value("gap_seconds_sum", worker="h:1") == pytest.approx(0.008)


def frame_of(times_ns: list[int]) -> Frame:
    """What the dashboard knows of a stream with a token at each of these times."""
    rig = Rig()
    session = Session("virtual")
    parts: list[Part] = [Status("u", "tokenyard-tap", TargetStatus.UP), *rig.parts]
    for number, time_ns in enumerate(times_ns):
        rig.read(time_ns, counted(number + 1))
        if number % 50 == 49 or number == len(times_ns) - 1:
            parts += rig.decoder.feed(rig.book.take(time_ns + 1))
            session.feed(Batch("tap", time_ns + 1, tuple(parts)))
            parts = []
    return session.tick(-(-times_ns[-1] // (S // 4)) * (S // 4))


def test_jitter_at_an_lpus_pace_is_seen_to_the_last_stall() -> None:
    """Gaps of 1.0 ms and one of 8 ms in every 500: no histogram whose buckets begin at 10 ms shows either."""
    times_ns, now_ns = [], 10 * MS
    for number in range(3_000):
        now_ns += 8 * MS if number % 500 == 499 else MS
        times_ns.append(now_ns)
    frame = frame_of(times_ns)
    (worker,) = frame.workers
    assert worker.gap.n == 2_999
    assert worker.gap.p50.provenance is Provenance.MEASURED
    assert worker.gap.p50.value == pytest.approx(0.001, abs=0.00005)
    assert [stall.gap_s.value for stall in frame.stalls] == pytest.approx([0.008] * 6)
    assert [stall.median_s.value for stall in frame.stalls] == pytest.approx([0.001] * 6, abs=0.00005)


def told_to_a_dashboard(rig: Rig, time_ns: int) -> Frame:
    session = Session("virtual")
    session.feed(Batch("tap", time_ns, (Status("u", "tokenyard-tap", TargetStatus.UP), *rig.parts)))
    return session.tick(-(-time_ns // (S // 4)) * (S // 4))


def test_tokens_that_nobody_counts_are_no_rate_but_their_gaps_are_known() -> None:
    rig = Rig()
    for ms in range(10, 60):
        rig.read(ms * MS, TOKEN)
    rig.read(60 * MS, END)
    rig.end(61 * MS)
    frame = told_to_a_dashboard(rig, 62 * MS)
    (worker,), (placement,) = frame.workers, frame.placements
    assert worker.gap.n == 49
    assert worker.gap.p50.value == pytest.approx(0.001, rel=0.01)
    assert frame.ttft.n == 1
    for figure in (worker.tokens_per_s, worker.tokens_per_delivery, frame.tokens_per_s, placement.tokens):
        assert (figure.value, figure.provenance) == (None, None)
    assert worker.tpot.n == 0


def test_beside_counted_ones_they_make_a_lower_bound_and_usage_at_the_end_is_a_tpot() -> None:
    rig = Rig()
    for ms in range(10, 40):
        rig.read(ms * MS, counted(ms - 9))
    for ms in range(40, 60):
        rig.read(ms * MS, TOKEN)
    usage = b'data: {"choices":[],"usage":{"completion_tokens":99}}\n\n'
    rig.read(60 * MS, END.partition(b"data: [")[0] + usage + b"data: [DONE]\n\n")
    rig.end(61 * MS)
    frame = told_to_a_dashboard(rig, 62 * MS)
    (worker,), (placement,) = frame.workers, frame.placements
    assert (placement.tokens.value, placement.tokens.at_least) == (30, True)
    assert (worker.tokens_per_s.n, worker.tokens_per_s.at_least, frame.tokens_per_s.at_least) == (30, True, True)
    assert worker.tokens_per_delivery.value == 1
    assert worker.tpot.n == 1
    assert worker.tpot.p50.state is not State.ABSENT
    assert worker.tpot.max.value == pytest.approx(0.049 / 98, rel=0.01)


@pytest.mark.parametrize("cut", [1, 30, 100])
def test_a_whole_answer_is_one_delivery_of_the_tokens_that_it_counts_and_no_first_token(cut: int) -> None:
    body = json.dumps(
        {
            "model": "m",
            "choices": [{"message": {"content": "all"}, "finish_reason": "length"}],
            "usage": {"completion_tokens": 64},
        }
    )
    rig = Rig({"content-type": "application/json"})
    rig.read(20 * MS, body[:cut].encode())
    rig.read(30 * MS, body[cut:].encode())
    assert rig.end(31 * MS) == Finished(31 * MS, "r", "length", 64)
    assert rig.rows == [(0, 64, 31, 0)]
    frame = told_to_a_dashboard(rig, 32 * MS)
    (worker,), (placement,) = frame.workers, frame.placements
    assert (worker.model, placement.tokens.value, placement.tokens.at_least) == ("m", 64, msgspec.UNSET)
    assert (frame.ttft.n, worker.gap.n, worker.tpot.n) == (0, 0, 0)
    assert worker.tokens_per_delivery.value is None
    assert rig.value("tokens_total", worker="h:1") == 64
    assert rig.value("ttft_seconds_count", worker="h:1") == 0


@pytest.mark.parametrize(
    ("body", "reason", "rows"),
    [
        (b'{"choices":[{"message":{"content":"all"}}]}', "stop", [(0, 1, 3, 0)]),
        (b'{"output":[],"usage":{"input_tokens":5,"output_tokens":7}}', "stop", [(0, 7, 3, 0)]),
        (b'{"choices":[],"usage":{"completion_tokens":0}}', "stop", []),
        (b'{"error":{"message":"no"}}', "error", []),
        (b'{"cut', "stop", []),
        (b'{"choices":[],"usage":{"completion_tokens":7},"x":"' + b"x" * (1 << 20) + b'"}', "stop", []),
    ],
)
def test_whole_answers_that_say_less(body: bytes, reason: str, rows: list[tuple[int, ...]]) -> None:
    rig = Rig({"content-type": "application/json"})
    rig.read(2 * MS, body)
    assert rig.end(3 * MS).reason == reason
    assert rig.rows == rows
    uncounted = b"usage" not in body and b"choices" in body
    assert rig.warning == (UNCOUNTED if uncounted else None)


def test_of_who_says_that_it_is_emulated_everything_is() -> None:
    plain = Rig()
    plain.read(10 * MS, TOKEN + END)
    plain.end()
    emulated = Rig(headers={**STREAM, "x-emulated": "tokenyard-emulator"})
    emulated.read(10 * MS, TOKEN + END)
    emulated.end()
    for rig, said in ((plain, False), (emulated, True)):
        first = next(place for place, part in enumerate(rig.parts) if isinstance(part, Deliveries))
        inventories = [part for part in rig.parts[:first] if isinstance(part, Inventory)]
        assert inventories[-1].emulated is said
        assert rig.value("emulated") == int(said)
