"""A dashboard that lost the tap for a while: what it missed is told later and counted once, or is shown as a gap."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest

from collectors.model.batch import Finished, Requests, Status, Watermark
from collectors.model.frame import Frame, Gaps
from collectors.model.vocabulary import State, TargetStatus
from collectors.session.clock import TICK_NS, LiveClock
from collectors.session.session import Session
from collectors.sources.placement import PlacementSource
from collectors.tap.readers import Reader
from collectors.tap.server import STREAM_PATH, Tap
from collectors.wire.http import HttpClient
from tests.sources.seen import Seen
from tests.tap.test_proxy import CHAT, END, TOKEN, around, in_pieces, until

SECOND = TOKEN.replace(b'"completion_tokens":1', b'"completion_tokens":2')


class Watching:
    """A dashboard without a screen, whose connection can be held off."""

    def __init__(self, tap: Tap, url: str) -> None:
        self.seen = Seen()
        self._tap, self._url = tap, url
        self._clock = LiveClock()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Watching"]:
        async with HttpClient() as client:
            source = PlacementSource("tap", self._url + STREAM_PATH, client, retry_s=0.02)
            task = asyncio.create_task(source.run(self._clock, self.seen))
            await self.seen.until(lambda seen: bool(seen.parts(Watermark)))
            yield self
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def ended(self) -> int:
        return sum(isinstance(row, Finished) for part in self.seen.parts(Requests) for row in part.rows)

    def frame(self) -> Frame:
        session = Session("live")
        for batch in self.seen.batches:
            session.feed(batch)
        return session.tick((self._clock.now_ns() // TICK_NS + 1) * TICK_NS)


async def ask(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.post(url + CHAT, json={}) as answer:
        await answer.read()


def cut(tap: Tap, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends the readers' connections; no other is taken until `undo`."""

    async def away(self: Reader) -> bytes:
        self.on_cut()
        return await asyncio.Event().wait() and b""

    monkeypatch.setattr(Reader, "take", away)
    for reader in list(tap.readers._readers):
        reader.on_cut()


async def test_what_was_told_while_it_was_away_is_told_again_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with around(in_pieces([TOKEN, SECOND, END])) as (_, tap, url), Watching(tap, url).running() as one:
        await ask(url)
        await one.seen.until(lambda _: one.ended() == 1)
        cut(tap, monkeypatch)
        await one.seen.until(lambda seen: seen.parts(Status)[-1].status is TargetStatus.DOWN)
        await ask(url)
        tap.flush()
        monkeypatch.undo()
        await one.seen.until(lambda _: one.ended() == 2)
        frame = one.frame()
        (target,) = frame.targets
        assert target.status is TargetStatus.UP
        assert isinstance(target.gaps, Gaps)
        assert target.gaps.resumed >= 1
        assert msgspec.structs.replace(target.gaps, resumed=0) == Gaps(0, 0.0, 0, None, 0)
        assert sum(row.tokens.value or 0 for row in frame.placements) == 4
        assert frame.ttft.n == 2
        assert frame.workers[0].tokens_per_s.state is State.OK


async def test_what_is_not_kept_any_more_is_a_gap_of_so_many_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    async with around(in_pieces([TOKEN, SECOND, END])) as (_, tap, url), Watching(tap, url).running() as one:
        await ask(url)
        await one.seen.until(lambda _: one.ended() == 1)
        cut(tap, monkeypatch)
        await one.seen.until(lambda seen: seen.parts(Status)[-1].status is TargetStatus.DOWN)
        await ask(url)
        tap.flush()
        tap.readers._replay.clear(tap.book.seq)
        marks = len(one.seen.parts(Watermark))
        monkeypatch.undo()
        await one.seen.until(lambda seen: len(seen.parts(Watermark)) > marks)
        await ask(url)
        await one.seen.until(lambda _: one.ended() == 2)
        (target,) = one.frame().targets
        assert isinstance(target.gaps, Gaps)
        assert target.gaps.count == 1
        assert target.gaps.messages is not None
        assert target.gaps.messages >= 4  # received, deliveries, finished, a watermark
        assert 0 < target.gaps.seconds < 20
        assert sum(row.tokens.value or 0 for row in one.frame().placements) == 4


async def test_another_tap_at_the_same_address_is_a_gap_of_nobody_knows_how_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with around(in_pieces([TOKEN, END])) as (_, tap, url), Watching(tap, url).running() as one:
        tap.book.epoch = "another"
        for reader in list(tap.readers._readers):
            reader.on_cut()
        await until(lambda: len(one.seen.parts(Status)) >= 3)
        (target,) = one.frame().targets
        assert isinstance(target.gaps, Gaps)
        assert (target.gaps.count, target.gaps.messages, target.gaps.resumed) == (1, None, 0)
