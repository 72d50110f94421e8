"""A token is sent, and is nowhere in what is kept."""

import asyncio
from pathlib import Path

import pytest

from collectors.observe import Observation
from collectors.recording.writer import Writer
from collectors.session.clock import LiveClock
from collectors.session.session import Session
from collectors.targets.roster import Roster
from collectors.wire.access import Clients
from tests.loopback import page, says_in_turn, serving
from tui.config.load import load
from tui.config.resolve import resolve
from tui.targets import opened

SECRET = "s3cret-Token_0123456789"
VLLM = (Path(__file__).parent.parent / "fixtures" / "vllm" / "under_load.metrics.txt").read_bytes()


async def test_no_byte_of_a_recording_holds_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", SECRET)
    answers = [page(VLLM), page(b"", status="401 Unauthorized"), page(b"\x00")]
    enough, frames = asyncio.Event(), []
    async with serving(says_in_turn(answers)) as server:
        flags = {"targets": [server.url], "interval_s": 0.05, "token_env": "A_TOKEN"}
        (tmp_path / "c.toml").touch()
        plan = resolve(load(flags, tmp_path / "c.toml", {}))
        writer = Writer(tmp_path / "r.tyard", clock="live", version="test")
        async with Clients() as clients:
            targets = opened(plan, clients)
            assert isinstance(targets, Roster)

            def look(frame: object) -> None:
                frames.append(frame)
                if len(server.requests) >= 4:
                    enough.set()

            observation = Observation(Session("live"), [targets], LiveClock(), look, writer)
            live = asyncio.create_task(observation.live())
            await asyncio.wait_for(enough.wait(), 20)
            live.cancel()
            await asyncio.gather(live, return_exceptions=True)
        writer.close()
        assert {request.headers.get("authorization") for request in server.requests} == {f"Bearer {SECRET}"}
    kept = (tmp_path / "r.tyard").read_bytes()
    assert len(kept) > 100
    assert SECRET.encode() not in kept
    assert SECRET not in repr(frames)
