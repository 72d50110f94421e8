import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from collectors.model.batch import Batch
from collectors.recording.reader import Reader
from collectors.recording.writer import COMMIT_S

ROOT = Path(__file__).parents[2]
SLACK_S = 3.0
"""What a busy machine may take to run a thread that is due."""


def start(path: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.recording.recorder", str(path), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def recorded(path: Path) -> list[Batch]:
    with Reader(path) as reader:
        items = list(reader.items())
        assert reader.torn is not None
        assert "not closed" in reader.torn
    batches = [item for item in items if isinstance(item, Batch)]
    assert [int(one.source) for one in batches] == list(range(len(batches)))
    return batches


def test_a_killed_writer_loses_a_second_at_most(tmp_path: Path) -> None:
    """One by one each has lost no more than the machine was late; a writer that commits too seldom loses more in all of them."""
    children = [(tmp_path / f"{i}.tyard", start(tmp_path / f"{i}.tyard"), 1.2 + 0.55 * i) for i in range(4)]
    lost_s = []
    for path, child, seconds in children:
        with child:
            assert child.stdout is not None
            for line in child.stdout:
                if int(line.split()[1]) >= seconds * 1e9 and path.exists() and recorded(path):
                    break
            child.send_signal(signal.SIGKILL)
            offered = [line, *child.stdout.read().splitlines()]
        offered_ns = int([one for one in offered if len(one.split()) == 2][-1].split()[1])
        batches = recorded(path)
        assert batches
        lost_s.append((offered_ns - batches[-1].time_ns) / 1e9)
    assert min(lost_s) < COMMIT_S + SLACK_S


def test_what_a_reader_has_seen_outlives_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    with start(path) as child:
        assert child.stdout is not None
        seen: list[Batch] = []
        deadline = time.monotonic() + 30
        for _ in child.stdout:
            if path.exists() and (seen := recorded(path)):
                break
            assert time.monotonic() < deadline
        child.kill()
    assert len(recorded(path)) >= len(seen) > 0


def test_a_full_disk_stops_the_recording_and_not_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    with start(path, "20000", "600000") as child:
        said = child.communicate(timeout=60)[0]
    assert child.returncode == 0
    assert "recording stopped" in said
    assert recorded(path)


def test_neither_arguments_nor_environment_are_recorded(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    with start(path, "300", "0", "argument-canary-17", TOKEN="environment-canary-17") as child:
        assert child.communicate(timeout=60)[0].splitlines()[-1] == "None"
    whole = path.read_bytes()
    assert b"canary" not in whole
    with Reader(path) as reader:
        assert "canary" not in repr(list(reader.items()))
