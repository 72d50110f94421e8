"""What a list tells of how deliveries went is what the deliveries themselves say, in one look or in many."""

from collections.abc import Sequence

import numpy as np
import pytest

from collectors.model.batch import UNCOUNTED, WHOLE
from collectors.session.arrivals import Arrivals, Wanted, arrivals
from collectors.session.courses import NO_GAP, Course, courses
from collectors.session.kept_deliveries import Piece
from collectors.session.own_gaps import OwnGaps, own_gaps
from collectors.stats.kept_rows import KeptRows
from collectors.stats.stalls import STALL

NAMES = ("w-0", "w-1", "w-2")


def piece(tick: int, runs: Sequence[tuple[int, int]], draw: np.random.Generator, state: dict[int, list[int]]) -> Piece:
    """Runs of (serial, deliveries); now and then a token is missing, a clock goes back, or another worker goes on."""
    columns: dict[str, list[int]] = {name: [] for name in ("time_ns", "first", "tokens", "row", "late", "flags")}
    begin = []
    for serial, count in runs:
        begin.append(len(columns["time_ns"]))
        time_ns, token = state.setdefault(serial, [1_000 * serial, 0])
        for _ in range(count):
            time_ns += int(draw.integers(-50, 1_000))
            token += int(draw.random() < 0.1)
            tokens = int(draw.integers(1, 4))
            flags = int(draw.choice(np.array([0, 0, 0, UNCOUNTED, WHOLE])))
            row, late = int(draw.integers(len(NAMES))), int(draw.integers(STALL + 1))
            values = (time_ns, token, tokens, row, late, flags)
            for name, value in zip(columns, values, strict=True):
                columns[name].append(value)
            token += tokens
        state[serial] = [time_ns, token]
    nothing = np.zeros(len(columns["time_ns"]), np.float32)
    rows = KeptRows(
        ids=NAMES,
        offset_ns=0,
        limit_ns=1 << 60,
        begin=np.array(begin, np.intp),
        serial=np.array([serial for serial, _ in runs], np.uint32),
        time_ns=np.array(columns["time_ns"], np.int64),
        first=np.array(columns["first"], np.uint32),
        tokens=np.array(columns["tokens"], np.uint16),
        row=np.array(columns["row"], np.uint16),
        kind=nothing.astype(np.uint16),
        late=np.array(columns["late"], np.uint8),
        lead_ns=nothing,
        duration_ns=nothing,
        flags=np.array(columns["flags"], np.uint8) if tick % 2 else None,
        extras=None,
    )
    return Piece("s", tick, True, rows)


def told(of: Arrivals) -> Course:
    gaps = of.gaps_ns
    return Course(
        of.workers[int(of.worker[-1])],
        int(of.first[0]),
        int(of.time_ns[0]),
        int(of.time_ns[-1]),
        of.next_token,
        int(gaps.max()) if len(gaps) else NO_GAP,
        len(of.stalls),
        int(np.bitwise_or.reduce(of.flags)),
    )


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_the_deliveries_say(seed: int) -> None:
    draw = np.random.default_rng(seed)
    state: dict[int, list[int]] = {}
    pieces = []
    for tick in range(1, 13):
        some = draw.permutation(np.arange(1, 9))[: int(draw.integers(1, 8))].tolist()
        runs = [(int(serial), int(draw.integers(1, 6))) for serial in some for _ in range(int(draw.integers(1, 3)))]
        pieces.append(piece(tick, runs, draw, state))
    serials = {10: [1], 11: [2, 3], 12: [4], 13: [5, 6, 7], 14: [8], 15: [99]}
    begin = {key: int(draw.integers(0, 4)) for key in serials}
    whole = {key: Wanted[Arrivals](mine, begin[key], None) for key, mine in serials.items()}
    expected = {key: told(one) for key, one in arrivals(pieces, whole).items()}
    assert len(expected) >= 4
    gaps_ns = {key: one.gaps_ns.tolist() for key, one in arrivals(pieces, whole).items()}
    at_once = {key: Wanted[Course](mine, begin[key], None) for key, mine in serials.items()}
    assert courses(pieces, at_once) == expected
    known: dict[int, Course] = {}
    gaps: dict[int, OwnGaps] = {}
    looked = 0
    for until in (3, 4, 9, 12):
        wanted = {
            key: Wanted[OwnGaps](mine, looked if key in gaps else begin[key], gaps.get(key))
            for key, mine in serials.items()
        }
        gaps |= own_gaps(pieces[:until], wanted)
        asked = {
            key: Wanted[Course](mine, looked if key in known else begin[key], known.get(key))
            for key, mine in serials.items()
        }
        known |= courses(pieces[:until], asked)
        looked = until
    assert known == expected
    assert {key: one.gaps_ns.tolist() for key, one in gaps.items()} == gaps_ns


def test_nothing_of_nobody() -> None:
    assert courses([], {}) == {}
    assert courses([], {1: Wanted[Course]([], 0, None), 2: Wanted[Course]([5], 0, None)}) == {}
    before = Course("w", 0, 1, 2, 3, 4, 5, 0)
    assert courses([], {1: Wanted[Course]([5], 0, before)}) == {1: before}
