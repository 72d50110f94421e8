"""`tokenyard tap` as a user runs it."""

import asyncio
import json
import signal
import sys

import aiohttp
import pytest

from tests.e2e.commands import ROOT, tokenyard
from tests.loopback import head, says, serving


async def test_it_says_where_it_is_passes_on_and_ends_on_sigterm() -> None:
    body = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    async with serving(says(head("Content-Type: text/event-stream") + body)) as upstream:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tui", "tap", "--upstream", upstream.url, "--listen", "127.0.0.1:0"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                addresses = json.loads(await process.stdout.readline())
                async with aiohttp.ClientSession() as session:
                    async with session.post(f"{addresses['tap']}/v1/chat/completions", json={}) as answer:
                        assert await answer.read() == body
                    async with session.get(addresses["metrics"]) as page:
                        assert 'tokenyard_tap_requests_total{outcome="stop"} 1.0' in await page.text()
                process.send_signal(signal.SIGTERM)
                _, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0
        assert b"waiting for what is in flight" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--upstream", "10.0.0.5"], "is not a URL"),
        (["--upstream", "http://me:secret@h"], "takes no user"),
        (["--upstream", "http://h", "--listen", "9000"], "is not an address"),
        ([], "Missing option"),
    ],
)
def test_what_it_cannot_use(arguments: list[str], complaint: str) -> None:
    done = tokenyard("tap", *arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert complaint in done.stderr
    assert "secret" not in done.stderr
