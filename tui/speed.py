"""How fast the terminal takes what is written, and how often the dashboard will then be drawn. Pure but for the questions, which somebody else puts."""

from typing import Final

import msgspec

from tui.asking import Ask
from tui.pace import BEHIND, SLOWEST_HZ, SSH_HZ, TICK_HZ

ANSWER_S: Final = 0.3
"""How long a terminal may take to say where its cursor is, ssh included."""
PATIENCE_S: Final = 5.0
"""How long it may take for what is written to it before that."""
ROUND_TRIPS: Final = 3
FIRST_WORDS: Final = 50
TIMES: Final = 4
MOST_WORDS: Final = FIRST_WORDS * TIMES**5
LONG_S: Final = 0.25
"""What takes so long beyond a round trip is long enough to be measured."""
FRAME_BYTES: Final = 2_048
CELL_BYTES: Final = 0.6
"""Of an average frame, and for each cell of the screen besides: only what changed is written. The demo writes 3.1 to 3.6 KiB at 80×24, 7.6 to 8.6 KiB at 200×50."""
_WORD: Final = b"\r\x1b[38;5;252;48;5;234m" + b" " * 19
"""40 bytes as a frame has them, colours and cells, which change nothing but the line that the cursor is on."""


class Speed(msgspec.Struct, frozen=True):
    """Bytes a second that the terminal takes lie between `low` and `high` (None: so fast that it is not known), by `bytes` that were written; `round_trip_s` is its longest answer to a
    question alone.
    """

    low: float
    high: float | None
    bytes: int
    round_trip_s: float


def measured(ask: Ask) -> Speed | None:
    """None if the terminal does not answer. Takes a second, of a slow one PATIENCE_S more."""
    round_trip_s = 0.0
    for _ in range(ROUND_TRIPS):
        if (answer := ask(b"", ANSWER_S)) is None:
            return None
        round_trip_s = max(round_trip_s, answer.seconds)
    words = FIRST_WORDS
    while True:
        size = words * len(_WORD)
        if (answer := ask(words * _WORD, PATIENCE_S)) is None:
            return Speed(0.0, size / PATIENCE_S, size, round_trip_s)
        beyond_s = answer.seconds - round_trip_s
        if beyond_s >= LONG_S or words >= MOST_WORDS:
            return Speed(size / answer.seconds, size / beyond_s if beyond_s > 0 else None, size, round_trip_s)
        words *= TIMES


def drawn_hz(columns: int, rows: int, speed: Speed | None, *, ssh: bool) -> float:
    """Frames a second at which it will be drawn, about: as ticks come, less over ssh, and halved until the terminal is waited for less than half of the time."""
    hz = SSH_HZ if ssh else TICK_HZ
    frame = FRAME_BYTES + columns * rows * CELL_BYTES
    while speed is not None and hz > SLOWEST_HZ and frame * hz > BEHIND * speed.low:
        hz /= 2
    return hz
