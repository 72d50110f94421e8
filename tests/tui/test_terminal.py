"""The dashboard on a real pseudo-terminal: what reaches it. Bytes are counted, nothing is timed."""

import re

from bench.ui import GOAL_KIB, KIB, watch

COLOUR = re.compile(rb"\x1b\[[0-9;]*?(?:38|48);5;")


def test_a_frame_of_72_workers_is_small_on_the_wire() -> None:
    frames = 12
    seen = watch("play", "72", "30", str(frames), "overview")
    kib = (seen.bytes_at["end"] - seen.bytes_at["begin"]) / frames / KIB
    assert 1 < kib <= GOAL_KIB
    assert COLOUR.search(seen.output)


def test_no_color_reaches_the_terminal() -> None:
    seen = watch("play", "4", "30", "2", "overview", environment={"NO_COLOR": "1"})
    assert b"EMULATED" in seen.output
    assert not COLOUR.search(seen.output)
