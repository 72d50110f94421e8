import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import textual.app
import textual.pilot
from textual.constants import MAX_FPS

from collectors.compare.comparison import Comparison
from collectors.diagnose.judging import Judging


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC, the terminal has colours and is near, whatever the machine says."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of twelve seconds of the demo."""
    from tui.headless import demo_frames

    path = tmp_path_factory.mktemp("recorded") / "demo.tyard"
    asyncio.run(demo_frames("default", 7, 12.0, path, lambda _: None))
    return path


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Of half a minute of the demo, and the same with a slow worker."""
    from tui.comparing import compared
    from tui.headless import demo_frames

    folder = tmp_path_factory.mktemp("compare")
    paths: list[Path] = []
    for name, faults in (("before", ()), ("after", ("straggler:gpu-1/0@1s+600s,factor=3",))):
        paths.append(folder / f"{name}.tyard")
        asyncio.run(demo_frames("default", 7, 30.0, paths[-1], lambda _: None, faults))
    whole = None, None
    return compared((paths[0], paths[1]), (whole, whole), None, Judging())


async def nothing_ready(*_: float) -> None:
    """All callbacks are done, also those that they called. Textual's own way is to look at the CPU's time: at least 20 ms each time, and a second beside others."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    for _turn in range(1_000):
        await asyncio.sleep(0)
        if not ready:
            return


async def a_frame_later(*_: float) -> None:
    """What waits for the next repaint is done, too."""
    await nothing_ready()
    await asyncio.sleep(1 / MAX_FPS)
    await nothing_ready()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and pauses of a pilot wait for what there is to do, not for time."""
    monkeypatch.setattr(textual.app, "wait_for_idle", nothing_ready)
    monkeypatch.setattr(textual.pilot, "wait_for_idle", a_frame_later)
