"""The pacing against a clock that only moves when it is told to."""

import asyncio

import pytest

from emulators.pacing import FINE_PERIOD_S, PERIOD_S, RealTime, pace


class Bench:
    """Real time as seen by the pacing: sleeping takes exactly as long as asked, a step takes `cost_s`."""

    def __init__(self, costs_s: list[float]) -> None:
        self.now = 1_000.0
        self.costs_s = costs_s
        self.steps: list[tuple[float, int]] = []
        self.wake_at = float("inf")

    async def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        self.now = self.wake_at if self.now < self.wake_at < end else end

    async def advance(self, until_ns: int) -> None:
        self.steps.append((self.now, until_ns))
        if len(self.steps) == len(self.costs_s):
            raise asyncio.CancelledError
        self.now += self.costs_s[len(self.steps) - 1]

    async def run(self, *, origin_ns: int = 0, speed: float = 1.0) -> None:
        real = RealTime(origin_ns, speed, clock=lambda: self.now)
        with pytest.raises(asyncio.CancelledError):
            await pace(self.advance, real, period=self.period, sleep=self.sleep)

    def period(self) -> float:
        return FINE_PERIOD_S if self.now >= self.wake_at else PERIOD_S


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


async def test_who_wakes_it_is_served_at_once_and_then_finely() -> None:
    bench = Bench([0.0] * 5)
    bench.wake_at = 1_000.047
    await bench.run()
    assert [round((now - 1_000) * 1e3, 6) for now, _ in bench.steps] == [20, 40, 47, 48, 49]
