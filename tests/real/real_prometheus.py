"""Debian's Prometheus before a server that is loaded and killed: the source `prom+http://` against the server's own counts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.model.signals import Signal
from collectors.model.vocabulary import TargetStatus, Tier
from tests.real import models
from tests.real.driver import Request, load
from tests.real.llamacpp import EXACT, llamacpp, prompts
from tests.real.observed import observing
from tests.real.peers import Server, answers
from tests.real.prometheus import prometheus


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    with llamacpp(tmp_path) as made:
        yield made


async def test_a_server_seen_through_prometheus_is_loaded_killed_and_restarted(
    server: tuple[Server, str], tmp_path: Path
) -> None:
    process, target = server
    with prometheus(tmp_path, target) as url:
        name = f"{target} via {url.removeprefix('http://')}"
        async with observing(tmp_path / "seen.tyard", [f"prom+{url}"]) as seen:
            await seen.up(2)
            before = await load(
                f"http://{target}", models.NAME, [Request(0.0, one, 30, body=EXACT) for one in prompts(7, 5)]
            )
            await seen.until(
                lambda _: seen.total(name, f"{target}/0", Signal.GENERATION_TOKENS) == before.output_tokens, "tokens"
            )
            assert seen.total(name, f"{target}/0", Signal.PROMPT_TOKENS) == before.prompt_tokens
            assert seen.total(name, f"{target}/0", Signal.HIT_TOKENS, Tier.UNKNOWN) == before.cached_tokens
            assert list(seen.workers()) == [f"{target}/0"]
            process.kill()
            await seen.until(lambda _: seen.targets()[name].status is TargetStatus.DOWN, "the instance is down")
            assert "up = 0" in seen.targets()[name].reason
            await asyncio.to_thread(process.start)
            await asyncio.to_thread(process.wait_for, lambda: answers(f"http://{target}/health"), "llama.cpp")
            await seen.until(lambda _: seen.targets()[name].status is TargetStatus.UP, "the instance is up")
            after = await load(
                f"http://{target}", models.NAME, [Request(0.0, one, 20, body=EXACT) for one in prompts(8, 3)]
            )
            tokens = before.output_tokens + after.output_tokens
            await seen.until(
                lambda _: seen.total(name, f"{target}/0", Signal.GENERATION_TOKENS) == tokens, "all tokens"
            )
