"""What a Frame says of probes: apart from the fleet, in every figure; live, recorded and replayed."""

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from collectors.model.batch import Batch, Finished, Inventory, Part, Requests
from collectors.model.frame import Frame
from collectors.model.snapshot import snapshot
from collectors.model.vocabulary import PROBE_SKIPPED, Provenance, State
from collectors.recording.reader import Reader
from collectors.recording.writer import Writer
from collectors.session.clock import TICK_NS
from collectors.session.session import Session
from tests.loopback import head, page
from tests.probe.server import EVENTS, Answer, Completions, answers, finished, probing, says, serving, token
from tests.session.test_session import rows, stream
from tui.line import text_of
from tui.summary import summary
from tui.view import View
from tui.widgets.fleet import fleet
from tui.widgets.notice import notices
from tui.widgets.requests import requests

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "snapshot.schema.json").read_text())
FAILS = says(page(b"busy", status="503 Service Unavailable"))
SIMULATED = says(head(EVENTS, "X-Emulated: somebody") + token(1) + token(2) + b"data: [DONE]\n\n")


async def probed(answer: Answer = answers, n: int = 3) -> list[Batch]:
    """What a probe said until `n` were over, without slots that a busy machine slept through."""
    async with serving(Completions(answer)) as server, probing(server.url) as seen:
        await seen.until(lambda it: len(finished(it)) >= n)
    told = [batch for batch in seen.batches if finished_in([batch]) or not _left_out(batch)]
    enough = next(end for end in range(len(told) + 1) if len(finished_in(told[:end])) >= n)
    return told[:enough]


def _left_out(batch: Batch) -> bool:
    return all(
        isinstance(part, Requests) and all(isinstance(row, Finished) for row in part.rows) for part in batch.parts
    )


def frames(batches: list[Batch], *, fleet: bool = False) -> list[Frame]:
    """One a second while they come, beside a fleet whose stream ends before them."""
    session = Session("live")
    if fleet:
        stream(session, rows(40))
    made: list[Frame] = []
    end_ns = batches[-1].time_ns if batches else 0
    left = list(batches)
    for time_ns in range(TICK_NS * 4, max(end_ns, TICK_NS * 8) + TICK_NS * 4, TICK_NS * 4):
        while left and left[0].time_ns < time_ns:
            session.feed(left.pop(0))
        made.append(session.tick(time_ns))
    return made


async def test_their_figures_have_n_population_and_window() -> None:
    (row,) = frames(await probed())[-1].probes
    assert (row.target, row.source, row.model, row.path) == ("t", "t probe", "m", "/v1/completions")
    assert (row.sent.value, row.failed.value, row.failures) == (3, 0, {})
    assert row.failed.state is State.ZERO
    assert (row.ttft.n, row.ttft.population) == (3, "probes with a first token")
    assert row.ttft.p50.provenance is Provenance.MEASURED
    assert row.ttft.p99.state is State.TOO_FEW
    (worker,) = row.workers
    assert (worker.named_by, worker.gap.population) == ("target", "gaps between deliveries of probes")
    assert worker.gap.n >= 2
    assert 0 < row.window_s <= 900


async def test_failures_and_what_was_left_out_are_counted_apart() -> None:
    batches = await probed(FAILS)
    last = batches[-1]
    skip = Requests((Finished(last.time_ns, "", PROBE_SKIPPED),))
    (row,) = (frame := frames([*batches, Batch("t probe", last.time_ns, (skip,))])[-1]).probes
    assert (row.sent.value, row.failed.value, row.failures, row.skipped.value) == (3, 3, {"http 503": 3}, 1)
    assert (row.ttft.n, row.ttft.max.value, row.workers) == (0, None, ())
    assert frame.targets[0].reason == "the last probe failed: http 503"
    shown = text_of(notices(View(frame=frame, newest=frame), 120))
    assert "PROBING t: 1200 requests of our own a minute" in shown
    drawn = text_of(fleet(View(frame=frame, newest=frame), 120, 20, 0).lines)
    assert "◇ t probe              3 of 3 failed (3 http 503); 1 skipped, in " in drawn
    assert "3 of 3 failed (3 http 503); 1 skipped" in summary(frame)
    listed = text_of(requests(View(frame=frame, newest=frame), 120, 20, 0).lines)
    assert listed.count("◇ tokenyard-probe") == 3


async def test_no_figure_of_the_fleet_has_anything_of_them() -> None:
    batches = await probed()
    alone, beside = frames(batches[:0], fleet=True), frames(batches, fleet=True)
    last = beside[-1]
    assert last.probes
    assert last.workers
    assert {row.id for row in last.requests if row.probe} == {row.request for row in finished_in(batches)}
    for one, other in zip(alone, beside, strict=False):
        ours = {"probes", "targets", "requests"}
        assert msgspec.structs.asdict(one).keys() >= ours
        for name in msgspec.structs.asdict(one).keys() - ours:
            assert getattr(one, name) == getattr(other, name), name
        assert [row for row in other.requests if not row.probe] == list(one.requests)


def finished_in(batches: list[Batch]) -> list[Finished]:
    return [
        row
        for batch in batches
        for part in batch.parts
        if isinstance(part, Requests)
        for row in part.rows
        if isinstance(row, Finished) and row.reason != PROBE_SKIPPED
    ]


async def test_a_target_whose_figures_have_them_in_it_says_so() -> None:
    mine = [msgspec.structs.replace(batch, parts=tuple(map(of_the_router, batch.parts))) for batch in await probed()]
    row = next(row for row in frames(mine, fleet=True)[-1].targets if row.name == "router")
    assert row.reason == "our own probes are in its figures, streams included: one every 0.05 s of 16 tokens at most"


def of_the_router(part: Part) -> Part:
    if not isinstance(part, Inventory) or part.probe is None:
        return part
    return msgspec.structs.replace(part, probe=msgspec.structs.replace(part.probe, of="router"))


async def test_what_is_emulated_stays_emulated() -> None:
    (row,) = frames(await probed(SIMULATED))[-1].probes
    assert row.sent.emulated
    assert row.ttft.p50.emulated
    assert all(one.gap.p50.emulated for one in row.workers)


async def test_a_recording_replays_to_equal_frames_and_snapshots(tmp_path: Path) -> None:
    batches = await probed()
    writer = Writer(tmp_path / "a.tyard", clock="live", version="test 1")
    for batch in batches:
        writer.batch(batch)
    writer.close()
    with Reader(tmp_path / "a.tyard") as reader:
        replayed = [item for item in reader.items() if isinstance(item, Batch)]
    live = frames(batches)
    assert frames(replayed) == live
    printed = json.loads(json.dumps(snapshot(live[-1]), allow_nan=False))
    jsonschema.validate(printed, SCHEMA)
    assert printed["probes"][0]["sent"]["value"] == 3


@pytest.mark.parametrize("answer", [answers, FAILS])
async def test_a_window_later_they_are_forgotten(answer: Answer) -> None:
    session = Session("live")
    for batch in await probed(answer):
        session.feed(batch)
    (row,) = session.tick(TICK_NS * 4 * 1_000).probes
    assert (row.sent.value, row.ttft.n, row.failures) == (0, 0, {})
