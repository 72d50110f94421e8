"""How faults are said: in a file, on a command line, by hand over the control port; wherever from, the same fault has the same events."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from emulators.cluster import Cluster
from emulators.emulation import Emulation
from emulators.events import Events, Row
from emulators.faults.fault import Fault, FaultError, of_table, written
from emulators.faults.kinds import KINDS
from emulators.scenario_file import ScenarioError, parse
from emulators.scenarios import SCENARIOS, build, scenario
from emulators.server import listening
from tests.emulators.rig import digest, joined, play
from tests.emulators.struck import SECOND

FAULTS = (
    "straggler:gpu-1/0@500ms+700ms,factor=4",
    "thermal-cap:gpu-0/0@800ms+1s,clock=0.4",
    "link-flap:gpu-0/0.egress@600ms+1200ms,down_s=0.05,every_s=0.2",
    "eviction-storm:lpu-0/0@500ms+1500ms,every_s=0.5",
    "flash-stall:host-0@900ms",
    "stale-index:router@700ms+1s",
    "c2c-desync:lpu-1/0@1s+1s",
)


def test_what_is_written_and_what_a_table_says_are_the_same() -> None:
    table = {"kind": "straggler", "target": "gpu-1/0", "start_s": 0.5, "duration_s": 60, "factor": 4}
    assert written("straggler:gpu-1/0@500ms+1m,factor=4") == of_table(table)
    assert written("c2c-desync:lpu-0/0@2") == Fault(
        "c2c-desync", "lpu-0/0", 2.0, None, {"stall_ms": 2.0, "every_s": 0.25}
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("straggler", "not a fault: KIND:TARGET@START"),
        ("earthquake:gpu-0/0@1", "unknown kind 'earthquake'; known: death"),
        ("straggler:gpu-0/0@soon", "'soon' is not a time"),
        ("straggler:gpu-0/0@1+0", "must be above 0"),
        ("straggler:gpu-0/0@1,factor=0.5", "factor is a number from 1 to 1000"),
        ("straggler:gpu-0/0@1,factor=nan", "factor is a number"),
        ("straggler:gpu-0/0@1,speed=2", "unknown key 'speed'"),
        ("straggler:gpu-0/0@1,start_s=2", "is not key=value"),
        ("straggler:gpu-9/0@1", "no worker 'gpu-9/0' here; there are gpu-0/0, gpu-1/0"),
        ("straggler:lpu-0/0@1", "without steps that could take longer"),
        ("c2c-desync:gpu-0/0@1", "only LPUs"),
        ("link-flap:gpu-0/0@1", "no link 'gpu-0/0' here; there are host-0.disk, gpu-0/0.host-write"),
        ("link-flap:gpu-0/0.egress@1,down_s=1", "down_s must be below every_s"),
        ("eviction-storm:host-0@1", "no pool 'host-0' here; there are gpu-0/0"),
        ("flash-stall:gpu-0/0@1", "there is host-0"),
        ("stale-index:gpu-0/0@1", "the target is router"),
    ],
)
def test_a_fault_that_cannot_be_says_why(text: str, why: str) -> None:
    with pytest.raises(FaultError) as caught:
        build("default", 1, faults=[text])
    assert why in str(caught.value)


def test_every_kind_can_be_in_a_file_and_the_table_that_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    head = 'deployment = "default"\n[workload]\nmix = { chat = 1 }\n'
    path.write_text(
        head + '[[fault]]\nkind = "straggler"\ntarget = "gpu-1/0"\nstart_s = 1\nduration_s = 2\nfactor = 4\n'
    )
    assert scenario(str(path)).faults == (written("straggler:gpu-1/0@1+2,factor=4"),)
    for wrong in ("start_s = 1", "target = 3\nstart_s = 1", 'target = "gpu-1/0"'):
        with pytest.raises(ScenarioError, match=r"x: \[\[fault\]\] 1: straggler"):
            parse(head + f'[[fault]]\nkind = "straggler"\n{wrong}\nfactor = true\n', "x", SCENARIOS)


def test_a_bad_day_has_a_fault_of_every_kind_but_a_cut_on_the_default_workers_under_the_default_load() -> None:
    day, usual = SCENARIOS["bad-day"], SCENARIOS["default"]
    assert {fault.kind for fault in day.faults} == set(KINDS) - {"memory-cut"}
    assert (day.workers, day.load, day.rules) == (usual.workers, usual.load, usual.rules)
    assert (day.migration_limit, usual.migration_limit) == (3, 0)
    with pytest.raises(ScenarioError, match="migration_limit is a whole number"):
        parse('deployment = "default"\nmigration_limit = -1\n', "x", SCENARIOS)


def _by_hand(faults: Sequence[str], until_s: float) -> tuple[Cluster, Events]:
    """A cluster that is given each fault when its time has come."""
    cluster, parts = build("default", 7), []
    for fault in sorted(map(written, faults), key=lambda one: one.start_s):
        parts.append(play(cluster, [fault.start_s]).events)
        lasting = {} if fault.duration_s is None else {"duration_s": fault.duration_s}
        cluster.faults.give({"kind": fault.kind, "target": fault.target, **lasting, **fault.values})
    parts.append(play(cluster, [until_s]).events)
    return cluster, joined(parts)


def test_by_hand_or_by_timetable_in_one_go_or_in_many_the_events_are_the_same() -> None:
    whole = play(build("default", 7, faults=FAULTS), [3.0])
    pieces = play(build("default", 7, faults=FAULTS), [0.0, 0.5, 0.500000001, 0.7, 1.0, 1.4, 2.2, 2.9, 3.0])
    assert digest(whole.events) == digest(pieces.events) != digest(play(build("default", 7), [3.0]).events)
    cluster, events = _by_hand(FAULTS, 3.0)
    assert digest(events) == digest(whole.events)
    said, planned = (_by_begin(one.faults.rows()) for one in (cluster, whole.cluster))
    assert said == planned


def _by_begin(rows: list[Row]) -> list[Row]:
    """Without their ids, in order of time."""
    return sorted(({**row, "id": ""} for row in rows), key=lambda row: (row["begins_ns"], row["kind"]))


def test_what_is_taken_back_ends_and_what_has_not_begun_never_does() -> None:
    cluster = build("default", 7)
    first = cluster.faults.give({"kind": "straggler", "target": "gpu-1/0"})
    later = cluster.faults.give({"kind": "stale-index", "target": "router", "start_s": 1.0})
    cluster.advance(SECOND // 2)
    assert [row["state"] for row in cluster.faults.rows()] == ["active", "planned"]
    assert cluster.faults.take_back(first)
    assert cluster.faults.take_back(later)
    assert not cluster.faults.take_back(later)
    assert not cluster.faults.take_back("f-9")
    cluster.advance(2 * SECOND)
    rows = cluster.faults.rows()
    assert [(row["state"], row["ends_ns"]) for row in rows] == [("over", SECOND // 2), ("taken back", None)]
    assert cluster.truth()["faults"] == rows


@pytest_asyncio.fixture
async def served() -> AsyncIterator[tuple[Emulation, str]]:
    emulation = Emulation(build("default", 7), clock="stepped", clock_id="test")
    async with listening(emulation, 0) as addresses:
        yield emulation, addresses["router"]


async def test_the_control_port_gives_lists_and_takes_back(served: tuple[Emulation, str]) -> None:
    emulation, url = served
    async with aiohttp.ClientSession() as http:

        async def post(body: object) -> tuple[int, Row]:
            async with http.post(f"{url}/fault", json=body) as response:
                return response.status, await response.json()

        assert await post({"kind": "straggler", "target": "gpu-1/0", "factor": 4}) == (200, {"id": "f-1"})
        assert await post({"kind": "stale-index", "start_s": 5, "duration_s": 1}) == (200, {"id": "f-2"})
        status, said = await post({"kind": "straggler", "target": "nobody"})
        assert status == 400
        assert "no worker 'nobody' here" in said["error"]
        wrongs: list[object] = [[], {"kind": ["straggler"]}, "straggler"]
        for wrong in wrongs:
            assert (await post(wrong))[0] == 400
        await emulation.advance(SECOND)
        async with http.get(f"{url}/faults") as response:
            listed = await response.json()
        assert listed["now_ns"] == SECOND
        assert [row["kind"] for row in listed["kinds"]] == list(KINDS)
        assert "gpu-0/0.egress" in listed["targets"]["link"]
        assert [row["state"] for row in listed["faults"]] == ["active", "planned"]
        async with http.delete(f"{url}/fault/f-1") as response:
            assert response.status == 200
        async with http.delete(f"{url}/fault/f-1%0a") as response:
            assert response.status == 404
        await emulation.advance(2 * SECOND)
        async with http.get(f"{url}/truth") as response:
            truth = await response.json()
        assert [row["state"] for row in truth["faults"]] == ["over", "planned"]
        assert truth["faults"][0]["ends_ns"] == SECOND
