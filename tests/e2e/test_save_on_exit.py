"""`--save-on-exit`: what a dashboard remembers is a recording when it is closed."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

from collectors.recording.reader import Reader
from tests.e2e.commands import tokenyard

DEADLINE_S = 60.0


def test_what_was_seen_is_written_when_the_dashboard_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "seen.tyard"
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tui", "demo", "--save-on-exit", str(path)]
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", "XDG_STATE_HOME": str(tmp_path)}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        os.set_blocking(ours, False)
        shown, until = b"", time.monotonic() + DEADLINE_S
        while b"gpu-1" not in shown and time.monotonic() < until:
            time.sleep(0.05)
            shown += _read(ours)
        os.write(ours, b"q")
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
            shown += _read(ours)
        process.kill()
    said = (shown + _read(ours)).decode(errors="replace")
    os.close(ours)
    assert process.returncode == 0, said[-400:]
    assert "written to" in said
    with Reader(path) as reader:
        assert reader.torn is None
        assert reader.count_frames() > 0


def test_it_goes_with_a_dashboard(tmp_path: Path) -> None:
    done = tokenyard("demo", "--headless", "--save-on-exit", str(tmp_path / "a.tyard"))
    assert done.returncode == 64
    assert "--record" in done.stderr


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 1 << 16)
    except (BlockingIOError, OSError):
        return b""
