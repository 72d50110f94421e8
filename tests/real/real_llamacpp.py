"""llama.cpp's server: two slots, a queue, a prompt cache, a client that goes away, a server that is killed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.model.signals import Signal
from collectors.model.vocabulary import State, TargetStatus, Tier
from tests.real import models
from tests.real.driver import Request, load
from tests.real.llamacpp import EXACT, llamacpp, prompts
from tests.real.observed import observing
from tests.real.peers import Server, answers


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    with llamacpp(tmp_path_factory.mktemp("llamacpp")) as made:
        yield made


async def test_tokens_are_those_that_the_client_got(server: tuple[Server, str], tmp_path: Path) -> None:
    _, target = server
    worker = f"{target}/0"
    first, *others = prompts(1, 12)
    requests = [
        Request(index * 0.1, prompt, 24, body=EXACT) for index, prompt in enumerate([first, *others, first, first])
    ]
    async with observing(tmp_path / "seen.tyard", [target]) as seen:
        await seen.up()
        done = await load(f"http://{target}", models.NAME, requests)
        await seen.sampled()
        assert [one.error for one in done.answers] == [""] * len(requests)
        assert done.output_tokens == 24 * len(requests)
        assert done.prompt_tokens == 200 * len(requests)
        assert done.cached_tokens > 0
        assert seen.total(target, worker, Signal.GENERATION_TOKENS) == done.output_tokens
        assert seen.total(target, worker, Signal.PROMPT_TOKENS) == done.prompt_tokens
        assert seen.total(target, worker, Signal.HIT_TOKENS, Tier.UNKNOWN) == done.cached_tokens
        assert seen.placed("decode") == {worker: done.output_tokens}
        assert seen.placed("prefill") == {worker: done.prompt_tokens - done.cached_tokens}
        assert list(seen.workers()) == [worker]
        row = seen.workers()[worker]
        assert (row.running.state, row.waiting.state) == (State.ZERO, State.ZERO)
        assert row.ttft.p50.state is State.ABSENT  # the page has no histograms
        assert row.gap.p50.state is State.ABSENT


async def test_two_run_and_the_others_wait(server: tuple[Server, str], tmp_path: Path) -> None:
    _, target = server
    requests = [Request(0.0, prompt, 1_500, body=EXACT) for prompt in prompts(2, 5)]
    async with observing(tmp_path / "seen.tyard", [target]) as seen:
        await seen.up()
        done = await load(f"http://{target}", models.NAME, requests)
        await seen.sampled()
        running_then, waiting_then = seen.most(target, f"{target}/0", Signal.REQUESTS_RUNNING, Signal.REQUESTS_WAITING)
        assert (running_then, waiting_then) == (2.0, 3.0)
        assert seen.total(target, f"{target}/0", Signal.GENERATION_TOKENS) == done.output_tokens == 5 * 1_500


async def test_of_a_client_that_went_away_the_tokens_made_are_counted(
    server: tuple[Server, str], tmp_path: Path
) -> None:
    """That it was aborted the page does not say: there is nothing to show."""
    _, target = server
    worker = f"{target}/0"
    gone, stays = prompts(3, 2)
    requests = [Request(0.0, gone, 1_500, body=EXACT, abort_after=10), Request(0.0, stays, 40, body=EXACT)]
    async with observing(tmp_path / "seen.tyard", [target]) as seen:
        await seen.up()
        done = await load(f"http://{target}", models.NAME, requests)
        await seen.sampled()
        assert done.answers[0].finish == "gone"
        tokens = seen.total(target, worker, Signal.GENERATION_TOKENS)
        assert tokens is not None
        assert done.answers[1].output_tokens + 10 <= tokens < 1_500
        assert seen.total(target, worker, Signal.REQUESTS_FINISHED) is None


async def test_a_server_killed_and_restarted_counts_from_nothing(server: tuple[Server, str], tmp_path: Path) -> None:
    process, target = server
    worker = f"{target}/0"
    async with observing(tmp_path / "seen.tyard", [target]) as seen:
        await seen.up()
        before = await load(
            f"http://{target}", models.NAME, [Request(0.0, one, 30, body=EXACT) for one in prompts(4, 4)]
        )
        await seen.sampled()
        process.kill()
        down = await seen.until(lambda frame: frame.targets[0].status is TargetStatus.DOWN, "down")
        assert down.targets[0].reason == "refused"
        await asyncio.to_thread(process.start)
        await asyncio.to_thread(process.wait_for, lambda: answers(f"http://{target}/health"), "llama.cpp")
        await seen.up()
        after = await load(
            f"http://{target}", models.NAME, [Request(0.0, one, 50, body=EXACT) for one in prompts(5, 3)]
        )
        await seen.sampled()
        assert seen.total(target, worker, Signal.GENERATION_TOKENS) == before.output_tokens + after.output_tokens
        assert seen.total(target, worker, Signal.PROMPT_TOKENS) == before.prompt_tokens + after.prompt_tokens
