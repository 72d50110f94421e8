"""`demo` without a screen: the same seed prints the same, what is recorded replays to the same, and the object keeps its schema."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from collectors.model.batch import Tick
from collectors.model.frame import Frame
from collectors.observe import Observation
from collectors.recording.reader import Reader
from collectors.recording.writer import Writer
from collectors.session.clock import TICK_NS, VirtualClock
from collectors.session.session import Session
from collectors.wire.http import HttpClient
from tests.e2e.commands import ROOT, tokenyard
from tui.emulator import Emulator


def demo(*arguments: str) -> dict[str, Any]:
    done = tokenyard("demo", "--headless", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "docs" / "snapshot.schema.json").read_text())
    return loaded


def test_same_seed_same_story_and_the_object_keeps_its_schema(schema: dict[str, Any]) -> None:
    first, second = (demo("--duration", "4s", "--seed", "7") for _ in range(2))
    for part in ("placements", "jitter", "decisions"):
        assert json.dumps(first[part]) == json.dumps(second[part])
    jsonschema.validate(first, schema)
    assert set(first) == set(schema["properties"])
    assert first["clock"] == "virtual"
    assert first["emulated"] is True
    assert first["window_s"] == pytest.approx(4.0)
    assert first["at_utc"] is None
    assert len(first["workers"]) == 4


def test_another_seed_is_another_story() -> None:
    assert (
        demo("--duration", "2s", "--seed", "1")["placements"] != demo("--duration", "2s", "--seed", "2")["placements"]
    )


def test_a_fault_is_another_story() -> None:
    plain, struck = (
        demo("--duration", "3s", *faults)["placements"] for faults in ((), ("--fault", "death:lpu-0/0@1s+1s"))
    )
    assert plain != struck


def test_readable_summary() -> None:
    done = tokenyard("demo", "--headless", "--duration", "2s")
    assert done.returncode == 0, done.stderr
    assert "EMULATED" in done.stdout
    for worker in ("gpu-0/0", "gpu-1/0", "lpu-0/0", "lpu-1/0"):
        assert worker in done.stdout


async def test_a_recording_replays_to_the_same_frames(tmp_path: Path) -> None:
    clock, path = VirtualClock(), tmp_path / "demo.tyard"
    frames: list[Frame] = []
    writer = Writer(path, clock=clock.kind, version="test")
    async with Emulator("default", seed=11, clock="stepped") as emulator, HttpClient() as client:
        observation = Observation(Session(clock.kind), emulator.sources(client), clock, frames.append, writer)
        await observation.step(0)
        for tick in range(1, 33):
            await emulator.advance(tick * TICK_NS)
            clock.time_ns = tick * TICK_NS
            await observation.step(clock.time_ns)
        await observation.close()
    writer.close()
    assert writer.error is None

    replayed: list[Frame] = []
    with Reader(path) as reader:
        session = Session(reader.info().clock)
        for item in reader.items():
            if isinstance(item, Tick):
                replayed.append(session.tick(item.time_ns, item.utc_s))
            else:
                session.feed(item)
        assert reader.torn is None
    assert len(replayed) == 32
    assert replayed == frames


def test_replay_prints_what_the_demo_printed(tmp_path: Path, schema: dict[str, Any]) -> None:
    path = str(tmp_path / "demo.tyard")
    live = demo("--duration", "3s", "--record", path)
    done = tokenyard("replay", path, "--at", "end", "--json")
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    jsonschema.validate(again, schema)
    assert again == {**live, "clock": "replay"}
    middle = json.loads(tokenyard("replay", path, "--at", "1500ms", "--json").stdout)
    assert middle["at"] == 1.5


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "there.tyard"
    path.write_text("mine")
    done = tokenyard("demo", "--headless", "--duration", "1s", "--record", str(path))
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert path.read_text() == "mine"
