"""Undoing a `Content-Encoding` in pieces of bounded size, so that whoever reads can stop at a limit of its own."""

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

from collectors.wire.safe import safe_text

PIECE: Final = 1 << 18
"""Largest piece of decompressed data (bytes): a compressed kilobyte may hold a megabyte."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS


class ContentError(ValueError):
    """The body is not what its `Content-Encoding` says; the message is short and safe to show."""


class Decoder(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` decompresses to, lazily. Raises ContentError."""

    def finish(self) -> None:
        """The body has ended. Raises ContentError if it should not have."""


def decoder(encoding: str) -> Decoder:
    """For the value of a `Content-Encoding` header, empty if there is none. Raises ContentError for one that we do not know."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _Identity()
    if name in ("gzip", "x-gzip"):
        return _Inflate("gzip")
    if name == "deflate":
        return _Inflate("deflate")
    raise ContentError(f"content encoding {safe_text(name, 40)} is none of gzip, deflate, identity")


class _Identity:
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        pass


class _Inflate:
    """gzip (of one or more members), or deflate with the zlib header of RFC 9110 or, as some servers send it, without."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._inflate = zlib.decompressobj(_GZIP) if name == "gzip" else None

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflate is None:
                self._inflate = zlib.decompressobj(_ZLIB if data[0] & 0x0F == zlib.DEFLATED else _RAW)
            elif self._inflate.eof:
                if self._name != "gzip":
                    raise ContentError(f"bad {self._name}")
                self._inflate = zlib.decompressobj(_GZIP)
            yield from self._inflated(self._inflate, data)
            data = self._inflate.unused_data

    def _inflated(self, inflate: "zlib._Decompress", data: bytes) -> Iterator[bytes]:
        full = True
        while (data or full) and not inflate.eof:
            try:
                piece = inflate.decompress(data, PIECE)
            except zlib.error:
                raise ContentError(f"bad {self._name}") from None
            full = len(piece) == PIECE  # then more may wait inside
            data = inflate.unconsumed_tail
            if piece:
                yield piece

    def finish(self) -> None:
        if self._inflate is None or not self._inflate.eof:
            raise ContentError(f"truncated {self._name}")
