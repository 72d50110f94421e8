"""What docs/operators.md says: each question is answered at 80×24 after so few keys, and over a slow terminal as well."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from textual.widgets import Static

from tests.tui.demo import demo
from tests.tui.screen import at_rest, lines, running, text
from tests.tui.test_frame_of_screens import toasted

DOC = Path(__file__).parents[2] / "docs" / "operators.md"
SIZE = (80, 24)
ASK = b"\x1b[6n"
RATE = 2048
"""Bytes a second: less than a screen every other second needs."""
STRAGGLER = "straggler:gpu-1/0@12s+30s,factor=4"
STORMS = [
    f"eviction-storm:{whose}@10s+30s,share={share},every_s=1" for whose, share in (("gpu-0/0", 0.5), ("host-0.DRAM", 1))
]


@pytest.fixture(scope="module")
def keys() -> list[list[str]]:
    """Keys of each question, as the document has them: `5 enter`."""
    told = re.findall(r"^\| .* \| (?:`([^`]*)`|none) \| \d \|", DOC.read_text(), re.M)
    assert len(told) == 6
    names = {"shift-tab": "shift+tab"}
    return [[names.get(key, key) for key in one.split()] for one in told]


async def test_which_worker_stalls_since_when_and_why(keys: list[list[str]]) -> None:
    assert keys[:2] == [[], ["V"]]
    async with running(demo("default", STRAGGLER, seconds=28).played(), SIZE, toasts=True) as (app, pilot):
        first = " ".join(lines(app)[3:5])
        assert re.search(
            r"▲ gpu-1: every step takes ×[\d.]+ as long .*\(since\s+\+\d:[\d.]+; fast gaps [\d.]+ ms against", first
        )
        await pilot.press(*keys[1])
        await toasted(pilot)
        said = str(app.screen.query_one("Toast", Static).render())
        assert "drain it" in " ".join(said.split())
        assert any(line.startswith("▸  gpu-1 ") for line in lines(app)), "the cursor is on the worker"


async def test_which_tier_thrashes_and_what_that_costs(keys: list[list[str]]) -> None:
    assert [len(one) for one in keys[4:]] == [1, 1]
    async with running(demo("default", *STORMS, seconds=26).played(), SIZE) as (app, pilot):
        assert re.search(r"▲ gpu-0: its HBM is emptied again and again .*GB/s evicted", " ".join(lines(app)[3:5]))
        for pressed in keys[4:]:
            await pilot.press("1", *pressed)
            await at_rest(pilot)
            pools = [line for line in lines(app) if re.match(r".▲ \S+ +HBM ", line) or re.match(r"▸▲ gpu-0 ", line)]
            evicted, share, back = re.findall(r"[\d.]+ [GM]iB|\d+ %", pools[0])[-3:]
            assert "gpu-0" in pools[0]
            assert evicted.endswith("iB")
            assert share.endswith("%")
            assert back.endswith("iB")
            assert "energy" in text(app)
            assert re.search(r"gpu-0 +█+▒+ +[\d.]+M +\d+ %", text(app)), (
                "how much of the prompts was found all the same"
            )


async def test_why_a_request_went_where_it_did(keys: list[list[str]]) -> None:
    assert all(len(one) <= 4 for one in keys[2:4])
    for pressed in keys[2:4]:
        async with running(demo().played(), SIZE) as (app, pilot):
            await pilot.press(*pressed)
            await at_rest(pilot)
            shown = text(app)
            assert re.search(r"^ rule \S+  labels ", shown, re.M)
            assert re.search(r"^ ◆ .*(before the next: \w+ \+[\d.]+|the only candidate)$", shown, re.M)
            assert "SLO headroom" in shown


def test_over_a_slow_terminal_a_key_is_answered_behind_one_screen() -> None:
    """Counted in bytes: what comes between a key and its answer. A screen is on its way; where the machine is busy another was begun with before the key was read; and a part of the answer."""
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "80", "LINES": "24"}
    command = [sys.executable, "-m", "tui", "demo"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
    ) as child:
        os.close(theirs)
        seen = bytearray()

        def slowly(enough: int, until: bytes = b"") -> int:
            """Read at the rate until there is so much, or what is looked for; how much that was."""
            begin = len(seen)
            deadline = time.monotonic() + 90
            while len(seen) - begin < enough and time.monotonic() < deadline:
                if select.select([ours], [], [], 1)[0]:
                    got = os.read(ours, 256)
                    seen.extend(got)
                    time.sleep(len(got) / RATE)
                    for _ in range(seen[-len(got) - len(ASK) + 1 :].count(ASK)):
                        os.write(ours, b"\x1b[24;80R")
                if until and until in seen[begin:]:
                    break
            return len(seen) - begin

        try:
            slowly(100_000, b"EMULATED")
            assert b"EMULATED" in seen
            slowly(30_000)
            os.write(ours, b"?")
            taken = slowly(100_000, b"The cursor one row")
            assert taken < 20_000
            assert b"The cursor one row" in seen
        finally:
            child.kill()
            os.close(ours)
