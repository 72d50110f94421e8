"""`compare`: the figures are those of each recording, equal recordings show no difference, and what was made worse is said to be."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from collectors.compare.comparison import newcombe, pairs
from collectors.compare.gather import population
from collectors.compare.population import Group, Measure, Population, Samples
from collectors.diagnose.attainment import objectives
from collectors.diagnose.objectives import PROFILES
from collectors.export.span import Part, items
from collectors.model.batch import Batch, Status
from collectors.model.frame import Frame
from collectors.model.vocabulary import Device, TargetStatus
from collectors.recording.reader import Reader
from tests.e2e.commands import tokenyard
from tests.recording.material import SECOND
from tui.headless import demo_frames
from tui.marks import Bookmarks

SECONDS = 50.0


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Frame]]:
    path, frames = tmp_path_factory.mktemp("compare") / "calm.tyard", list[Frame]()
    asyncio.run(demo_frames("default", 7, SECONDS, path, frames.append))
    return path, frames


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compare") / "slow.tyard"
    faults = ("straggler:gpu-1/0@1s+600s,factor=4",)
    asyncio.run(demo_frames("default", 7, SECONDS, path, lambda _: None, faults))
    return path


def compare(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = tokenyard("compare", *map(str, arguments), "--json")
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row(found: dict[str, Any], figure: str, of: str) -> dict[str, Any]:
    one: dict[str, Any]
    [one] = [one for one in found["rows"] if (one["figure"], one["of"]) == (figure, of)]
    return one


def whole(path: Path, begin_s: float, end_s: float) -> Population:
    part = Part(round(begin_s * SECOND), round(end_s * SECOND))
    with Reader(path) as reader:
        return population(items(reader, part), part, objectives(PROFILES["chat"]))


def test_samples_are_the_screens(calm: tuple[Path, list[Frame]]) -> None:
    path, frames = calm
    last = frames[-1]
    found = whole(path, 0, last.time_ns / 1e9)
    assert found.all(Measure.TTFT).all().n == last.ttft.n
    assert found.all(Measure.TPOT).all().n == sum(one.tpot.n for one in last.workers)
    assert found.tokens.sum() == sum(one.tokens.value or 0 for one in last.placements if one.primary)
    for gap in last.gaps:
        samples = found.samples[Measure.GAP, Group(gap.device, gap.model)].all()
        assert (samples.n, samples.maximum_ns / 1e9) == (gap.gap.n, gap.gap.max.value)
    assert last.slo is not None
    attained = last.slo.rows[0].attained
    assert attained is not None
    judged = found.judged.values()
    assert (sum(it.met.sum() for it in judged), sum(it.n.sum() for it in judged)) == (attained.least, attained.n)


def test_parts_add_up_and_both_kinds_of_cluster_have_all(calm: tuple[Path, list[Frame]]) -> None:
    path, _ = calm
    every, halves = whole(path, 0, 20), [whole(path, 0, 7), whole(path, 7, 20)]
    for key, samples in every.samples.items():
        both = Samples()
        for half in halves:
            both.take(half.samples.get(key, Samples()))
        assert both.all() == samples.all() == samples.by_time.all()
    assert sum(half.tokens.sum() for half in halves) == every.tokens.sum()
    assert len(every.tokens[every.tokens > 0]) == 40


def test_a_time_in_which_nothing_was_heard_is_told(calm: tuple[Path, list[Frame]]) -> None:
    part = Part(0, 12 * SECOND)
    with Reader(calm[0]) as reader:
        found = list(items(reader, part))
    name = next(item.source for item in found if isinstance(item, Batch))
    down, up = (
        Batch(name, at_s * SECOND, (Status("http://x", "", status, ""),))
        for at_s, status in ((4, TargetStatus.DOWN), (6, TargetStatus.UP))
    )
    before, after = ([item for item in found if (item.time_ns < 5 * SECOND) is early] for early in (True, False))
    assert population([*before, down, up, *after], part).unobserved_s == {name: 2.0}


def test_who_is_held_against_whom() -> None:
    gpu, lpu, tpu, other = (
        Group(Device.GPU, "m"),
        Group(Device.LPU, "m"),
        Group(Device.TPU, "m"),
        Group(Device.TPU, "n"),
    )

    def names(a: tuple[Group, ...], b: tuple[Group, ...], measure: Measure = Measure.GAP) -> list[str]:
        sides = [Population(1.0, {(measure, group): Samples() for group in side}) for side in (a, b)]
        return [name for name, _, _ in pairs(sides[0], sides[1], measure)]

    assert names((gpu, lpu), (lpu, gpu)) == ["GPU m", "LPU m"]
    assert names((gpu, lpu), (gpu, tpu)) == ["GPU m", "LPU m → TPU m"]
    assert names((gpu, lpu), (gpu,)) == ["GPU m", "LPU m"]
    assert names((gpu,), (lpu, tpu)) == ["GPU m", "LPU m", "TPU m"]
    assert names((gpu,), (other,), Measure.TPOT) == ["all", "GPU m", "TPU n"]


def test_a_recording_does_not_differ_from_itself(calm: tuple[Path, list[Frame]]) -> None:
    path, frames = calm
    found = compare(path, path)
    assert {one["says"] for one in found["rows"]} <= {"no difference shown", "too few to tell"}
    assert all(one["a"] == one["b"] and one["n_a"] == one["n_b"] for one in found["rows"])
    assert any("one recording" in one for one in found["unlike"])
    ttft = row(found, "ttft p99", "GPU llama-3.1-8b")
    assert ttft["a"] == pytest.approx(frames[-1].ttft.p99.value, rel=0.01)
    for one in found["plain"]:
        assert one["a"] == one["b"]


def test_what_was_made_worse_is_said_to_be(calm: tuple[Path, list[Frame]], slow: Path) -> None:
    found = compare(calm[0], slow)
    gap = row(found, "gap p50", "GPU llama-3.1-8b")
    assert gap["says"] == "higher"
    assert 0 < gap["low"] < gap["b"] - gap["a"] < gap["high"]
    lpu = row(found, "gap p50", "LPU llama-3.1-8b")
    assert lpu["says"] == "no difference shown"
    few = row(found, "tpot p99", "GPU llama-3.1-8b")
    assert (few["b"], few["says"], few["low"]) == (None, "too few to tell", None)
    assert few["n_b"] < 100
    assert not [one for one in found["unlike"] if "length" in one or "models" in one]


def test_parts_of_one_recording_by_time_and_by_bookmark(calm: tuple[Path, list[Frame]]) -> None:
    path, _ = calm
    by_time = compare(path, "--a", "5s..20s", "--b", "25s..40s")
    assert [(side["from_s"], side["until_s"]) for side in (by_time["a"], by_time["b"])] == [(5.0, 20.0), (25.0, 40.0)]
    with Reader(path) as reader:
        first_ns = reader.info().t0_ns or 0
    marks = Bookmarks(path)
    marks.add(first_ns + 5 * SECOND, "begin")
    by_mark = compare(path, "--align", "begin", "--a", "0s..15s", "--b", "20s..35s")
    assert by_mark["rows"] == by_time["rows"]
    before = compare(path, "--align", "begin", "--a=-2s..15s", "--b", "20s..35s")
    assert (before["a"]["from_s"], before["a"]["until_s"]) == (3.0, 20.0)
    done = tokenyard("compare", str(path), str(path), "--align", "nowhere")
    assert done.returncode == 1
    assert "'begin'" in done.stderr


def test_in_words(calm: tuple[Path, list[Frame]], slow: Path) -> None:
    done = tokenyard("compare", str(calm[0]), str(slow))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("EMULATED") == 2
    [line] = [line for line in done.stdout.splitlines() if line.startswith("gap p50") and "GPU" in line]
    assert "higher" in line
    assert "+" in line
    assert "tiers: as told, without an interval" in done.stdout


@pytest.mark.parametrize(
    ("more", "said", "code"),
    [
        ((), "two parts of one", 64),
        (("--b", "10s"), "not a stretch", 64),
        (("--b", "9s..3s"), "ends before it begins", 64),
        (("--b", "1h..2h"), "nothing was recorded", 1),
        (("--b", "1s..9s", "--slo", "none"), "no profile", 64),
    ],
)
def test_what_cannot_be_compared_is_said(
    calm: tuple[Path, list[Frame]], more: tuple[str, ...], said: str, code: int
) -> None:
    done = tokenyard("compare", str(calm[0]), *more)
    assert done.returncode == code
    assert said in done.stderr


def test_another_seed_of_the_same_load_is_no_difference(calm: tuple[Path, list[Frame]], tmp_path: Path) -> None:
    """Load comes and goes, and a prefill stalls all that decode beside it: seen by requests alone, that would be many differences."""
    path = tmp_path / "other.tyard"
    asyncio.run(demo_frames("default", 8, SECONDS, path, lambda _: None))
    rows = compare(calm[0], path)["rows"]
    told = [one["says"] for one in rows]
    assert told.count("no difference shown") >= 8
    assert told.count("higher") + told.count("lower") <= 1


def test_newcombe_is_as_published() -> None:
    """Newcombe 1998, table II, (a): 56/70 − 48/80, method 10: 0.0524 to 0.3339."""
    assert newcombe(48, 80, 56, 70) == pytest.approx((0.0524, 0.3339), abs=1e-4)
