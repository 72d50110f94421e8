"""A token, and what a URL asks with, is sent, and is nowhere in what is kept or shown."""

import asyncio
from pathlib import Path

import pytest

from collectors.observe import Observation
from collectors.recording.writer import Writer
from collectors.session.clock import LiveClock
from collectors.session.session import Session
from collectors.sources.target import TargetError, parse_target
from collectors.targets.roster import Roster
from collectors.wire.access import Clients
from tests.loopback import Server, page, says_in_turn, serving
from tui.config.load import load
from tui.config.resolve import resolve
from tui.config.show import as_object, as_text
from tui.targets import opened

SECRET = "s3cret-Token_0123456789"
VLLM = (Path(__file__).parent.parent / "fixtures" / "vllm" / "under_load.metrics.txt").read_bytes()


async def observed(path: Path, flags: dict[str, object], server: Server, requests: int) -> tuple[bytes, str]:
    """What is recorded, and every Frame, until the server had so many requests."""
    (path / "c.toml").touch()
    plan = resolve(load(flags, path / "c.toml", {}))
    writer = Writer(path / "r.tyard", clock="live", version="test")
    enough, frames = asyncio.Event(), []
    async with Clients() as clients:
        targets = opened(plan, clients)
        assert isinstance(targets, Roster)

        def look(frame: object) -> None:
            frames.append(frame)
            if len(server.requests) >= requests:
                enough.set()

        observation = Observation(Session("live"), [targets], LiveClock(), look, writer)
        live = asyncio.create_task(observation.live())
        await asyncio.wait_for(enough.wait(), 20)
        live.cancel()
        await asyncio.gather(live, return_exceptions=True)
    writer.close()
    return (path / "r.tyard").read_bytes(), repr(frames)


async def test_no_byte_of_a_recording_holds_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", SECRET)
    answers = [page(VLLM), page(b"", status="401 Unauthorized"), page(b"\x00")]
    async with serving(says_in_turn(answers)) as server:
        flags = {"targets": [server.url], "interval_s": 0.05, "token_env": "A_TOKEN"}
        kept, frames = await observed(tmp_path, flags, server, 4)
        assert {request.headers.get("authorization") for request in server.requests} == {f"Bearer {SECRET}"}
    assert len(kept) > 100
    assert SECRET.encode() not in kept
    assert SECRET not in frames


@pytest.mark.parametrize("path", ["/metrics", "/placement/v1/stream"])
async def test_what_a_url_asks_with_is_sent_and_not_kept(tmp_path: Path, path: str) -> None:
    answers = [page(VLLM), page(b"", status="403 Forbidden"), page(b"\x00")]
    async with serving(says_in_turn(answers)) as server:
        asked = f"{server.url}{path}?key={SECRET}"
        twice = asked.replace("127.0.0.1", "localhost")
        flags = {"targets": [asked, twice], "interval_s": 0.05}
        kept, frames = await observed(tmp_path, flags, server, 3)
        assert f"{path}?key={SECRET}" in {request.path for request in server.requests}
    assert f"{path}?…" in frames
    assert "would count twice" in frames
    assert SECRET.encode() not in kept
    assert SECRET not in frames


def test_nor_is_it_in_what_config_show_and_errors_say() -> None:
    asked = [f"vllm+http://a:1/metrics?key={SECRET}", f"b:2/metrics?key={SECRET}"]
    loaded = load({"targets": asked, "http_sd": [f"http://c/sd?key={SECRET}"]}, None, {})
    assert SECRET not in as_text(loaded)
    assert SECRET not in repr(as_object(loaded))
    assert "http://a:1/metrics?…" in repr(as_object(loaded))
    with pytest.raises(TargetError) as raised:
        parse_target(f"gopher://a/metrics?key={SECRET}")
    assert SECRET not in str(raised.value)
