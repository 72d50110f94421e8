"""`tap --watch`: one command, two processes, and what goes through is on the screen."""

import asyncio
import contextlib
import socket

import aiohttp
import click
import pytest

from collectors.model.frame import Frame
from tests.loopback import head, says, serving
from tui.live import TapDriver
from tui.tapping import Settings

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"completion_tokens":7}}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def test_what_goes_through_is_seen_and_the_tap_ends_with_its_dashboard() -> None:
    frames: list[Frame] = []
    port = free_port()
    async with serving(says(head("Content-Type: text/event-stream") + BODY)) as upstream, asyncio.timeout(60):
        driver = TapDriver(Settings(upstream.url, f"127.0.0.1:{port}", None, 5.0, ask=False))
        running = asyncio.create_task(driver.run(frames.append))
        try:
            while not any(frame.targets and frame.targets[0].status == "up" for frame in frames):
                assert not running.done()
                await asyncio.sleep(0.05)
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"http://127.0.0.1:{port}/v1/chat/completions", json={}) as answer,
            ):
                assert await answer.read() == BODY
            while not any(row.tokens.value == 7 for row in frames[-1].placements):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        gone = False
        while not gone:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await asyncio.sleep(0.05)
            except ConnectionError:
                gone = True


async def test_a_tap_that_cannot_start_says_why() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings("http://127.0.0.1:1", f"127.0.0.1:{taken.getsockname()[1]}", None, 5.0, ask=False)
        with pytest.raises(click.ClickException, match=r"the tap did not start: .*choose another --listen"):
            await TapDriver(settings).run(lambda _: None)
