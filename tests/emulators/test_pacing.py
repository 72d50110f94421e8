"""The pacing against a clock that only moves when it is told to."""

import asyncio
import time

import pytest

from emulators.pacing import LEAST_S, PERIOD_S, RealTime, doze, pace


class Bench:
    """Real time as seen by the pacing: sleeping takes exactly as long as asked, a step takes `cost_s`."""

    def __init__(self, costs_s: list[float]) -> None:
        self.now = 1_000.0
        self.costs_s = costs_s
        self.steps: list[tuple[float, int]] = []
        self.wake_at = float("inf")
        self.dues_ns: list[int] = []

    async def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        self.now = self.wake_at if self.now < self.wake_at < end else end

    def due_ns(self) -> int | None:
        said = self.steps[-1][1] if self.steps else 0
        return next((due for due in self.dues_ns if due >= said), None)

    async def advance(self, until_ns: int) -> None:
        self.steps.append((self.now, until_ns))
        if len(self.steps) == len(self.costs_s):
            raise asyncio.CancelledError
        self.now += self.costs_s[len(self.steps) - 1]

    async def run(self, *, origin_ns: int = 0, speed: float = 1.0) -> None:
        real = RealTime(origin_ns, speed, clock=lambda: self.now)
        with pytest.raises(asyncio.CancelledError):
            await pace(self.advance, real, due_ns=self.due_ns, sleep=self.sleep)


@pytest.mark.parametrize("speed", [0.5, 1.0, 8.0])
async def test_virtual_time_is_real_time_times_speed(speed: float) -> None:
    bench = Bench([0.003] * 500)
    await bench.run(origin_ns=7, speed=speed)
    for i, (now, until_ns) in enumerate(bench.steps):
        assert until_ns == pytest.approx(7 + (now - 1_000) * speed * 1e9, abs=2)
        # On an absolute schedule: the cost of a step, or rounding, does not add up.
        assert now == pytest.approx(1_000 + (i + 1) * PERIOD_S, abs=1e-6)


async def test_steps_that_are_late_are_merged_and_the_schedule_is_kept() -> None:
    bench = Bench([0.001, 0.093, 0.001, 0.001, 0.001])
    await bench.run()
    assert [round((now - 1_000) / PERIOD_S, 3) for now, _ in bench.steps] == [1, 2, 6.65, 7, 8]
    assert [until_ns for _, until_ns in bench.steps] == sorted(until_ns for _, until_ns in bench.steps)


async def test_who_wakes_it_is_served_at_once() -> None:
    bench = Bench([0.0] * 4)
    bench.wake_at = 1_000.047
    await bench.run()
    assert [round((now - 1_000) * 1e3, 6) for now, _ in bench.steps] == [20, 40, 47, 60]


@pytest.mark.parametrize("speed", [0.5, 1.0, 8.0])
async def test_what_is_due_between_two_steps_is_told_when_it_has_happened(speed: float) -> None:
    bench = Bench([0.0] * 6)
    bench.dues_ns = [round(ms * speed * 1e6) for ms in (3.7, 9.25, 9.3, 47.0)]
    await bench.run(speed=speed)
    told = [(now - 1_000) * 1e3 for now, _ in bench.steps]
    assert told == pytest.approx([3.7, 9.25, 9.25 + LEAST_S * 1e3, 20, 40, 47], abs=1e-4)
    for due in bench.dues_ns:
        assert min(until for _, until in bench.steps if until > due) - due <= LEAST_S * speed * 1e9


@pytest.mark.parametrize("seconds", [0.0, 0.0004, 0.003])
async def test_an_exact_sleep_is_never_too_short(seconds: float) -> None:
    begun = time.monotonic()
    await doze(seconds, asyncio.Event(), exact=True)
    assert time.monotonic() - begun >= seconds


@pytest.mark.parametrize("exact", [False, True])
async def test_who_sleeps_can_be_woken(exact: bool) -> None:
    woken = asyncio.Event()
    sleeping = asyncio.create_task(doze(3_600, woken, exact=exact))
    await asyncio.sleep(0)
    woken.set()
    await asyncio.wait_for(sleeping, 60)
