"""The greeting of a token placement stream: who is there, whose clock, and nothing after it."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from collectors.doctor.report import MAX_NAMES
from collectors.model.vocabulary import TargetStatus
from collectors.sources.target import STREAM_PATH
from collectors.stats.offsets import Offset, between
from collectors.wire.http import FetchError, HttpClient
from collectors.wire.placement import ACCEPT, PlacementError, decoder_for
from collectors.wire.placement_messages import Hello
from collectors.wire.safe import safe_text

GREETING_S: Final = 3.0
"""How long the handshake may take once the stream is open; it is the first thing on it."""
_UNIX: Final = "unix"


class Greeting(msgspec.Struct, frozen=True):
    """`reason`: why there is none; all else is empty then."""

    reason: str = ""
    status: TargetStatus = TargetStatus.UP
    version: str = ""
    emulated: bool = False
    workers: int = 0
    models: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    clock: Offset | None = None


async def greeting(client: HttpClient, url: str) -> Greeting:
    """Opens the stream, reads its handshake and leaves."""
    sent_s = time.time()
    try:
        async with client.stream(url, accept=ACCEPT) as stream:
            chunks = aiter(stream)
            try:
                async with asyncio.timeout(GREETING_S):
                    hello = await _hello(stream.content_type, chunks)
            finally:
                await chunks.aclose()
    except FetchError as error:
        return Greeting(f"{STREAM_PATH}: {error.reason}", error.status)
    except PlacementError as error:
        return Greeting(f"{STREAM_PATH}: {safe_text(str(error), 200)}", TargetStatus.REJECTED)
    except TimeoutError:
        return Greeting(f"{STREAM_PATH}: no handshake within {GREETING_S:g} s")
    return _told(hello, sent_s, time.time())


async def _hello(content_type: str, chunks: AsyncGenerator[bytes, None]) -> Hello:
    decoder = decoder_for(content_type)
    async for chunk in chunks:
        decoder.feed(chunk)
        if decoder.hello is not None:
            return decoder.hello
    raise FetchError("ended before its handshake")


def _told(hello: Hello, sent_s: float, received_s: float) -> Greeting:
    clock_id, now_s = safe_text(hello.clock.id, 64), hello.clock.now_ns / 1e9
    note = f"its times are of its clock {clock_id} ({safe_text(hello.clock.kind, 20)}), placed on ours to within {(received_s - sent_s) * 1e3:.3g} ms"
    return Greeting(
        version=f"version {hello.version}",
        emulated=hello.emulated,
        workers=len(hello.workers),
        models=tuple(dict.fromkeys(safe_text(one.model) for one in hello.workers if one.model))[:MAX_NAMES],
        notes=(note,),
        clock=between(now_s, now_s, sent_s, received_s, "placement stream") if hello.clock.kind == _UNIX else None,
    )
