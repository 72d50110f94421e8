"""The two sides of a show beside each other: the same figures of both, each of the worst worker there."""

import msgspec
import pytest

from collectors.model.frame import Frame
from collectors.model.vocabulary import State
from emulators.scenario_file import ScenarioError, parse
from emulators.scenarios import SCENARIOS
from tests.tui import frames
from tests.tui.test_golden import check
from tui.show.script import Chapter, Script, Showing, Side
from tui.show.scripts import script_of
from tui.view import View, worker_names
from tui.widgets.sides import figures
from tui.widgets.stage import StageBoard, stage

ALONE, BESIDE = Side("GPU alone", ("gpu-1/0",)), Side("GPU + LPUs", ("lpu-0/0", "lpu-1/0"))
SCRIPT = Script("face-off", 60, (Chapter(0, "One", "The same load on both sides."),), (ALONE, BESIDE))


def view(frame: Frame) -> View:
    return View(frame=frame, names=worker_names(row.id for row in frame.workers), showing=Showing(SCRIPT, 0))


@pytest.mark.parametrize("size", [(60, 14), (80, 14), (120, 20)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_both_sides_in_big_digits(size: tuple[int, int]) -> None:
    drawn = stage(view(frames.emulated()), *size)
    assert {sum(len(text) for text, _ in line) for line in drawn} == {size[0]}
    assert len(drawn) <= size[1]
    check(f"sides-{size[0]}x{size[1]}", "\n".join("".join(text for text, _ in line).rstrip() for line in drawn))


def test_a_side_is_as_bad_as_its_worst_worker() -> None:
    frame = frames.emulated()
    lpus = {row.id: row.gap.p99.value for row in frame.workers if row.id in BESIDE.workers}
    told = figures(view(frame), BESIDE)[0].told
    assert told is not None
    assert told.it.value == max(value for value in lpus.values() if value is not None)
    assert lpus[next(id_ for id_ in lpus if worker_names(lpus)[id_] == told.of)] == told.it.value
    board = StageBoard("board")
    assert [one.name for one in board.figures(view(frame), None)] == ["gap p99", "gap p50", "TTFT p50"] * 2


def test_above_all_that_is_counted_is_worse_than_any_number() -> None:
    frame = frames.emulated()
    over = msgspec.structs.replace(frame.workers[-1].gap.p99, value=None, state=State.OVER_RANGE, low=1e-9, high=None)
    gap = msgspec.structs.replace(frame.workers[-1].gap, p99=over)
    rows = (*frame.workers[:-1], msgspec.structs.replace(frame.workers[-1], gap=gap))
    told = figures(view(msgspec.structs.replace(frame, workers=rows)), BESIDE)[0].told
    assert told is not None
    assert told.it is over


def test_of_a_side_that_tells_nothing_there_is_no_digit() -> None:
    nobody = Side("nobody", ("nowhere/0",))
    assert [one.forms[0] for one in figures(view(frames.emulated()), nobody)] == ["–"] * 3
    assert [one.forms[0] for one in figures(View(), ALONE)] == ["–"] * 3


def test_face_off_has_its_sides() -> None:
    script = script_of("face-off")
    assert script is not None
    assert [side.title for side in script.sides] == ["GPU alone", "GPU + LPUs"]


@pytest.mark.parametrize(
    ("sides", "why"),
    [
        ('[[side]]\ntitle = "a"\nworkers = ["gpu-0/0"]', "there are two"),
        ('[[side]]\ntitle = "a"\nworkers = ["gpu-0/0"]\n[[side]]\ntitle = "b"\nworkers = ["gpu-0/0"]', "of one side"),
        ('[[side]]\ntitle = "a"\nworkers = ["gpu-0/0"]\n[[side]]\ntitle = "b"\nworkers = ["x/0"]', "one of gpu-0/0"),
        ('[[side]]\ntitle = "a"\nworker = ["gpu-0/0"]\n[[side]]\ntitle = "b"\nworkers = []', "unknown key 'worker'"),
    ],
)
def test_what_are_no_sides(sides: str, why: str) -> None:
    with pytest.raises(ScenarioError, match=why):
        parse(f'deployment = "default"\n{sides}', "mine.toml", SCENARIOS)
