"""Reading the token placement stream (`docs/placement-stream.md`): the decoder for a response, by its content type. Opens nothing."""

from typing import Final, Protocol

from collectors.model.batch import Part
from collectors.wire.placement_binary import BinaryDecoder
from collectors.wire.placement_format import BINARY, NDJSON, PlacementError
from collectors.wire.placement_json import JsonDecoder
from collectors.wire.placement_messages import Hello
from collectors.wire.placement_numbers import Position
from collectors.wire.safe import safe_text

__all__ = ["ACCEPT", "BinaryDecoder", "Decoder", "JsonDecoder", "PlacementError", "decoder_for"]

ACCEPT: Final = f"{BINARY}, {NDJSON};q=0.5"
"""What a reader asks for: binary frames, else NDJSON."""


class Decoder(Protocol):
    """One connection's, and of those that go on with it. After a `PlacementError` it reads no further."""

    skipped: int
    """Frames, messages and rows of unknown kind that were passed over."""

    @property
    def hello(self) -> Hello | None:
        """The last handshake, as it came: its strings are not safe yet."""

    @property
    def position(self) -> Position | None:
        """Where in the stream it is; None where that is not numbered."""

    def disconnect(self) -> None:
        """The connection ended: what is fed next is of another, which goes on after `position` or begins anew."""

    def feed(self, chunk: bytes) -> list[Part]:
        """The parts that this chunk completes, in order of the stream. Raises `PlacementError`."""


def decoder_for(content_type: str) -> Decoder:
    """A fresh decoder for a response with this `Content-Type`. Raises `PlacementError` if it is neither encoding."""
    media = content_type.partition(";")[0].strip().lower()
    if media == BINARY:
        return BinaryDecoder()
    if media == NDJSON:
        return JsonDecoder()
    raise PlacementError(f"content type {safe_text(media, 64) or 'missing'}; expected {BINARY} or {NDJSON}", "response")
