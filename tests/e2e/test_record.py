"""`record` as somebody would run it, until SIGTERM; what its file holds; and what cannot be."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from collectors.recording.reader import Reader
from tests.e2e.commands import ROOT, tokenyard
from tests.loopback import page, says, serving

PAGE = (ROOT / "tests" / "fixtures" / "vllm" / "under_load.metrics.txt").read_bytes()


def frames(path: Path) -> int:
    if not path.exists() or not path.stat().st_size:
        return 0
    with Reader(path) as reader:
        return reader.count_frames()


async def recorded(path: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code and output of a `record` that is told to stop when its file has two ticks."""
    async with serving(says(page(PAGE))) as server, asyncio.timeout(60):
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tui", "record", server.url, "-o", str(path), "--interval", "200ms", *arguments),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        while child.returncode is None:
            if frames(path) >= 2:
                break
            await asyncio.sleep(0.05)
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
        out, err = await child.communicate()
        assert child.returncode is not None
        return child.returncode, out.decode(), err.decode()


def test_sigterm_ends_it_with_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    code, out, err = asyncio.run(recorded(path))
    assert code == 0, err
    said = json.loads(out)
    assert said["files"] == [str(path)]
    assert said["error"] is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["a.tyard"]

    done = tokenyard("replay", str(path), "--info", "--json")
    assert done.returncode == 0, done.stderr
    held = json.loads(done.stdout)
    assert held["torn"] is None
    assert held["ticks"] == held["frames"] == said["ticks"] >= 2
    assert held["samples"] > 0
    assert (held["clock"], held["emulated"], held["redaction"]) == ("live", False, "none")
    done = tokenyard("replay", str(path), "--at", "end", "--json")
    assert json.loads(done.stdout)["targets"][0]["status"] == "up"


async def test_nothing_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    path.write_text("mine")
    done = await asyncio.to_thread(tokenyard, "record", "127.0.0.1:9", "-o", str(path))
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert path.read_text() == "mine"


async def test_it_ends_by_itself_after_so_long(tmp_path: Path) -> None:
    done = await asyncio.to_thread(tokenyard, "record", "127.0.0.1:9", "-o", str(tmp_path / "a.tyard"), "--for", "1s")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ticks"] >= 3


def test_max_disk_needs_files_to_remove(tmp_path: Path) -> None:
    done = tokenyard("record", "127.0.0.1:9", "-o", str(tmp_path / "a.tyard"), "--max-disk", "1G")
    assert done.returncode == 64
    assert "--file-size or --file-age" in done.stderr
    assert not (tmp_path / "a.tyard").exists()
