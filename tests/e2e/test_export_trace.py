"""`export --to perfetto`: a slice for all that was told of a request, no two on one track at once, and arrows from its prefill to its decode."""

import asyncio
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from collectors.export.slices import WAITS
from collectors.model.batch import Batch, Deliveries, Phases, Span
from collectors.model.frame import Frame
from collectors.recording.reader import Reader
from tests.e2e.commands import tokenyard
from tests.recording.material import SECOND
from tui.headless import demo_frames

Event = dict[str, Any]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trace") / "demo.tyard"


@pytest.fixture(scope="module")
def frames(recording: Path) -> list[Frame]:
    frames: list[Frame] = []
    asyncio.run(demo_frames("default", 7, 12.0, recording, frames.append))
    return frames


def events(recording: Path, *more: str) -> list[Event]:
    out = recording.with_name(f"{len(list(recording.parent.iterdir()))}.json")
    done = tokenyard("export", str(recording), "--to", "perfetto", "-o", str(out), *more)
    assert done.returncode == 0, done.stderr
    found: list[Event] = json.loads(out.read_text())["traceEvents"]
    told = json.loads(done.stdout)
    assert told["slices"] == sum(event["ph"] == "X" for event in found)
    assert told["arrows"] == sum(event["ph"] == "s" for event in found)
    return found


def spans(recording: Path) -> list[Span]:
    with Reader(recording) as reader:
        return [
            span
            for item in reader.items()
            if isinstance(item, Batch)
            for part in item.parts
            if isinstance(part, Phases)
            for span in part.rows
        ]


def named(found: list[Event]) -> Counter[str]:
    return Counter(event["name"] for event in found if event["ph"] == "X")


def test_there_is_a_slice_for_all_that_was_told(recording: Path, frames: list[Frame]) -> None:
    found = events(recording)
    told = Counter(span.phase.value for span in spans(recording) if span.phase not in WAITS)
    stalls = {(row.request, row.at) for frame in frames for row in frame.stalls}
    decoding = {event["args"]["request"] for event in found if event["name"] == "deliveries"}
    ended = {span.request for span in spans(recording) if span.phase.value == "decode"}
    assert named(found) == told + Counter({"stall": len(stalls), "deliveries": named(found)["deliveries"]})
    assert decoding
    assert not decoding & ended


def test_runs_of_deliveries_have_the_tokens_of_requests_that_go_on(recording: Path, frames: list[Frame]) -> None:
    found = events(recording)
    with Reader(recording) as reader:
        tokens = sum(
            int(part.rows["tokens"].sum())
            for item in reader.items()
            if isinstance(item, Batch)
            for part in item.parts
            if isinstance(part, Deliveries)
        )
    running = sum(event["args"]["tokens"] for event in found if event["name"] == "deliveries")
    assert 0 < running < tokens


def test_no_two_slices_are_on_one_track_at_once(recording: Path, frames: list[Frame]) -> None:
    tracks: dict[tuple[int, int], list[Event]] = defaultdict(list)
    for event in events(recording):
        if event["ph"] == "X":
            tracks[event["pid"], event["tid"]].append(event)
    assert max(map(len, tracks.values())) > 10
    for track in tracks.values():
        ends = [event["ts"] + event["dur"] for event in track]
        assert all(end <= event["ts"] + 1e-3 for end, event in zip(ends, track[1:], strict=False))


def test_arrows_go_from_a_prefill_to_its_decode(recording: Path, frames: list[Frame]) -> None:
    found = events(recording)
    slices = {(event["pid"], event["tid"], event["ts"]): event for event in found if event["ph"] == "X"}
    begins = {event["id"]: event for event in found if event["ph"] == "s"}
    ends = {event["id"]: event for event in found if event["ph"] == "f"}
    assert begins.keys() == ends.keys()
    kinds: Counter[tuple[str, str]] = Counter()
    for number, begin in begins.items():
        one, other = (slices[event["pid"], event["tid"], event["ts"]] for event in (begin, ends[number]))
        assert one["args"]["request"] == other["args"]["request"]
        assert one["ts"] <= other["ts"]
        kinds[one["name"], other["name"]] += 1
    assert kinds["prefill", "transfer"] > 0
    assert kinds["transfer", "decode"] > 0


def test_workers_are_named_with_what_they_are(recording: Path, frames: list[Frame]) -> None:
    names = {event["args"]["name"] for event in events(recording) if event["name"] == "process_name"}
    for worker in frames[-1].workers:
        [name] = [name for name in names if name.startswith(f"{worker.id} ")]
        assert worker.device.value in name
        assert name.endswith("EMULATED")


def test_a_part_has_what_has_some_of_its_time_in_it_and_all_of_that(recording: Path, frames: list[Frame]) -> None:
    part = events(recording, "--from", "4s", "--until", "6s")
    told = [
        span
        for span in spans(recording)
        if span.phase not in WAITS and span.start_ns < 6 * SECOND and span.start_ns + span.duration_ns >= 4 * SECOND
    ]
    stalls = {(row.request, row.at) for frame in frames for row in frame.stalls if 4 <= row.at < 6}
    found = named(part)
    assert found["stall"] == len(stalls) > 0
    assert found["decode"] == sum(span.phase.value == "decode" for span in told) > 0
    assert found["prefill"] == sum(span.phase.value == "prefill" for span in told) > 0
