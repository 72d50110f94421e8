"""Reading the token placement stream (`docs/placement-stream.md`): the decoder for a response, by its content type. Opens nothing."""

from typing import Final, Protocol

from collectors.model.batch import Part
from collectors.wire.placement_binary import BinaryDecoder
from collectors.wire.placement_format import BINARY, NDJSON, PlacementError
from collectors.wire.placement_json import JsonDecoder
from collectors.wire.placement_messages import Hello
from collectors.wire.safe import safe_text

__all__ = ["ACCEPT", "BinaryDecoder", "Decoder", "JsonDecoder", "PlacementError", "decoder_for"]

ACCEPT: Final = f"{BINARY}, {NDJSON};q=0.5"
"""What a reader asks for: binary frames, else NDJSON."""


class Decoder(Protocol):
    """One connection's. After a `PlacementError` it reads no further."""

    skipped: int
    """Frames, messages and rows of unknown kind that were passed over."""

    @property
    def hello(self) -> Hello | None:
        """The last handshake, as it came: its strings are not safe yet."""

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
