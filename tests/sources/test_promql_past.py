"""What a Prometheus server had stored before we looked: summaries, marked as such, with nothing invented."""

import json
import math
from pathlib import Path

import jsonschema
import pytest

from collectors.model.batch import Past
from collectors.model.frame import BackfillRow, Frame
from collectors.model.snapshot import snapshot
from collectors.model.timeline import unmarked
from collectors.model.vocabulary import State
from collectors.recording.codec import compress, pack, unpack
from collectors.session.session import Session
from tests.sources.promql_double import Double
from tests.sources.seen import Seen
from tests.sources.test_promql import SECOND_NS, frame_of, seen_through
from tui.widgets.timeline import level_text

BOUNDS = ("0.01", "0.02", "0.05", "0.5", "+Inf")
START_S = 100


def page(tokens: int, gaps: tuple[int, ...]) -> bytes:
    """Cumulative counts of gaps by BOUNDS."""
    lines = [
        "# TYPE vllm:generation_tokens_total counter",
        f'vllm:generation_tokens_total{{engine="0"}} {tokens}',
        "# TYPE vllm:inter_token_latency_seconds histogram",
        *(
            f'vllm:inter_token_latency_seconds_bucket{{engine="0",le="{bound}"}} {count}'
            for bound, count in zip(BOUNDS, gaps, strict=True)
        ),
        f'vllm:inter_token_latency_seconds_count{{engine="0"}} {gaps[-1]}',
    ]
    return "\n".join(lines).encode() + b"\n"


def steady(double: Double, instance: str, *, rate: int = 10, scrapes: int = 60, slow: range = range(0)) -> None:
    """A scrape each 15 s up to a second ago: `rate` tokens a second; all gaps in (10, 20] ms, in `slow` scrapes 5 % of them in (50, 500] ms."""
    tokens, late = 0, 0
    for number in range(scrapes):
        new = rate * 15 if number else 0
        tokens += new
        late += new // 20 if number in slow else 0
        gaps = (0, tokens - late, tokens - late, tokens, tokens)
        double.scraped(page(1_000_000 + tokens, gaps), double.now_s - 1 - 15 * (scrapes - 1 - number), instance)


async def backfilled(double: Double) -> tuple[Seen, Frame]:
    seen = await seen_through(double, START_S)
    return seen, frame_of(seen, START_S)


def bounds(row: BackfillRow) -> list[float | None]:
    return [row.p99_minus_p50.low, row.p99_minus_p50.high]


def at(frame: Frame, second: float) -> BackfillRow:
    return next(row for row in frame.backfill if row.at - row.seconds < second <= row.at)


async def test_the_time_before_is_told_in_summaries_of_half_a_minute() -> None:
    double = Double()
    steady(double, "a:1", slow=range(20, 24))
    steady(double, "b:1", rate=20)
    seen, frame = await backfilled(double)
    assert 26 <= len(frame.backfill) <= 30
    assert frame.backfill[0].at <= -750
    for row in frame.backfill:
        assert (row.seconds, row.workers) == (30, 2)
        assert row.tokens_per_s.value == pytest.approx(30)
    calm = at(frame, 30)
    assert bounds(calm) == pytest.approx([0.0, 0.01])
    slow = at(frame, START_S - 1 - 15 * 37)
    assert (slow.worst, slow.p99_minus_p50.n) == ("a:1/0", 300)
    assert bounds(slow) == pytest.approx([0.03, 0.49])
    assert len(seen.parts(Past)) == 2


async def test_it_is_marked_on_the_timeline_and_in_the_snapshot_and_in_no_other_figure() -> None:
    double = Double()
    steady(double, "a:1", slow=range(20, 24))
    seen, frame = await backfilled(double)
    without = Session("virtual")
    for batch in seen.batches:
        if not any(isinstance(part, Past) for part in batch.parts):
            without.feed(batch)
    other = without.tick(START_S * SECOND_NS)
    assert other.backfill == ()
    watched = other.timeline.rstrip(b"\0")  # by the samples of the first answer
    assert set(watched) <= set(range(17, 31))
    assert 40 <= len(watched) <= 75
    stored = frame.timeline.removesuffix(other.timeline)
    assert len(stored) > 700
    assert set(stored) - {0} <= set(range(33, 47))
    assert len(set(stored) - {0}) == 2
    assert {level_text(level)[0] for level in set(frame.timeline) - {0}}.isdisjoint("▁▂▃▄▅▆▇█")
    told, plain = snapshot(frame), snapshot(other)
    assert len(told["backfill"]) == len(frame.backfill)
    for name in plain:
        if name != "backfill":
            assert told[name] == plain[name], name


@pytest.mark.parametrize("ago", [20, 2])
async def test_a_restart_is_marked_whether_it_was_stored_or_watched(ago: int) -> None:
    double = Double()
    times = [double.now_s - 1 - 15 * (39 - number) for number in range(40)]
    for number, time_s in enumerate(times):
        tokens = 150 * (number if number < 40 - ago else number - (40 - ago))
        double.scraped(page(tokens, (0, tokens, tokens, tokens, tokens)), time_s, "a:1")
    _, frame = await backfilled(double)
    began = START_S - len(frame.timeline)
    marks = [began + second for second, byte in enumerate(frame.timeline) if unmarked(byte)[1]]
    seen = START_S - 1 - 15 * (ago - 1)
    assert len(marks) == 1
    assert seen - 1 <= marks[0] <= seen + 30  # stored samples are looked at every 30 s
    (target,) = (row for row in frame.targets if row.name.startswith("a:1"))
    assert target.resets == (1 if ago == 2 else 0)  # of the session


async def test_a_restart_in_the_range_and_one_that_appears_are_no_bursts() -> None:
    double = Double()
    for number in range(40):
        tokens = 150 * number if number < 20 else 150 * (number - 20)
        gaps = (0, tokens, tokens, tokens, tokens)
        double.scraped(page(tokens, gaps), double.now_s - 1 - 15 * (39 - number), "a:1")
        if number >= 10:
            double.scraped(page(10**9 + 300 * number, gaps), double.now_s - 1 - 15 * (39 - number), "b:1")
    _, frame = await backfilled(double)
    rates = [row.tokens_per_s.value for row in frame.backfill]
    assert all(rate is not None and rate <= 30 + 1e-6 for rate in rates)
    assert {row.workers for row in frame.backfill} == {1, 2}
    assert min(rate for rate in rates if rate) >= 5 - 1e-6


async def test_where_the_server_had_no_samples_nothing_is_said() -> None:
    double = Double()
    for number in [*range(20), *range(50, 60)]:
        gaps = (0, 150 * number, 150 * number, 150 * number, 150 * number)
        double.scraped(page(150 * number, gaps), double.now_s - 1 - 15 * (59 - number), "a:1")
    _, frame = await backfilled(double)
    hole = START_S - 1 - 15 * 25
    assert not any(row.at - row.seconds < hole <= row.at for row in frame.backfill)
    assert all(row.tokens_per_s.value == pytest.approx(10) for row in frame.backfill)
    assert frame.timeline[round(hole) - START_S] == 0


async def test_native_histograms_are_summed_up_too() -> None:
    double = Double()
    for number in range(60):
        tokens, time_s = 150 * number, double.now_s - 1 - 15 * (59 - number)
        target = {"instance": "a:1", "job": "llm"}
        double.scraped(
            b'# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total{engine="0"} %d\n' % tokens,
            time_s,
            "a:1",
        )
        value = {
            "count": str(tokens),
            "sum": "1",
            "buckets": [[0, "0.01", "0.02", str(tokens - number)], [0, "0.25", "0.5", str(number)]],
        }
        double.add({"__name__": "vllm:inter_token_latency_seconds", "engine": "0", **target}, time_s, value)
    _, frame = await backfilled(double)
    row = at(frame, 30)
    assert row.tokens_per_s.value == pytest.approx(10)
    assert bounds(row) == pytest.approx([0.0, 0.01])
    assert row.p99_minus_p50.n in (150, 300)


async def test_too_few_gaps_tell_no_spread_and_a_server_that_cannot_is_a_warning() -> None:
    double = Double()
    steady(double, "a:1", rate=1)
    _, frame = await backfilled(double)
    assert {row.p99_minus_p50.state for row in frame.backfill} == {State.ABSENT}
    assert all(row.tokens_per_s.value == pytest.approx(1) for row in frame.backfill)
    double.broken["timestamp("] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    seen = await seen_through(double, START_S, START_S + 5)
    assert not seen.parts(Past)
    assert "nothing of the time before" in frame_of(seen, START_S + 5).targets[0].reason


async def test_a_recording_holds_it() -> None:
    double = Double()
    steady(double, "a:1")
    seen, frame = await backfilled(double)
    replayed = Session("virtual")
    for item in unpack(compress(pack(seen.batches))):
        replayed.feed(item)  # type: ignore[arg-type]
    assert replayed.tick(START_S * SECOND_NS) == frame
    assert not any(math.isnan(row.tokens_per_s.value or 0) for row in frame.backfill)


async def test_the_snapshot_keeps_to_its_schema() -> None:
    double = Double()
    steady(double, "a:1", slow=range(20, 24))
    _, frame = await backfilled(double)
    schema = json.loads((Path(__file__).parents[2] / "docs" / "snapshot.schema.json").read_text())
    jsonschema.validate(json.loads(json.dumps(snapshot(frame))), schema)
