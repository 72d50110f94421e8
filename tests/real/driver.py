"""A client of its own: open-loop load on an OpenAI-compatible server, every event of a stream timed as its bytes arrive, tokens counted by the server's `usage`.

Nothing of the product is used here: what it says is held against this.
"""

import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

REQUEST_S: Final = 180.0
PROBE_S: Final = 0.02


@dataclass(frozen=True)
class Request:
    """`at_s` after the load began, whether or not earlier ones are done. `body` adds to what is sent."""

    at_s: float
    prompt: list[int] | str
    max_tokens: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    abort_after: int | None = None
    """Events after which the client goes away."""


@dataclass
class Answer:
    """Monotonic times in seconds. `events` are those with a choice in them, its text empty or not: a token need not be a whole character."""

    request: Request
    sent_s: float
    events: list[float] = field(default_factory=list)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    finish: str = ""
    error: str = ""
    done_s: float | None = None
    extras: list[dict[str, Any]] = field(default_factory=list)
    """What Dynamo says of the workers of an event (`nvext`)."""

    @property
    def ttft_s(self) -> float:
        return self.events[0] - self.sent_s

    @property
    def e2e_s(self) -> float:
        assert self.done_s is not None
        return self.done_s - self.sent_s

    @property
    def gaps_s(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.events, self.events[1:], strict=False)]


@dataclass
class Load:
    answers: list[Answer]
    overhead_s: float
    """Longest round trip of an empty request beside the load: how far a client's clock may be from the server's."""

    @property
    def output_tokens(self) -> int:
        return sum(one.output_tokens for one in self.answers)

    @property
    def prompt_tokens(self) -> int:
        return sum(one.prompt_tokens for one in self.answers)

    @property
    def cached_tokens(self) -> int:
        return sum(one.cached_tokens for one in self.answers)


class _Work(msgspec.Struct):
    url: str
    model: str
    requests: tuple[Request, ...]
    probe: str
    common: dict[str, Any]


def nearest_rank(values: Sequence[float], q: float) -> float:
    """The smallest value that at least `q` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(q * len(ordered) * (1.0 - 1e-9)), 1) - 1]


async def load(
    url: str,
    model: str,
    requests: Sequence[Request],
    *,
    probe: str = "/health",
    common: Mapping[str, Any] | None = None,
) -> Load:
    """Sends all of `requests` to `/v1/completions`, each at its time, and `probe` beside them; returns when every one has ended.

    In a process of its own, so that nobody else's work delays its clock.
    """
    asked = msgspec.json.encode(_Work(url, model, tuple(requests), probe, dict(common or {})))
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.real.driver"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        said, _ = await child.communicate(asked)
    finally:
        if child.returncode is None:
            child.kill()
    assert child.returncode == 0, f"the client ended with {child.returncode}"
    return msgspec.json.decode(said, type=Load)


async def _load(work: _Work) -> Load:
    timeout = aiohttp.ClientTimeout(total=REQUEST_S)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(work.url, timeout=timeout, connector=connector) as session:
        probing = asyncio.create_task(_probe(session, work.probe))
        begin_s = time.monotonic()
        try:
            made = (_one(session, work.model, one, begin_s, work.common) for one in work.requests)
            answers = await asyncio.gather(*made)
        finally:
            probing.cancel()
        rounds = (await asyncio.gather(probing, return_exceptions=True))[0]
    assert isinstance(rounds, list), rounds
    return Load(answers, max(rounds, default=0.0))


async def _probe(session: aiohttp.ClientSession, path: str) -> list[float]:
    rounds = []
    try:
        while True:
            began_s = time.monotonic()
            async with session.get(path) as response:
                await response.read()
            rounds.append(time.monotonic() - began_s)
            await asyncio.sleep(PROBE_S)
    except asyncio.CancelledError:
        return rounds


async def _one(
    session: aiohttp.ClientSession, model: str, request: Request, begin_s: float, common: Mapping[str, Any]
) -> Answer:
    body = {
        "model": model,
        "prompt": request.prompt,
        "max_tokens": request.max_tokens,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
        **common,
        **request.body,
    }
    await asyncio.sleep(max(begin_s + request.at_s - time.monotonic(), 0.0))
    answer = Answer(request, time.monotonic())
    try:
        async with session.post("/v1/completions", json=body, headers=dict(request.headers)) as response:
            if response.status != 200:
                answer.error = f"{response.status} {(await response.text())[:200]}"
                return answer
            await _read(response, answer)
    except (aiohttp.ClientError, TimeoutError) as error:
        answer.error = f"{type(error).__name__} {error}"
    return answer


async def _read(response: aiohttp.ClientResponse, answer: Answer) -> None:
    rest = b""
    async for data in response.content.iter_any():
        now_s = time.monotonic()
        *events, rest = (rest + data.replace(b"\r\n", b"\n")).split(b"\n\n")
        for event in events:
            for line in event.splitlines():
                if line.startswith(b"data:") and not line.endswith(b"[DONE]"):
                    _take(answer, json.loads(line[5:]), now_s)
        limit = answer.request.abort_after
        if limit is not None and len(answer.events) >= limit:
            answer.finish = "gone"
            return
    answer.done_s = time.monotonic()


def _take(answer: Answer, event: dict[str, Any], now_s: float) -> None:
    if "error" in event:
        answer.error = str(event["error"])[:200]
    if usage := event.get("usage"):
        answer.prompt_tokens = usage.get("prompt_tokens", 0)
        answer.output_tokens = usage.get("completion_tokens", 0)
        answer.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    if extra := event.get("nvext"):
        answer.extras.append(extra)
    for choice in event.get("choices", ()):
        answer.finish = choice.get("finish_reason") or answer.finish
        answer.events.append(now_s)


if __name__ == "__main__":
    done = asyncio.run(_load(msgspec.json.decode(sys.stdin.buffer.read(), type=_Work)))
    sys.stdout.buffer.write(msgspec.json.encode(done))
