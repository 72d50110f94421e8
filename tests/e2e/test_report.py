"""`report` and `export --to html`: what a recording comes to, by the same statistics as the screen's, and nothing in it is anybody's markup."""

import asyncio
import json
import re
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest

from collectors.export.span import ALL, Part
from collectors.export.whole import whole
from collectors.model.batch import Batch, Inventory, Status, WorkerInfo
from collectors.model.frame import Frame
from collectors.model.vocabulary import Device, Role, TargetStatus
from collectors.recording.reader import Reader
from collectors.recording.writer import Writer
from tests.e2e.commands import tokenyard
from tests.recording.material import SECOND, deliveries
from tui.headless import demo_frames
from tui.report.html import html
from tui.report.markdown import escaped, markdown
from tui.report.sections import sections, title

SECONDS = 40.0
HOSTILE = "<script>alert(1)</script>|`[b](http://x)\u202e\x1b]52;c;AA\x07"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report") / "demo.tyard"


@pytest.fixture(scope="module")
def frames(recording: Path) -> list[Frame]:
    frames: list[Frame] = []
    faults = ("straggler:gpu-1/0@15s+8s",)
    asyncio.run(demo_frames("default", 7, SECONDS, recording, frames.append, faults))
    return frames


def test_the_whole_is_the_last_frame_where_its_window_is_all(recording: Path, frames: list[Frame]) -> None:
    with Reader(recording) as reader:
        it = whole(reader, ALL)
    last = frames[-1]
    assert (it.frame.time_ns, it.frame.window_s) == (last.time_ns, last.window_s)
    assert it.frame.placements == last.placements
    assert [row.gap for row in it.frame.workers] == [row.gap for row in last.workers]
    assert it.frame.slo == last.slo
    assert it.timeline == last.timeline


def test_a_part_has_the_window_that_it_is(recording: Path, frames: list[Frame]) -> None:
    with Reader(recording) as reader:
        it = whole(reader, Part(10 * SECOND, 20 * SECOND))
    told = sum(row.tokens.value or 0 for row in it.frame.placements if row.primary)
    assert it.frame.window_s == 10
    assert (it.first_s, it.last_s) == (10, 20)
    assert len(it.timeline) == 10
    assert it.timeline == frames[-1].timeline[10:20]
    with Reader(recording) as reader:
        parts = [whole(reader, Part(at * SECOND, (at + 10) * SECOND)) for at in (0, 10, 20, 30)]
    each = [sum(row.tokens.value or 0 for row in part.frame.placements if row.primary) for part in parts]
    assert each[1] == told
    assert sum(each) == sum(row.tokens.value or 0 for row in frames[-1].placements if row.primary)
    assert all(10 <= row.at <= 20 for row in it.stalls)


def test_findings_are_told_for_as_long_as_they_were_there(recording: Path, frames: list[Frame]) -> None:
    with Reader(recording) as reader:
        it = whole(reader, ALL)
    told = [
        (frame.time_ns / 1e9, finding.kind, finding.worker)
        for frame in frames
        if frame.diagnosis is not None
        for finding in frame.diagnosis.findings
    ]
    assert {(one.finding.kind, one.finding.worker) for one in it.episodes} == {(kind, who) for _, kind, who in told}
    [one] = [one for one in it.episodes if one.finding.kind == "straggler"]
    times = [at for at, kind, _ in told if kind == "straggler"]
    assert (one.first_s, one.last_s) == (times[0], times[-1])
    assert one.led


def test_the_report_says_it(recording: Path, frames: list[Frame]) -> None:
    done = tokenyard("report", str(recording))
    assert done.returncode == 0, done.stderr
    text = done.stdout
    last = frames[-1]
    assert text.startswith("# EMULATED · demo")
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        f"## {name}"
        for name in ("About", "Attainment and cost", "Verdicts", "Workers", "Stalls", "Memory tiers", "Placement")
    ]
    assert last.slo is not None
    attained = last.slo.rows[0].attained
    assert attained is not None
    assert f"{attained.least} of {attained.n} requests" in text
    assert re.search(r"\| straggler \\\* \| decode \| gpu-1/0 \|", text)
    for row in last.workers:
        assert re.search(rf"\| {row.id} \|.*\| {row.gap.n} \|", text)


def test_a_report_into_a_file_replaces_nothing(recording: Path, frames: list[Frame], tmp_path: Path) -> None:
    out = tmp_path / "a.md"
    assert tokenyard("report", str(recording), "-o", str(out), "--slo", "code").returncode == 0
    assert "profile code" in out.read_text()
    assert out.stat().st_mode & 0o777 == 0o600
    again = tokenyard("report", str(recording), "-o", str(out))
    assert (again.returncode, "is there already" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("more", "said", "code"),
    [
        (("--slo", "none"), "no profile 'none'", 64),
        (("--from", "20s", "--until", "10s"), "nothing was recorded between", 1),
    ],
)
def test_what_cannot_be_told_is_said(
    recording: Path, frames: list[Frame], more: tuple[str, ...], said: str, code: int
) -> None:
    done = tokenyard("report", str(recording), *more)
    assert done.returncode == code
    assert said in done.stderr


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_from_anywhere(recording: Path, frames: list[Frame]) -> None:
    out = recording.with_suffix(".html")
    done = tokenyard("export", str(recording), "--to", "html", "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bytes"] == out.stat().st_size
    page = Tags()
    page.feed(out.read_text())
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "a"}
    assert not any(name in ("src", "href") or name.startswith("on") for _, found in page.tags for name in found)
    assert any("default-src 'none'" in (found.get("content") or "") for tag, found in page.tags if tag == "meta")
    assert sum(tag == "svg" for tag, _ in page.tags) == 2
    assert "EMULATED" in page.text
    assert all(row.id in page.text for row in frames[-1].workers)


def test_names_are_text(tmp_path: Path) -> None:
    path = tmp_path / "hostile.tyard"
    worker = WorkerInfo(0, HOSTILE, Role.DECODE, Device.GPU, model=HOSTILE)
    parts = Inventory(workers=(worker,)), Status(HOSTILE, HOSTILE, TargetStatus.DOWN, HOSTILE)
    with closing(Writer(path, clock="virtual", version="test")) as writer:
        writer.batch(Batch(HOSTILE, 0, (*parts, deliveries(0))))
        for tick in range(1, 9):
            writer.tick(tick * SECOND // 4)
    with Reader(path) as reader:
        it = whole(reader, ALL)
    text, page = markdown(title(it, HOSTILE), sections(it)), html(it, HOSTILE)
    assert "\x1b" not in text + page
    assert "\u202e" not in text + page
    assert "<script" not in page
    assert "\\<script\\>" in text
    assert not re.search(r"(?<!\\)[<`]", text)
    parsed = Tags()
    parsed.feed(page)
    assert "<script>alert(1)" in parsed.text


@pytest.mark.parametrize("text", ["a|b", "*x*", "<b>", "[a](b)", "a\\b", "`c`", "# d", "~e~", "&lt;"])
def test_markup_is_escaped(text: str) -> None:
    assert re.sub(r"\\(.)", r"\1", escaped(text)) == text
    assert not re.search(r"(?<!\\)(?:\\\\)*[|*<\[`#~&]", escaped(text))
