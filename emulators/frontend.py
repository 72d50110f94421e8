"""The OpenAI-compatible front end: each request that comes in is one more of the cluster, and each token is sent when the simulation has made it.

`/v1/chat/completions`, `/v1/completions` (streaming or not), `/v1/models`, and Dynamo's `/health`. What bodies mean is `emulators.openai`'s. A client that goes away aborts its request.
"""

import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec
from aiohttp import web

from emulators import nvext
from emulators.answers import MAX_LIVE, Answer
from emulators.asking import Asked
from emulators.emulation import Emulation
from emulators.events import Row
from emulators.openai import DONE, FINISH, MAX_CONTEXT, ApiError, Telling, Wanted, event, made_up, usage, wanted
from emulators.prompts import TOKEN_BYTES, Part, Prompts, names
from emulators.request import Request

MAX_BODY_BYTES: Final = 1 << 20
"""Longest body of a request: room for `MAX_CONTEXT` tokens in any JSON spelling. The application that takes the routes is to be made with it as `client_max_size`."""
HEADERS: Final = {"X-Emulated": "tokenyard-emulator"}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(emulation: Emulation) -> list[web.RouteDef]:
    """The handlers, for the router's server."""
    frontend = _Frontend(emulation)

    def answering(chat: bool) -> _Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await frontend.answer(request, chat=chat)
            except ApiError as error:
                return _json(error.body, error.status)
            except web.HTTPRequestEntityTooLarge:
                return _json(ApiError(413, f"the body is longer than {MAX_BODY_BYTES} bytes").body, 413)

        return handle

    async def models(_: web.Request) -> web.Response:
        return _json({"object": "list", "data": frontend.models()})

    async def health(_: web.Request) -> web.Response:
        return _json(nvext.health(emulation.inventory))

    return [
        web.post("/v1/chat/completions", answering(chat=True)),
        web.post("/v1/completions", answering(chat=False)),
        web.get("/v1/models", models),
        web.get("/health", health),
    ]


class _Frontend:
    def __init__(self, emulation: Emulation) -> None:
        self._emulation = emulation
        self._prompts = Prompts()
        self._numbers = itertools.count(1)
        workers = emulation.inventory["workers"]
        self._ids = [worker["id"] for worker in workers]
        self._models = sorted({worker["model"] for worker in workers})

    def models(self) -> list[Row]:
        created = int(self._emulation.created)
        one = {"object": "model", "created": created, "owned_by": "tokenyard-emulator", "max_model_len": MAX_CONTEXT}
        return [{"id": model, **one} for model in self._models]

    async def answer(self, request: web.Request, *, chat: bool) -> web.StreamResponse:
        came_ns = self._emulation.real_now_ns()
        asked = wanted(await request.read(), chat=chat)
        if asked.model not in self._models:
            message = f"the model {asked.model!r} does not exist; there is {', '.join(self._models)}"
            raise ApiError(404, message, code="model_not_found", param="model")
        if len(self._emulation.answers) >= MAX_LIVE:
            message = f"{MAX_LIVE} requests are being answered, which is the limit; try again later"
            raise ApiError(429, message, kind="rate_limit_error", code="rate_limit_exceeded")
        name = f"h-{next(self._numbers)}"
        created = time.time() + self._emulation.cluster.router_process.skew_s
        text = made_up(name, asked.output)
        with self._asked(asked, name, text, came_ns) as answer:
            telling = Telling(asked, name, int(created))
            if asked.stream:
                return await self._stream(request, asked, answer, telling, text, created)
            return await self._whole(asked, answer, telling, text, created)

    @contextlib.contextmanager
    def _asked(self, asked: Wanted, name: str, text: str, came_ns: int) -> Iterator[Answer]:
        """The request is in the cluster; if it has not ended when the context does, it is aborted."""
        blocks = names([*asked.parts, Part("assistant" if asked.chat else "", text.encode())])
        context = self._prompts.context(blocks)
        one = Asked(name, asked.prompt, asked.output, asked.limit, context, asked.kind)
        answer = self._emulation.ask(one, came_ns)
        try:
            yield answer
        finally:
            if not one.ended:
                self._emulation.give_up(one)

    async def _whole(self, asked: Wanted, answer: Answer, telling: Telling, text: str, created: float) -> web.Response:
        while await answer.more():
            pass
        request = _served(answer)
        if request.failed:
            raise _lost()
        more = self._extra(asked, request, created)
        return _json(telling.whole(text, FINISH[request.reason], _usage(request), more))

    async def _stream(
        self, http: web.Request, asked: Wanted, answer: Answer, telling: Telling, text: str, created: float
    ) -> web.StreamResponse:
        await answer.taken.wait()
        request = _served(answer)
        response = web.StreamResponse(
            headers={**HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(http)
        deliveries = await answer.more()
        named = nvext.extra(request, self._ids, asked.extra)
        sent = 0
        while deliveries:
            events: list[bytes] = []
            for tokens in deliveries:
                piece = text[sent * TOKEN_BYTES : (sent + tokens) * TOKEN_BYTES]
                events.append(telling.piece(piece, named, first=not sent))
                sent += tokens
            await response.write(b"".join(events))
            deliveries = await answer.more()
        if request.failed:
            await response.write(event(_lost().body))
            await response.write_eof()
            return response
        last = [telling.finish(FINISH[request.reason], self._extra(asked, request, created))]
        if asked.usage:
            last.append(telling.usage(_usage(request)))
        await response.write(b"".join([*last, DONE]))
        await response.write_eof()
        return response

    def _extra(self, asked: Wanted, request: Request, created: float) -> Row | None:
        return nvext.extra(request, self._ids, asked.extra, (request.last_ns, int(created * 1e3)))


def _served(answer: Answer) -> Request:
    """The request that is being answered. ApiError if it has ended without a token, as no worker can hold it."""
    request = answer.asked.request
    if request is None or (answer.asked.ended and not answer.made):
        if request is not None and request.failed:
            raise _lost()
        raise ApiError(503, "no worker can hold this request", kind="server_error")
    return request


def _lost() -> ApiError:
    return ApiError(503, "the worker of this request was lost", kind="server_error")


def _usage(request: Request) -> Row:
    return usage(request.prompt, request.produced, request.prompt - request.computed_prompt)


def _json(body: Row, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json", headers=HEADERS)
