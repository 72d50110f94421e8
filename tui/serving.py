"""`serve demo`: the dashboard in a browser, through textual-serve. Each browser has a process, emulators and a show of its own.

On loopback without more; elsewhere only with a token, which is asked for once in the address and then is a cookie. Pages of other origins may not open a session.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import shlex
import sys
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiohttp import web

COOKIE: Final = "tokenyard"
MISSING: Final = "serve needs textual-serve: pip install 'tokenyard[serve]'"
_HOST: Final = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
MOST_SESSIONS: Final = 8
"""At a time: each is two processes."""


def loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allowed(host: str, origin: str | None, given: str | None, token: str | None) -> bool:
    """Whether a request may be answered. `host`, `origin`: its headers; `given`: what it has for a token. Without a token only a loopback name is answered, so that no name that is
    made to point here gets in."""
    if not _HOST.fullmatch(host) or (origin is not None and origin.split("://", 1)[-1] != host):
        return False
    if token is not None:
        return given is not None and hmac.compare_digest(given.encode(), token.encode())
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return loopback(name.strip("[]"))


def serve(arguments: Sequence[str], host: str, port: int) -> None:
    """Until it is ended. Raises ClickException where textual-serve is missing."""
    try:
        from aiohttp import web
        from textual_serve.server import Server
    except ImportError:
        raise click.ClickException(MISSING) from None

    token = None if loopback(host) else secrets.token_urlsafe(24)
    address = f"{f'[{host}]' if ':' in host else host}:{port}"
    sessions = 0

    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        nonlocal sessions
        asked = request.query.get("token")
        given = asked or request.cookies.get(COOKIE)
        if not allowed(request.host, request.headers.get("Origin"), given, token):
            raise web.HTTPForbidden(text="not from here, or without the token that `tokenyard serve` printed\n")
        if token is not None and asked:
            answer = web.HTTPFound(request.path)
            answer.set_cookie(COOKIE, token, httponly=True, samesite="Strict")
            raise answer
        # The page names its parts by the address that the browser has for us.
        server.public_url = f"http://{request.host}"
        if request.path != "/ws":
            return await handler(request)
        if sessions >= MOST_SESSIONS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_SESSIONS} sessions are open, which is the limit\n")
        sessions += 1
        try:
            return await handler(request)
        finally:
            sessions -= 1

    class Guarded(Server):  # type: ignore[misc, unused-ignore]  # untyped where it is not installed
        async def _make_app(self) -> Any:
            app = await super()._make_app()
            app.middlewares.append(guard)
            return app

        async def on_startup(self, app: Any) -> None:
            click.echo(f"{self.public_url}/{f'?token={token}' if token else ''}", err=False)
            click.echo("each browser has a demo of its own; ctrl+c ends", err=True)

    command = shlex.join([sys.executable, "-m", "tui", *arguments])
    server = Guarded(command, host=host, port=port, title="tokenyard", public_url=f"http://{address}")
    server.serve()
