"""A fleet seen through a Prometheus server: the same pages as if scraped, at the times at which they were."""

from pathlib import Path

import pytest

from collectors.model.batch import Batch, Samples, Status
from collectors.model.frame import Frame
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import TargetStatus
from collectors.recording.codec import compress, pack, unpack
from collectors.session.session import Session
from collectors.sources.detect import open_target
from collectors.sources.promql import PromqlSource
from collectors.sources.scrape import ScrapeSource
from collectors.wire.http import HttpClient
from tests.loopback import page, says, serving
from tests.sources.promql_double import Double
from tests.sources.seen import Sample, Seen, value

VLLM = Path(__file__).parent.parent / "fixtures" / "vllm"
PAGES = [(VLLM / f"{name}.metrics.txt").read_bytes() for name in ("idle", "under_load", "after_load")]
SECOND_NS = 1_000_000_000
START_NS = 100 * SECOND_NS
UP = (TargetStatus.UP, "")


def engine(running: int, tokens: int = 0) -> bytes:
    return (
        b'# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine="0"} %d\n'
        b'# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total{engine="0"} %d\n'
        % (running, tokens)
    )


async def seen_through(double: Double, *steps_s: float) -> Seen:
    """What the source emits at these seconds of the session, of which the server's clock is `now_s` at the first."""
    seen = Seen()
    first_s, start_s = steps_s[0], double.now_s
    async with serving(double.handler) as server, HttpClient() as client:
        source = PromqlSource("prom", server.url, client)
        for step_s in steps_s:
            double.now_s = start_s + step_s - first_s
            await source.step(round(step_s * SECOND_NS), seen)
    return seen


def frame_of(seen: Seen, tick_s: float) -> Frame:
    session = Session("virtual")
    for batch in seen.batches:
        session.feed(batch)
    return session.tick(round(tick_s * SECOND_NS))


def plain(sample: Sample) -> list[tuple[object, ...]]:
    return sorted(
        (one.signal, one.kind, one.worker, one.metric, str(one.tier), str(one.le), one.label, str(number))
        for one, number in sample
    )


def times(seen: Seen) -> list[int | None]:
    return [part.time_ns for batch in seen.batches for part in batch.parts if isinstance(part, Samples)]


async def test_captured_pages_mean_the_same_as_when_they_are_scraped() -> None:
    double = Double()
    for number, body in enumerate(PAGES):
        double.scraped(body, double.now_s - 40 + 15 * number, "gpu:8000", pod="vllm-0", engine_type="x")
    through = (await seen_through(double, 100)).of("gpu:8000 via prom")
    direct = Seen()
    for body in PAGES:
        async with serving(says(page(body))) as server, HttpClient() as client:
            await ScrapeSource("gpu:8000", server.url, client).step(START_NS, direct)
    assert [plain(sample) for sample in through.samples] == [plain(sample) for sample in direct.samples]
    assert [worker.id for worker in through.inventories[0].workers] == ["gpu:8000/0"]
    assert through.inventories[0].workers == direct.inventories[0].workers


async def test_samples_have_the_times_at_which_they_were_scraped() -> None:
    double = Double()
    for ago_s in (31, 16, 1):
        double.scraped(engine(1), double.now_s - ago_s, "a:1")
    seen = await seen_through(double, 100)
    found = times(seen.of("a:1 via prom"))
    assert found == pytest.approx([69 * SECOND_NS, 84 * SECOND_NS, 99 * SECOND_NS], abs=2)
    assert {batch.time_ns for batch in seen.batches} == {START_NS - 1}


async def test_the_first_answer_fills_the_window_and_rates_are_of_the_scrapes_times() -> None:
    double = Double()
    for ago_s, tokens in ((31, 100), (16, 400), (1, 700)):
        double.scraped(engine(2, tokens), double.now_s - ago_s, "a:1")
    frame = frame_of(await seen_through(double, 100), 100)
    (row,) = frame.workers
    assert (row.id, row.target, row.running.value) == ("a:1/0", "a:1 via prom", 2)
    assert row.tokens_per_s.value == pytest.approx(600 / 30)
    assert frame.targets[1].heard_ns == 99 * SECOND_NS - 1


async def test_nothing_is_passed_on_twice_and_nothing_is_left_out() -> None:
    double = Double()
    for second in range(0, 60, 3):
        double.scraped(engine(second), double.now_s - 20 + second, "a:1")
    seen = (await seen_through(double, 100, 105, 110, 115, 120)).of("a:1 via prom")
    values = [value(sample, Signal.REQUESTS_RUNNING, Kind.GAUGE) for sample in seen.samples]
    assert values == list(range(0, 41, 3))
    assert sorted(times(seen), key=lambda one: one or 0) == times(seen)


async def test_as_many_questions_for_a_large_fleet_as_for_one() -> None:
    asked = []
    for size in (1, 40):
        double = Double()
        for number in range(size):
            double.scraped(PAGES[1], double.now_s - 5, f"gpu{number}:8000")
        seen = await seen_through(double, 100, 105)
        assert len({batch.source for batch in seen.batches}) == size + 1
        asked.append(len(double.queries))
    assert asked[0] == asked[1]


@pytest.mark.parametrize(
    ("types", "broken", "kind"),
    [
        (["counter"], {}, Kind.COUNTER),
        (["counter", "gauge"], {}, Kind.GAUGE),
        ([], {}, Kind.GAUGE),
        (["counter"], {"/metadata": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"}, Kind.GAUGE),
        (["counter"], {"/metadata": page(b"[1]", kind="application/json")}, Kind.GAUGE),
    ],
)
async def test_what_all_pages_declare_as_a_counter_is_one(
    types: list[str], broken: dict[str, bytes], kind: Kind
) -> None:
    """Older lists of DCGM's exporter count bytes of links under the name that is their rate in newer ones."""
    name = "DCGM_FI_PROF_NVLINK_TX_BYTES"
    double = Double(types={name: types}, broken=broken)
    for second in (0, 5):
        body = b'DCGM_FI_PROF_NVLINK_TX_BYTES{gpu="0",UUID="GPU-1"} %d\n' % (1000 + second)
        double.scraped(body, double.now_s - 10 + second, "a:9400")
    seen = (await seen_through(double, 100, 105)).of("a:9400 via prom")
    signal = Signal.LINK_BYTES if kind is Kind.COUNTER else Signal.LINK_BYTES_PER_SECOND
    assert [value(sample, signal, kind) for sample in seen.samples] == [1000, 1005]
    assert sum("/metadata" in query for query in double.queries) == 1


async def test_only_metrics_that_some_back_end_knows_are_asked_for() -> None:
    double = Double()
    double.scraped(engine(1) + b"go_goroutines 5\nvllm:something_new 1\n", double.now_s - 1, "a:1")
    double.scraped(b"go_goroutines 5\n", double.now_s - 1, "b:1", job="other")
    seen = await seen_through(double, 100)
    assert not any("go_" in query or "something_new" in query for query in double.queries)
    assert {batch.source for batch in seen.batches} == {"prom", "a:1 via prom"}


async def test_a_server_that_has_only_just_been_started_is_asked_again_soon() -> None:
    double, seen = Double(), Seen()
    async with serving(double.handler) as server, HttpClient() as client:
        source = PromqlSource("prom", server.url, client)
        await source.step(100 * SECOND_NS, seen)
        double.now_s += 5
        double.scraped(engine(1), double.now_s - 1, "a:1")
        await source.step(105 * SECOND_NS, seen)
    assert list(dict.fromkeys(batch.source for batch in seen.batches)) == ["prom", "a:1 via prom"]


async def test_a_server_with_nothing_for_us_says_so() -> None:
    double = Double()
    double.scraped(b"go_goroutines 5\n", double.now_s - 1, "b:1")
    seen = await seen_through(double, 100)
    (target,) = frame_of(seen, 100).targets
    assert (target.status, target.reason) == (TargetStatus.UP, "no metrics of a known back end")


async def test_warnings_of_a_partial_answer_are_shown_and_the_server_is_up() -> None:
    double = Double(warnings=["store gateway 3 unavailable\x1b[2J"])
    double.scraped(engine(1), double.now_s - 1, "a:1")
    frame = frame_of(await seen_through(double, 100), 100)
    assert [(one.status, one.reason) for one in frame.targets] == [(TargetStatus.UP, "store gateway 3 unavailable"), UP]


async def test_a_target_that_the_server_cannot_scrape_is_down() -> None:
    double = Double()
    double.scraped(engine(1), double.now_s - 16, "a:1")
    double.add({"__name__": "up", "instance": "a:1", "job": "llm"}, double.now_s - 1, 0.0)
    frame = frame_of(await seen_through(double, 100), 100)
    assert (frame.targets[1].status, frame.targets[1].reason) == (
        TargetStatus.DOWN,
        "the server cannot scrape it (up = 0)",
    )


async def test_a_target_that_never_was_up_is_a_warning_of_the_server() -> None:
    double = Double()
    double.scraped(engine(1), double.now_s - 1, "a:1")
    double.add({"__name__": "up", "instance": "b:1", "job": "llm"}, double.now_s - 1, 0.0)
    double.add({"__name__": "up", "instance": "c:1", "job": "other"}, double.now_s - 1, 0.0)
    seen = await seen_through(double, 100, 500)
    reasons = [part.warning for batch in seen.of("prom").batches for part in batch.parts if isinstance(part, Status)]
    assert reasons == ["1 more of these jobs' targets cannot be scraped (up = 0)", ""]


async def test_a_target_of_which_nothing_new_comes_is_down_and_comes_back() -> None:
    double = Double()
    for ago_s in (20, 10, 0):
        double.scraped(engine(1), double.now_s - ago_s, "a:1")
    double.scraped(engine(1), double.now_s + 98, "a:1")
    seen = (await seen_through(double, 100, 125, 140, 200)).of("a:1 via prom")
    assert seen.statuses == [UP, (TargetStatus.DOWN, "the server has no new samples of it"), UP]


async def test_a_scrape_of_which_half_has_come_waits_for_the_rest() -> None:
    double = Double()
    double.scraped(engine(1, 10), double.now_s - 16, "a:1")
    labels = {"engine": "0", "instance": "a:1", "job": "llm"}
    double.add({"__name__": "vllm:num_requests_running", **labels}, double.now_s - 1, 2.0)
    seen = Seen()
    async with serving(double.handler) as server, HttpClient() as client:
        source = PromqlSource("prom", server.url, client)
        await source.step(START_NS, seen)
        assert [len(sample) for sample in seen.of("a:1 via prom").samples] == [2]
        double.add({"__name__": "vllm:generation_tokens_total", **labels}, double.now_s - 1, 20.0)
        double.now_s += 5
        await source.step(START_NS + 5 * SECOND_NS, seen)
    assert [value(one, Signal.GENERATION_TOKENS, Kind.COUNTER) for one in seen.of("a:1 via prom").samples] == [10, 20]


async def test_series_that_have_gone_are_gone() -> None:
    double = Double()
    double.scraped(engine(1, 10), double.now_s - 16, "a:1")
    labels = {"engine": "0", "instance": "a:1", "job": "llm"}
    double.add({"__name__": "vllm:num_requests_running", **labels}, double.now_s - 1, 2.0)
    seen = (await seen_through(double, 100, 105)).of("a:1 via prom")
    assert [sorted(one.signal for one, _ in sample) for sample in seen.samples] == [
        [Signal.GENERATION_TOKENS, Signal.REQUESTS_RUNNING],
        [Signal.REQUESTS_RUNNING],
    ]


async def test_the_labels_of_the_target_are_not_those_of_the_page() -> None:
    gpu = b'DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="u",Hostname="h",namespace="ns",pod="engine-3"} 5\n'
    double = Double()
    double.scraped(gpu, double.now_s - 1, "node:9400", job="dcgm", namespace="monitoring", pod="dcgm-exporter")
    direct = Seen()
    async with serving(says(page(gpu))) as server, HttpClient() as client:
        await ScrapeSource("node:9400", server.url, client).step(START_NS, direct)
    through = (await seen_through(double, 100)).of("node:9400 via prom")
    assert [plain(one) for one in through.samples] == [plain(one) for one in direct.samples]
    assert through.statuses == [UP]


async def test_one_instance_in_two_jobs_is_two() -> None:
    double = Double()
    double.scraped(engine(1), double.now_s - 1, "a:1", job="one")
    double.scraped(engine(2), double.now_s - 1, "a:1", job="two")
    seen = await seen_through(double, 100)
    assert {batch.source for batch in seen.batches} == {"prom", "a:1 via prom", "two/a:1 via prom"}


async def test_native_histograms_are_histograms() -> None:
    double = Double()
    labels = {"__name__": "vllm:time_to_first_token_seconds", "engine": "0", "instance": "a:1", "job": "llm"}
    for ago_s, buckets in ((16, [[0, "0.5", "1", "4"]]), (1, [[0, "0.25", "0.5", "2"], [0, "0.5", "1", "5"]])):
        count = str(sum(int(bucket[3]) for bucket in buckets))  # type: ignore[call-overload]
        double.add(labels, double.now_s - ago_s, {"count": count, "sum": "3", "buckets": buckets})
    seen = (await seen_through(double, 100)).of("a:1 via prom")
    last = seen.samples[-1]
    found = [value(last, Signal.TTFT, Kind.BUCKET, le) for le in (0.5, 1.0, float("inf"))]
    assert found == [2, 7, 7]
    assert value(last, Signal.TTFT, Kind.COUNT) == 7


async def test_a_recording_of_it_gives_the_same_frame() -> None:
    double = Double()
    for ago_s, body in zip((31, 16, 1), PAGES, strict=True):
        double.scraped(body, double.now_s - ago_s, "a:1")
    seen = await seen_through(double, 100)
    replayed = Seen()
    replayed.batches = [one for one in unpack(compress(pack(seen.batches))) if isinstance(one, Batch)]
    assert times(replayed) == times(seen)
    assert frame_of(replayed, 100) == frame_of(seen, 100)


def test_how_a_server_is_written_as_a_target() -> None:
    source = open_target("prom+http://mimir:8080/prometheus", HttpClient())
    assert isinstance(source, PromqlSource)
    assert source.name == "mimir:8080/prometheus"


async def test_a_prefix_of_the_api_is_kept() -> None:
    double = Double()
    async with serving(double.handler) as server, HttpClient() as client:
        await open_target(f"prom+{server.url}/prometheus/", client).step(START_NS, Seen())
    assert {request.path.split("/api/v1/")[0] for request in server.requests} == {"/prometheus"}
    assert {request.line.split(" ")[0] for request in server.requests} == {"GET"}


async def test_an_engine_that_overtook_its_old_counts_is_told_by_its_start_and_others_starts_make_no_target() -> None:
    double = Double()
    for ago_s, tokens, started_s in ((20, 100, 5e8), (5, 150, 6e8)):
        double.scraped(
            engine(1, tokens) + b"process_start_time_seconds %d\n" % started_s, double.now_s - ago_s, "gpu:8000"
        )
        double.scraped(b"process_start_time_seconds 7\n", double.now_s - ago_s, "node:9100")
    seen = await seen_through(double, 100)
    (row,) = frame_of(seen, 101).workers
    assert row.tokens_per_s.value == 150 / 15
    assert {batch.source for batch in seen.batches} == {"prom", "gpu:8000 via prom"}
    replayed = Seen()
    replayed.batches = [one for one in unpack(compress(pack(seen.batches))) if isinstance(one, Batch)]
    assert frame_of(replayed, 101) == frame_of(seen, 101)
