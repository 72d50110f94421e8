"""One publisher of KV events, followed: replay first, then live; what is missing is asked for again, and what is lost is counted.

Keeps what it knows over connections. Knows no clock and no status: parts go to `say`, a connection's end is a `KvSocketError`.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import zmq

from collectors.model.batch import Part
from collectors.model.vocabulary import Tier
from collectors.sources.kv_parts import MAX_RANKS, KvParts
from collectors.sources.kv_sockets import Connection, Frames, KvSocketError
from collectors.wire.kv_discovery import KvEndpoint
from collectors.wire.kv_events import END, Decoder, KvEventError, KvEvents, Message, read_frames
from collectors.wire.kv_sequence import Heard, Sequence
from collectors.wire.safe import safe_text

MAX_PASSES: Final = 64
"""Replay requests in a row, each of which must bring something."""
FEW: Final = 100
"""New messages in an answer below which nothing at its end can have been dropped: a ROUTER's queue has room for 1,000."""
MAX_ROWS: Final = 65_536
"""Blocks that are kept before they are said."""
_ENVELOPE_BYTES: Final = 4_096
"""Room in a frame for what is no payload."""

Say = Callable[[list[Part]], None]


class Follower:
    """`target` is what the publisher's ranks are workers of."""

    def __init__(
        self,
        endpoint: KvEndpoint,
        target: str,
        media: Mapping[str, Tier],
        *,
        max_payload: int,
        connect_s: float,
        replay_s: float,
    ) -> None:
        self._endpoint = endpoint
        self._connect_s = connect_s
        self._replay_s = replay_s
        self._max_bytes = max_payload + _ENVELOPE_BYTES
        self._decoder = Decoder(media, max_payload)
        self._sequence = Sequence()
        self._parts = KvParts(target, endpoint.rank)
        self._live: Connection | None = None
        self._replays = False
        self._malformed = 0
        self._fault = ""
        self._skipped = 0
        self._heard: list[KvEvents] = []
        self._rows = 0

    @property
    def warning(self) -> str:
        """What was missed, so that what is counted is not exact; empty if nothing was."""
        sequence = self._sequence
        said = []
        if sequence.missed:
            why = "replay reaches no further" if self._replays else "no replay"
            said.append(f"began at message {sequence.missed:,} ({why})")
        if sequence.gaps:
            said.append(f"{sequence.lost:,} messages lost in {sequence.gaps:,} gaps")
        if self._malformed:
            said.append(f"{self._malformed:,} messages not understood ({self._fault})")
        if self._skipped:
            said.append(f"{self._skipped:,} events of unknown kinds")
        if self._parts.ranks_refused:
            said.append(f"more than {MAX_RANKS} ranks")
        return "; ".join(said)

    @property
    def connected(self) -> bool:
        return self._live is not None

    async def connect(self, say: Say) -> None:
        """Subscribes, then says what is known by replay. Raises KvSocketError."""
        live = Connection(
            zmq.SUB,
            self._endpoint.live,
            max_bytes=self._max_bytes,
            connect_s=self._connect_s,
            topic=self._endpoint.topic,
        )
        await live.open()
        self._live = live
        self._replays = self._endpoint.replay is not None
        await self._catch_up(say)
        say(self._parts.inventory())

    async def read(self, say: Say, within_s: float | None = None) -> int:
        """Says what is published next, waiting for it up to `within_s`. How many messages came. Raises KvSocketError."""
        assert self._live is not None
        messages = await self._live.read(within_s)
        for frames in messages:
            await self._hear(frames, say)
        self._flush(say, past=False)
        return len(messages)

    def close(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.close()

    async def _hear(self, frames: Frames, say: Say) -> None:
        message, events = self._understood(frames)
        if message is None or message.seq == END:
            return
        time_ns = None if events is None else events.time_ns
        heard = self._sequence.judge(message.seq, time_ns)
        if heard is Heard.RESTARTED:
            self._flush(say, past=False)
            self._restart(say, time_ns)
            heard = self._sequence.judge(message.seq, time_ns)
        if heard is Heard.AHEAD and self._replays:
            # What is published meanwhile waits in the sockets.
            self._flush(say, past=False)
            await self._catch_up(say)
            heard = self._sequence.judge(message.seq, time_ns)
        if heard in (Heard.NEXT, Heard.AHEAD):
            self._accept(message.seq, events)
            if self._rows >= MAX_ROWS:
                self._flush(say, past=False)

    async def _catch_up(self, say: Say) -> None:
        """Brings everything that the publisher still has."""
        passes = 0
        while self._replays and passes < MAX_PASSES:
            passes += 1
            try:
                if await self._replay(say):
                    return
            except KvSocketError:
                self._replays = False
            finally:
                self._flush(say, past=True)

    async def _replay(self, say: Say) -> bool:
        """One request, beginning with the last message that was heard. False if there is reason for another.

        The answer shows whether it is the publisher that was heard before. A ROUTER drops what does not fit its queue, so that an answer may have holes,
        lack its last messages or its end: what may be missing is asked for again as long as that brings anything.
        """
        assert self._endpoint.replay is not None
        sequence = self._sequence
        begun, before, asked = sequence.begun, sequence.next, sequence.ask
        first = True
        async with Connection(
            zmq.DEALER, self._endpoint.replay, max_bytes=self._max_bytes, connect_s=self._connect_s
        ) as answers:
            await answers.send([b"", asked.to_bytes(8, "big")])
            while messages := await answers.read(self._replay_s):
                for frames in messages:
                    message, events = self._understood(frames)
                    if message is None:
                        continue
                    time_ns = None if events is None else events.time_ns
                    if first and begun and message.seq <= asked and not sequence.is_last(message.seq, time_ns):
                        self._restart(say, time_ns)
                        return False
                    if message.seq == END:
                        return sequence.next - before <= FEW
                    if message.seq > sequence.next > before and not first:
                        return False
                    first = False
                    if message.seq >= sequence.next:
                        self._accept(message.seq, events)
                self._flush(say, past=True)
                await asyncio.sleep(0)
        self._replays = sequence.next > before
        return False

    def _understood(self, frames: Frames) -> tuple[Message | None, KvEvents | None]:
        """The message, and its events; None for what is malformed, which is counted."""
        message = None
        try:
            message = read_frames(frames)
            return message, None if message.seq == END else self._decoder.decode(message.payload)
        except KvEventError as error:
            self._malformed += 1
            self._fault = safe_text(str(error), 80)
            return message, None

    def _accept(self, seq: int, events: KvEvents | None) -> None:
        whole = self._sequence.take(seq, None if events is None else events.time_ns)
        if events is not None:
            self._heard.append(events)
            self._rows += len(events.rows)
            self._skipped += events.skipped
        if not whole or events is None or events.skipped:
            self._parts.incomplete()

    def _restart(self, say: Say, time_ns: int | None) -> None:
        say(self._parts.restarted(time_ns or 0))
        self._sequence.restart()

    def _flush(self, say: Say, *, past: bool) -> None:
        heard, self._heard, self._rows = self._heard, [], 0
        if heard:
            say(self._parts.parts(heard, past=past))
