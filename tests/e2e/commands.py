"""The command line as a user runs it: a process of its own, its output and its exit code."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tokenyard(*arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
