"""The load by hand: what is drawn stays, its times are brought together or apart."""

from collections.abc import Sequence

import aiohttp
import numpy as np
import pytest

from emulators.arrivals import NS, Arrivals, LoadError, Rhythm, checked
from emulators.emulation import Emulation
from emulators.loop import Loop
from emulators.scenarios import build
from emulators.server import listening
from emulators.workload import Archetype, Session, Spread, Workload
from tests.emulators.fake import FakeCluster

ONE = Spread(1, 0, 1, 1)
SOME = Spread(100, 0.5, 10, 1_000)


def steady(**more: float) -> Archetype:
    return Archetype("steady", "interactive", 20.0, ONE, SOME, ONE, ONE, 1, ONE, **more)  # type: ignore[arg-type]


def come(archetype: Archetype, changes: Sequence[tuple[int, float]], seconds: int) -> list[tuple[float, int]]:
    """When sessions arrive, and how long their first prompts are; at a second of `changes` the load becomes that."""
    loop = Loop()
    out: list[tuple[float, int]] = []

    def ask(session: Session) -> None:
        out.append((loop.now_ns / NS, session.turn.added))

    workload = Workload(loop, 3, (archetype,), ask)
    for at, factor in changes:
        loop.run(at * NS, lambda: None)
        workload.quicken(factor)
    loop.run(seconds * NS, lambda: None)
    return out


def test_twice_the_load_is_the_same_sessions_in_half_the_time() -> None:
    plain, twice = come(steady(), [], 100), come(steady(), [(20, 2.0)], 60)
    assert [tokens for _, tokens in twice] == [tokens for _, tokens in plain]
    expected = [at if at < 20 else 20 + (at - 20) / 2 for at, _ in plain]
    assert [at for at, _ in twice] == pytest.approx(expected, abs=1e-8)


def test_no_new_sessions_and_then_as_before() -> None:
    plain, held = come(steady(), [], 50), come(steady(), [(10, 0.0), (30, 1.0)], 70)
    assert [at for at, _ in held] == pytest.approx([at if at < 10 else at + 20 for at, _ in plain], abs=1e-8)


def test_a_change_and_back_at_once_changes_nothing() -> None:
    assert come(steady(), [(10, 3.0), (10, 1.0)], 30) == come(steady(), [], 30)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_load_begins_and_ends_when_it_is_said_to(factor: float) -> None:
    times = np.array([at for at, _ in come(steady(from_s=20.0, until_s=40.0), [(10, factor)], 100)])
    assert len(times) == pytest.approx(20 * 20 * factor, rel=0.15)
    assert 20 < times.min() < 21
    assert 39 < times.max() < 40


def test_bursts_stay_bursts() -> None:
    arrivals = Arrivals(Rhythm(2.0, 4, 0.001, 0.0, None), np.random.default_rng(1))
    arrivals.quicken(0, 4.0)
    times = []
    for _ in range(400):
        times.append(arrivals.due_ns() or 0)
        arrivals.take()
    gaps = np.diff(times) / NS
    assert np.mean(gaps[3::4]) == pytest.approx(0.5, rel=0.25), "a burst of four every half second"
    assert np.median(np.delete(gaps, np.s_[3::4])) < 0.001


@pytest.mark.parametrize("factor", [-1, 11, float("nan"), float("inf"), True, "2", None])
def test_what_is_no_load(factor: object) -> None:
    with pytest.raises(LoadError, match="a number from 0"):
        checked(factor)


async def test_the_control_port_changes_the_load() -> None:
    emulation = Emulation(build("default", 7), clock="stepped", clock_id="test")
    async with listening(emulation, 0) as addresses, aiohttp.ClientSession() as http:
        url = f"{addresses['router']}/load"
        async with http.post(url, json={"factor": 4}) as response:
            assert (response.status, await response.json()) == (200, {"factor": 4.0, "now_ns": 0})
        for wrong in ({"factor": 11}, {"factor": "2"}, {}, {"factor": 1, "more": 2}, [2]):
            async with http.post(url, json=wrong) as response:
                assert response.status == 400
                assert (await response.json())["error"]
        async with http.get(url) as response:
            assert (await response.json())["factor"] == 4.0
        await emulation.advance(10 * NS)
    plain = build("default", 7)
    plain.advance(10 * NS)
    ours, theirs = (len(one.requested()["request"]) for one in (emulation.cluster, plain))
    assert ours > 1.5 * theirs


def test_where_no_session_arrives_there_is_no_load_to_change() -> None:
    with pytest.raises(LoadError, match="no session arrives by a rate"):
        FakeCluster().workload.quicken(2.0)
