"""The terminal is asked for the width of glyphs and for its speed: by questions that it answers when it has taken what came before."""

import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from tests.e2e.commands import ROOT
from tui.asking import Answer
from tui.doctor import Found, as_text
from tui.selftest import packages, terminal_of
from tui.speed import LONG_S, PATIENCE_S, Speed, drawn_hz, measured


def line(bytes_per_s: float, round_trip_s: float = 0.0) -> Callable[[bytes, float], Answer | None]:
    """A terminal that takes that much, and answers so long after it."""

    def ask(data: bytes, within_s: float) -> Answer | None:
        took_s = len(data) / bytes_per_s + round_trip_s
        return None if took_s > within_s else Answer(0, took_s)

    return ask


@pytest.mark.parametrize("round_trip_s", [0.0, 0.001, 0.2])
@pytest.mark.parametrize("bytes_per_s", [1_000, 9_600, 100_000, 5e6])
def test_the_true_speed_is_in_the_interval(bytes_per_s: float, round_trip_s: float) -> None:
    it = measured(line(bytes_per_s, round_trip_s))
    assert it is not None
    assert it.high is not None
    assert it.low <= bytes_per_s * (1 + 1e-9)
    assert bytes_per_s <= it.high * (1 + 1e-9)
    assert it.high / it.low <= 1 + round_trip_s / LONG_S + 1e-9 or it.bytes / bytes_per_s < LONG_S
    assert it.bytes / bytes_per_s <= PATIENCE_S


def test_what_is_too_slow_or_too_fast_to_be_measured_is_a_bound() -> None:
    slow = measured(line(100))
    assert slow is not None
    assert (slow.low, slow.high) == (0.0, 400.0)
    fast = measured(lambda data, _: Answer(0, 0.05))
    assert fast is not None
    assert (fast.low, fast.high) == (fast.bytes / 0.05, None)
    assert measured(lambda data, _: None) is None


def test_how_often_it_is_drawn_follows_from_its_speed_and_size() -> None:
    def speed(bytes_per_s: float) -> Speed:
        return Speed(bytes_per_s, bytes_per_s, 1, 0.0)

    assert drawn_hz(80, 24, None, ssh=False) == drawn_hz(80, 24, speed(1e6), ssh=False) == 4
    assert drawn_hz(80, 24, speed(1e6), ssh=True) == 2
    rates = [drawn_hz(200, 50, speed(bytes_per_s), ssh=False) for bytes_per_s in (1e5, 4e4, 2e4, 1e4, 1e3)]
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[-1]) == (4, 0.5)
    assert drawn_hz(80, 24, speed(1e4), ssh=False) > drawn_hz(200, 50, speed(1e4), ssh=False)


@pytest.mark.parametrize(
    ("speed", "silent", "said"),
    [
        (Speed(1_950, 2_050, 1, 0.0), "", r"takes \(1\.90 KiB, 2\.00 KiB\] a second; drawn about 4 times a second"),
        (Speed(0.0, 400.0, 1, 0.0), "", "takes ≤ 400 B a second"),
        (Speed(2**30, None, 1, 0.0), "", "takes at least 1.00 GiB a second"),
        (None, "no answer", "not measured: no answer; drawn about 4 times a second"),
    ],
)
def test_in_words(speed: Speed | None, silent: str, said: str) -> None:
    from msgspec import structs, to_builtins

    one = terminal_of({"TERM": "xterm"}, tty=True, size=(80, 24), encoding="utf-8")
    own = {**packages(), "config": "c.toml", "config_looked_for": ""}
    own["terminal"] = to_builtins(structs.replace(one, speed=speed, silent=silent, drawn_hz=4.0))
    assert re.search(f"speed {said}", " ".join(as_text(Found(own, (), ())).split()))


def asked(code: str, answers: Callable[[bytes], bytes], bytes_per_s: float = 1e9) -> str:
    """What a process prints at last on a terminal that takes so much a second, and answers questions by all that it has heard."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}; print('\\nsaid', x)"],
        cwd=ROOT,
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.STDOUT,
    )
    os.close(terminal)
    heard = b""

    def read() -> None:
        nonlocal heard
        try:
            while data := os.read(main, 256):
                time.sleep(len(data) / bytes_per_s)  # what makes it slow
                heard += data
                if answer := answers(heard):
                    os.write(main, answer)
        except OSError:
            pass  # the other end is closed

    thread = threading.Thread(target=read)
    thread.start()
    assert process.wait(timeout=60) == 0
    thread.join(timeout=10)
    os.close(main)
    assert b"\r\x1b[K" in heard, "the line is wiped"
    return heard.decode().rpartition("said ")[2].strip()


@pytest.mark.parametrize(("cells", "said"), [(1, "1.0"), (2, "2.0"), (None, "None")])
def test_the_width_of_glyphs(cells: int | None, said: str) -> None:
    """A terminal that answers where its cursor is, and one that does not, which is waited for only shortly."""
    code = f"""import tui.selftest as t
t.ANSWER_S = {5.0 if cells else 0.05}
with t.asking() as ask: x = t.width_of(ask, t.BRAILLE)
x = x"""

    def answers(heard: bytes) -> bytes:
        return b"\x1b[5;%dR" % (1 + 4 * cells) if cells and heard.endswith(b"\x1b[6n") else b""

    assert asked(code, answers) == said


def test_the_speed_of_a_real_one() -> None:
    """It answers when it has read everything, so it is never faster than it reads, whatever else this machine does."""
    code = """import tui.speed as s, tui.asking as a
s.ANSWER_S = 30.0
s.PATIENCE_S = 30.0
with a.asking() as ask: it = s.measured(ask)
x = it.low, it.bytes"""

    def answers(heard: bytes) -> bytes:
        return b"\x1b[1;1R" if heard.endswith(b"\x1b[6n") else b""

    found = {
        rate: [float(one) for one in asked(code, answers, rate).strip("()").split(",")] for rate in (8_000.0, 80_000.0)
    }
    for rate, (low, size) in found.items():
        assert 0 < low <= rate * size / (size - 256)
    assert found[80_000.0][0] > found[8_000.0][0]
