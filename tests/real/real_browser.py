"""A served demo in a real headless Chromium: the river moves, keys work, and two browsers see sessions of their own.

Needs Debian's `chromium`, `playwright` and textual-serve; skipped with the reason where one is missing.
"""

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("textual_serve")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
TIME = re.compile(r"\+(\d+):(\d\d\.\d)")


@pytest.fixture
def url() -> Iterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "tui", "serve", "demo", "bad-day", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        address = child.stdout.readline().strip()
        until(lambda: answers(port))
        yield address
        child.terminate()


def answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


class Browser:
    """A page of a context of its own, and all that its terminal was sent."""

    def __init__(self, chromium: Any, url: str) -> None:
        self.page = chromium.new_context(viewport={"width": 1100, "height": 700}).new_page()
        self.said = ""
        self.page.on("websocket", lambda ws: ws.on("framereceived", self._take))
        self.page.goto(url)
        self.page.wait_for_selector(".xterm").click()

    def _take(self, data: str | bytes) -> None:
        self.said += data if isinstance(data, str) else data.decode(errors="replace")

    @property
    def at_s(self) -> float:
        """Of the show, as it was last said in the head of the screen."""
        found = TIME.findall(self.said.replace("\n", ""))
        return float(found[-1][0]) * 60 + float(found[-1][1]) if found else -1.0

    def until(self, true: Callable[[], bool], seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.said[-2000:]
            self.page.wait_for_timeout(50)


def test_a_demo_in_two_browsers(url: str, tmp_path: Any) -> None:
    with playwright.sync_playwright() as it:
        chromium = it.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        one, two = Browser(chromium, url), Browser(chromium, url)
        one.until(lambda: "EMULATED" in one.said and one.at_s > 1)
        two.until(lambda: "EMULATED" in two.said and two.at_s > 1)
        # It moves: what is drawn in the browser, not only what was sent.
        before = one.page.screenshot(path=tmp_path / "one.png")
        began = one.at_s
        one.until(lambda: one.at_s > began + 1)
        assert one.page.screenshot() != before
        # Keys work, and only in their own session.
        one.page.keyboard.press("PageDown")
        one.until(lambda: "A straggler" in one.said and one.at_s >= 9)
        assert two.at_s < one.at_s, "the other one goes at its own pace"
        one.page.keyboard.press("0")
        one.page.keyboard.press("Space")
        one.until(lambda: "PAUSED" in one.said)
        held = one.at_s
        there = two.at_s
        two.until(lambda: two.at_s > there + 1)
        assert one.at_s == held
        assert "PAUSED" not in two.said
        two.page.keyboard.press("?")
        two.until(lambda: "Next chapter" in two.said)
        chromium.close()


def test_another_origin_and_another_name_are_refused(url: str) -> None:
    with playwright.sync_playwright() as it:
        asked = it.request.new_context()
        assert asked.get(url).status == 200
        assert asked.get(url, headers={"Host": "evil.example"}).status == 403
        assert asked.get(f"{url}ws", headers={"Origin": "http://evil.example"}).status == 403
