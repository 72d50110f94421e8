"""Where spans come to: an OTLP/HTTP receiver (`POST /v1/traces`, JSON or protobuf, plain or gzip) as a source.

It answers as the protocol says: 200 with what was rejected of it, 400 for a body that is none, 413 for one that is too large, 415 for another type or encoding. What
spans mean is `collectors.traces`' to say. gRPC is not spoken.
"""

import asyncio
import time
import zlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from collectors.model.batch import Batch, Part, Status
from collectors.model.traces import Accounts
from collectors.model.vocabulary import TargetStatus
from collectors.sources.otlp_server import SpanServer
from collectors.sources.source import Clock, Emit
from collectors.sources.target import SPANS_PATH, is_loopback
from collectors.traces.spans import accounts
from collectors.wire import otlp, otlp_protobuf
from collectors.wire.limits import DEFAULT, Limits
from collectors.wire.otlp import Export, OtlpError
from collectors.wire.safe import safe_text

PORT: Final = 4_318
"""OTLP/HTTP's own."""
BACKEND: Final = "otlp"
RETRY_S: Final = 5.0
STOP_S: Final = 1.0
_JSON: Final = "application/json"
_PROTOBUF: Final = "application/x-protobuf"
_GZIP_WINDOW: Final = 31
_REFUSED: Final = {
    HTTPStatus.BAD_REQUEST: 3,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: 8,
    HTTPStatus.SERVICE_UNAVAILABLE: 14,
}
"""gRPC's codes INVALID_ARGUMENT, RESOURCE_EXHAUSTED and UNAVAILABLE, of which an answer to an error has one."""


class _Refused(Exception):  # noqa: N818  an answer, not an error of ours
    def __init__(self, status: HTTPStatus, why: str, limit: str = "") -> None:
        super().__init__(f"{why} (limits.{limit})" if limit else why)
        self.status = status
        self.limit = limit


class OtlpSource:
    """Listens at the host and port of `url` while it runs."""

    def __init__(self, name: str, url: str, limits: Limits = DEFAULT, *, retry_s: float = RETRY_S) -> None:
        parts = urlsplit(url)
        self.name = name
        self.port: int | None = None
        """Where it listens now."""
        self._url = url
        self._host, self._wanted = parts.hostname or "127.0.0.1", PORT if parts.port is None else parts.port
        self._limits = limits
        self._retry_s = retry_s
        self._refused: dict[str, int] = {}
        self._others = 0
        self._spans = 0
        self.held = 0
        """Bytes of bodies that are not dealt with yet."""
        self._decoding = asyncio.Lock()
        self._said: Status | None = None
        self._emit: Emit | None = None
        self._clock: Clock | None = None

    async def run(self, clock: Clock, emit: Emit) -> None:
        self._clock, self._emit = clock, emit
        while True:
            server = SpanServer(self._handle, self._limits, self._note)
            runner = web.ServerRunner(server, shutdown_timeout=STOP_S)
            await runner.setup()
            try:
                await web.TCPSite(runner, self._host, self._wanted).start()
                self.port = runner.addresses[0][1]
                self._tell()
                await asyncio.Event().wait()
            except OSError as error:
                reason = safe_text(f"cannot listen at {self._host}:{self._wanted} ({error.strerror})")
                self._say(Status(self._url, BACKEND, TargetStatus.DOWN, reason))
                await asyncio.sleep(self._retry_s)
            finally:
                self.port = None
                await runner.cleanup()

    async def step(self, until_ns: int, emit: Emit) -> None:
        """Nothing comes on a virtual clock."""

    async def close(self) -> None:
        pass

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        try:
            if request.path != SPANS_PATH:
                raise _Refused(HTTPStatus.NOT_FOUND, f"spans come to {SPANS_PATH}; nothing else is taken here")
            if request.method != "POST":
                raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, "POST it")
            if kind not in (_JSON, _PROTOBUF):
                raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type is {_JSON} or {_PROTOBUF}")
            export = await self._export(request, otlp.decode_json if kind == _JSON else otlp_protobuf.decode)
        except _Refused as refused:
            return self._refuse(refused, kind)
        self._take(export, request.remote or "")
        message = f"{export.rejected} spans without ids or times, or too many" if export.rejected else ""
        if kind == _PROTOBUF:
            return web.Response(body=otlp_protobuf.answer(export.rejected, message), content_type=_PROTOBUF)
        partial = (
            {"partialSuccess": {"rejectedSpans": str(export.rejected), "errorMessage": message}} if message else {}
        )
        return web.Response(body=msgspec.json.encode(partial), content_type=_JSON)

    async def _export(self, request: web.BaseRequest, decode: Callable[[bytes], Export]) -> Export:
        """Raises _Refused."""
        body = bytearray()
        try:
            await self._receive(request, body)
            # The largest take a second, in which everything else goes on.
            async with self._decoding:
                return await asyncio.to_thread(decode, bytes(body))
        except OtlpError as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
        finally:
            self.held -= len(body)

    async def _receive(self, request: web.BaseRequest, body: bytearray) -> None:
        """Into `body`, unpacked. Raises _Refused."""
        most = self._limits.max_body_bytes
        encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "", "gzip"):
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding is gzip or nothing")
        unpack = zlib.decompressobj(_GZIP_WINDOW) if encoding == "gzip" else None
        sent = 0
        try:
            async with asyncio.timeout(self._limits.total_s):
                async for chunk in request.content.iter_any():
                    piece = chunk if unpack is None else unpack.decompress(chunk, most + 1 - len(body))
                    body += piece
                    self.held += len(piece)
                    sent += len(chunk)
                    if max(sent, len(body)) > most:
                        why = f"larger than {most:,} bytes"
                        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why, "max_body_bytes")
                    if self.held > self._limits.max_queued_bytes:
                        why = "too much at once; send it again"
                        raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE, why, "max_queued_bytes")
                    if unpack is not None and unpack.unused_data:
                        raise _Refused(HTTPStatus.BAD_REQUEST, "more follows than one member of gzip")
        except zlib.error:
            raise _Refused(HTTPStatus.BAD_REQUEST, "not gzip") from None
        except TimeoutError:
            raise _Refused(
                HTTPStatus.REQUEST_TIMEOUT, f"not here within {self._limits.total_s:g} s", "total_s"
            ) from None
        if unpack is not None and not unpack.eof:
            raise _Refused(HTTPStatus.BAD_REQUEST, "gzip ends too soon")

    def _take(self, export: Export, peer: str) -> None:
        told, others = accounts(export.spans, peer)
        self._spans += len(export.spans)
        self._others += others
        if export.rejected:
            self._refused["malformed spans"] = self._refused.get("malformed spans", 0) + export.rejected
        self._tell(Accounts(tuple(told), time.time_ns()) if told else None)

    def _refuse(self, refused: _Refused, kind: str) -> web.Response:
        self._note(f"answered {refused.status.value}", refused.limit)
        code, why = _REFUSED.get(refused.status, 12), f"tokenyard: {refused}"
        if kind == _PROTOBUF:
            return web.Response(status=refused.status, body=otlp_protobuf.status(code, why), content_type=_PROTOBUF)
        return web.Response(
            status=refused.status, body=msgspec.json.encode({"code": code, "message": why}), content_type=_JSON
        )

    def _note(self, what: str, limit: str = "") -> None:
        """One more that was not taken; `limit` is which one it was over."""
        self._refused[what] = self._refused.get(what, 0) + 1
        self._tell(limit=limit)

    def _tell(self, *parts: Part | None, limit: str = "") -> None:
        """That it listens, with what was not taken, then the parts that there are."""
        warnings = [] if is_loopback(self._host) else ["anybody who reaches this address may send spans"]
        warnings += [f"{count:,} {what}" for what, count in sorted(self._refused.items())]
        if self._spans and self._others == self._spans:
            warnings.append("no span yet of a server that is known here")
        warning = safe_text("; ".join(warnings), 200)
        self._say(Status(self._url, BACKEND, TargetStatus.UP, warning=warning, limit=limit), *parts)

    def _say(self, status: Status, *parts: Part | None) -> None:
        assert self._emit is not None
        assert self._clock is not None
        news: list[Part] = [part for part in parts if part is not None]
        # What was over a limit stands there until something else is said: nothing new says it twice.
        if self._said is None or status != msgspec.structs.replace(self._said, limit=status.limit) or status.limit:
            self._said = status
            news.insert(0, status)
        if news:
            self._emit(Batch(self.name, self._clock.now_ns(), tuple(news)))
