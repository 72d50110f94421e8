"""Blocks that are opened later, when somebody looks: the same rows and the same answers as with an event for each."""

from random import Random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from emulators.blocks import Chain, Context
from emulators.events import Events
from emulators.journal import Journal
from emulators.kv import Pool
from emulators.loop import Loop

CAPACITY = 24
PROMPT = Chain(1)
PROMPT.grow(3)
CONTEXTS = [Context(number, PROMPT) for number in range(6)]
for context in CONTEXTS:
    context.grow(16 * 14)


def play(seed: int, *, later: bool, ends: list[int]) -> tuple[list[Any], list[Any], list[Any]]:
    """Requests that hold some blocks, open more and release all, while others ask: block rows, occupancy rows, answers. Nothing falls on the same nanosecond."""
    rng = Random(seed)
    loop, journal = Loop(), Journal()
    pool = Pool(0, "SRAM", "lpu", 0, CAPACITY, 1, journal)
    answers: list[Any] = []

    def begin(one: Context, held: int, times: list[int], end: int) -> None:
        taken = pool.claim(loop.now_ns, one.runs(0, held), len(times))
        answers.append((loop.now_ns, taken))
        if not taken:
            return
        runs = one.runs(held, held + len(times))
        if later:
            pool.open_later(loop, runs, times)
        else:
            blocks = [(chain, at, at + 1) for chain, lo, hi in runs for at in range(lo, hi)]
            for time, run in zip(times, blocks, strict=True):
                loop.at(time, lambda time=time, run=run: pool.claim_reserved(time, run))
        loop.at(end, lambda: pool.release(end, one.runs(0, held + len(times)), held + len(times) - 1))

    def ask(one: Context, hi: int) -> None:
        runs = one.runs(0, hi)
        answers.append(
            (loop.now_ns, pool.prefix(runs), [pool.stretch(run) for run in runs], pool.fits(runs), pool.room)
        )

    moments = iter(rng.sample(range(1, 3_000), 600))
    for _ in range(40):
        held, count = rng.randint(1, 8), rng.randint(0, 6)
        start, *times, end = sorted(next(moments) for _ in range(count + 2))
        loop.at(start, begin, rng.choice(CONTEXTS), held, times, end)
        loop.at(next(moments), ask, rng.choice(CONTEXTS), rng.randint(1, 14))
    told: list[Events] = []
    for until in (*ends, 4_000):
        loop.run(until, lambda: pool.report(loop.now_ns))
        pool.settle(until)
        told.append(journal.take())
    blocks = [row for events in told for row in events.blocks.tolist()]
    return blocks, [row for events in told for row in events.occupancy.tolist()], answers


@settings(max_examples=60, deadline=None)
@example(262_145, [1_669])
@given(st.integers(0, 1 << 32), st.lists(st.integers(0, 3_999), max_size=5))
def test_rows_and_answers_are_those_of_an_event_each(seed: int, ends: list[int]) -> None:
    expected = play(seed, later=False, ends=[])
    assert any(row[4] for row in expected[0]) or len(expected[0]) <= CAPACITY
    assert play(seed, later=True, ends=sorted(ends)) == expected
