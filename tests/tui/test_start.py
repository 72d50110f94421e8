"""What is loaded before the first paint."""

import subprocess
import sys

HEAVY = (
    "numpy",
    "aiohttp",
    "msgspec",
    "prometheus_client",
    "sqlite3",
    "collectors.model.frame",
    "collectors.session",
    "emulators",
)


def test_the_app_loads_nothing_heavy() -> None:
    code = f"import sys, tui.app; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
