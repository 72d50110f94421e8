"""Targets come and go while a session runs: what is new is opened, what is gone says so, nothing else restarts."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from collectors.model.frame import Frame
from collectors.model.vocabulary import State, TargetStatus
from collectors.observe import Observation
from collectors.session.clock import LiveClock
from collectors.session.session import GONE_S, MAX_GONE, Session
from collectors.sources.annotated import annotated
from collectors.sources.detect import open_parsed
from collectors.sources.settings import Assumed, TargetSettings
from collectors.sources.source import Clock, Emit, Source
from collectors.sources.target import Places, Target, parse_target
from collectors.targets import roster as roster_module
from collectors.targets.file_sd import FileSd
from collectors.targets.roster import Roster
from collectors.targets.spec import Lister, TargetSpec
from collectors.wire.access import Clients
from collectors.wire.http import HttpClient
from tests.loopback import by_path, page, says, serving
from tests.session.test_observe import up

VLLM = (Path(__file__).parent.parent / "fixtures" / "vllm" / "under_load.metrics.txt").read_bytes()
PATIENCE_S = 20.0
LIKE = TargetSpec(Target("", "", None, None), TargetSettings(interval_s=0.2, kv_events=False))


class Frames:
    def __init__(self) -> None:
        self.all: list[Frame] = []
        self._news = asyncio.Event()

    def __call__(self, frame: Frame) -> None:
        self.all.append(frame)
        self._news.set()

    async def until(self, enough: Callable[[Frame], bool]) -> Frame:
        async with asyncio.timeout(PATIENCE_S):
            while not (self.all and enough(self.all[-1])):
                self._news.clear()
                await self._news.wait()
        return self.all[-1]


@contextlib.asynccontextmanager
async def watching(named: list[TargetSpec], listers: list[Lister]) -> AsyncIterator[Frames]:
    frames = Frames()
    async with Clients() as clients:

        def opener(spec: TargetSpec, name: str) -> Source:
            source = open_parsed(spec.target, clients.of(spec.settings.access), name, spec.settings)
            return annotated(source, spec.target.url, spec.settings, spec.assumed)

        roster = Roster(named, listers, opener)
        live = asyncio.create_task(Observation(Session("live"), [roster], LiveClock(), frames).live())
        try:
            yield frames
        finally:
            live.cancel()
            await asyncio.gather(live, return_exceptions=True)
            await roster.close()


def states(frame: Frame) -> dict[str, tuple[TargetStatus, str]]:
    return {row.name: (row.status, row.reason) for row in frame.targets}


async def test_targets_of_a_file_come_and_go(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    lister = FileSd(str(file), LIKE)
    lister.every_s = 0.05
    async with serving(by_path(metrics=says(page(VLLM)))) as one, serving(by_path(metrics=says(page(VLLM)))) as two:
        file.write_text(json.dumps([{"targets": [one.name], "labels": {"rack": "a"}}]))
        named = LIKE.of(parse_target(two.name), {})
        async with watching([named], [lister]) as frames:
            frame = await frames.until(lambda frame: len(frame.workers) == 2)
            assert {worker.id: worker.labels for worker in frame.workers} == {
                f"{one.name}/0": {"rack": "a"},
                f"{two.name}/0": {},
            }
            # Also listed, it is watched as it was named; and the other one goes.
            file.write_text(json.dumps([{"targets": [two.name]}]))
            frame = await frames.until(lambda frame: states(frame)[one.name][0] is TargetStatus.GONE)
            assert states(frame)[one.name] == (TargetStatus.GONE, "no longer listed")
            assert states(frame)[two.name] == (TargetStatus.UP, "")
            asked = len(one.requests)
            frame = await frames.until(
                lambda frame: any(row.target == one.name and row.running.state is State.ABSENT for row in frame.workers)
            )
            assert next(row for row in frame.workers if row.target == two.name).running.state is State.OK
            assert len(one.requests) == asked
            # It comes back, under its own name.
            file.write_text(json.dumps([{"targets": [one.name]}]))
            await frames.until(lambda frame: states(frame)[one.name] == (TargetStatus.UP, ""))
            assert len(states(frames.all[-1])) == 3


async def test_a_target_that_is_to_be_watched_in_another_way_is_opened_anew(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    lister = FileSd(str(file), LIKE)
    lister.every_s = 0.05
    async with serving(by_path(metrics=says(page(VLLM)))) as one:
        file.write_text(json.dumps([{"targets": [one.name]}]))
        async with watching([], [lister]) as frames:
            await frames.until(lambda frame: len(frame.workers) == 1)
            file.write_text(json.dumps([{"targets": [one.name], "labels": {"rack": "b"}}]))
            await frames.until(lambda frame: frame.workers[0].labels == {"rack": "b"})
    assert all(states(frame).get(one.name, (TargetStatus.UP, ""))[0] is TargetStatus.UP for frame in frames.all)


class Silent:
    """A source that only says that it is there."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, clock: Clock, emit: Emit) -> None:
        emit(up(clock.now_ns(), self.name))
        await asyncio.Event().wait()

    async def step(self, until_ns: int, emit: Emit) -> None:
        emit(up(until_ns - 1, self.name))

    async def close(self) -> None: ...


class Listed:
    name, every_s = "list", 60.0

    def __init__(self) -> None:
        self.now: list[str] = []

    async def look(self, now_ns: int, emit: Emit) -> tuple[TargetSpec, ...]:
        return tuple(LIKE.of(parse_target(text), {}) for text in self.now)


async def test_step_by_step_names_are_unique_and_gone_rows_are_bounded_in_number_and_time() -> None:
    lister, session = Listed(), Session("virtual")
    named = [msg for text in ("h:1", "http://h:1/metrics?half=2") if (msg := LIKE.of(parse_target(text), {}))]
    roster = Roster(named, [lister], lambda spec, name: Silent(name))
    second = 1_000_000_000
    lister.now = [f"p{index}:1" for index in range(MAX_GONE + 10)]
    await roster.step(second, session.feed)
    assert [row.name for row in session.tick(second).targets][:3] == ["h:1", "h:1#2", "p0:1"]
    lister.now = []
    await roster.step(2 * second, session.feed)
    rows = session.tick(2 * second).targets
    assert sum(row.status is TargetStatus.GONE for row in rows) == MAX_GONE
    assert {row.name for row in rows if row.status is TargetStatus.UP} == {"h:1", "h:1#2"}
    late = (GONE_S + 3) * second
    await roster.step(late, session.feed)
    assert {row.name for row in session.tick(late).targets} == {"h:1", "h:1#2"}
    await roster.close()


async def test_a_child_that_fails_ends_alone() -> None:
    class Broken(Silent):
        async def run(self, clock: Clock, emit: Emit) -> None:
            raise ZeroDivisionError("of all things")

    frames = Frames()
    specs = [LIKE.of(parse_target(text), {}) for text in ("broken:1", "fine:1")]
    roster = Roster(specs, [], lambda spec, name: (Broken if name.startswith("broken") else Silent)(name))
    live = asyncio.create_task(Observation(Session("live"), [roster], LiveClock(), frames).live())
    frame = await frames.until(lambda frame: len(frame.targets) == 2)
    live.cancel()
    await asyncio.gather(live, return_exceptions=True)
    assert states(frame)["fine:1"][0] is TargetStatus.UP
    assert "ZeroDivisionError" in states(frame)["broken:1"][1]


async def test_a_list_that_fails_leaves_its_targets_and_the_others() -> None:
    class Failing(Listed):
        name, every_s = "failing", 0.01

        async def look(self, now_ns: int, emit: Emit) -> tuple[TargetSpec, ...]:
            if self.now:
                self.now = []
                return await super().look(now_ns, emit) or (LIKE.of(parse_target("b:1"), {}),)
            raise ZeroDivisionError("of all things")

    lister, frames = Failing(), Frames()
    lister.now = ["b:1"]
    roster = Roster([LIKE.of(parse_target("a:1"), {})], [lister], lambda spec, name: Silent(name))
    live = asyncio.create_task(Observation(Session("live"), [roster], LiveClock(), frames).live())
    frame = await frames.until(lambda frame: len(frame.targets) == 3)
    live.cancel()
    await asyncio.gather(live, return_exceptions=True)
    assert states(frame)["a:1"][0] is states(frame)["b:1"][0] is TargetStatus.UP
    assert states(frame)["failing"] == (TargetStatus.REJECTED, "internal error: ZeroDivisionError: of all things")


async def test_more_than_can_be_watched_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_module, "MAX_TARGETS", 3)
    lister, session, second = Listed(), Session("virtual"), 1_000_000_000
    roster = Roster([], [lister], lambda spec, name: Silent(name))
    for count, said in ((5, "2 targets left out: more than 3"), (2, "")):
        lister.now = [f"p{index}:1" for index in range(count)]
        await roster.step(second, session.feed)
        second *= 2
        rows = states(session.tick(second))
        assert rows["targets"][1] == said
        assert sum(status is TargetStatus.UP for status, _ in rows.values()) == min(count, 3)


async def test_the_same_page_in_other_words_is_refused_until_the_first_goes() -> None:
    lister, session, second = Listed(), Session("virtual"), 1_000_000_000
    opened: list[str] = []

    def opener(spec: TargetSpec, name: str) -> Source:
        opened.append(name)
        return Silent(name)

    roster = Roster([LIKE.of(parse_target("other:1"), {})], [lister], opener)
    lister.now = ["localhost:8000", "localhost:8000", "http://127.0.0.1:8000/metrics", "vllm+http://[::1]:8000/"]
    await roster.step(second, session.feed)
    refused = (TargetStatus.REJECTED, "the same as localhost:8000: would count twice")
    assert states(session.tick(second)) == {
        "other:1": (TargetStatus.UP, ""),
        "localhost:8000": (TargetStatus.UP, ""),
        "127.0.0.1:8000": refused,
        "[::1]:8000": refused,
    }
    assert opened == ["other:1", "localhost:8000"]
    assert set(roster.expected) == {"list", *states(session.tick(2 * second))}
    lister.now = ["http://127.0.0.1:8000/metrics"]
    await roster.step(3 * second, session.feed)
    assert states(session.tick(3 * second)) == {
        "other:1": (TargetStatus.UP, ""),
        "localhost:8000": (TargetStatus.GONE, "no longer listed"),
        "127.0.0.1:8000": (TargetStatus.UP, ""),
        "[::1]:8000": (TargetStatus.GONE, "no longer listed"),
    }
    assert opened[2:] == ["127.0.0.1:8000"]
    await roster.close()


async def test_what_a_child_dies_of_is_plain_text() -> None:
    class Broken(Silent):
        async def run(self, clock: Clock, emit: Emit) -> None:
            raise ZeroDivisionError("\x1b[2J of all things")

    frames = Frames()
    roster = Roster([LIKE.of(parse_target("broken:1"), {})], [], lambda spec, name: Broken(name))
    live = asyncio.create_task(Observation(Session("live"), [roster], LiveClock(), frames).live())
    frame = await frames.until(lambda frame: bool(frame.targets))
    live.cancel()
    await asyncio.gather(live, return_exceptions=True)
    assert states(frame)["broken:1"][1].isprintable()


def test_what_is_assumed_is_only_of_those_that_do_not_say() -> None:
    spec = TargetSpec(parse_target("h:1"), assumed=Assumed(labels={"group": "g", "rack": "a"}))
    assert spec.of(parse_target("h:2"), {"rack": "b"}).assumed.labels == {"group": "g", "rack": "b"}


async def test_who_shares_its_places_knows_what_is_watched(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text(json.dumps([{"targets": ["b:2"]}]))
    named = [LIKE.of(parse_target("a:1"), {}), LIKE.of(parse_target("http://a:1/metrics/"), {})]
    places = Places()

    def opener(spec: TargetSpec, name: str) -> Source:
        return open_parsed(spec.target, client, name, spec.settings, places)

    async with HttpClient() as client:
        roster = Roster(named, [FileSd(str(file), LIKE)], opener, places)
        await roster._look(0, 0, lambda _: None)
        await roster._update(0, lambda _: None)
        assert parse_target("http://a:1/metrics") in places
        assert parse_target("http://b:2/metrics") in places
        assert parse_target("http://b:3/metrics") not in places
        file.write_text("[]")
        await roster._look(0, 0, lambda _: None)
        await roster._update(0, lambda _: None)
        assert parse_target("http://b:2/metrics") not in places
        await roster.close()
