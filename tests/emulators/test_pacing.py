"""The pacing against a clock that only moves when it is told to."""

import asyncio

import pytest

from emulators.pacing import PERIOD_S, pace


class Bench:
    """Real time as seen by the pacing: sleeping takes exactly as long as asked, a step takes `cost_s`."""

    def __init__(self, costs_s: list[float]) -> None:
        self.now = 1_000.0
        self.costs_s = costs_s
        self.steps: list[tuple[float, int]] = []

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def advance(self, until_ns: int) -> None:
        self.steps.append((self.now, until_ns))
        if len(self.steps) == len(self.costs_s):
            raise asyncio.CancelledError
        self.now += self.costs_s[len(self.steps) - 1]

    async def run(self, *, origin_ns: int = 0, speed: float = 1.0) -> None:
        with pytest.raises(asyncio.CancelledError):
            await pace(self.advance, origin_ns=origin_ns, speed=speed, clock=lambda: self.now, sleep=self.sleep)


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
