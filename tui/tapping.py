"""The tap as a process: its addresses to stdout, narration to stderr, until SIGTERM or SIGINT."""

import gc
import ipaddress
import json
import ssl
import sys
from pathlib import Path
from typing import Final, NamedTuple

import click
from yarl import URL

from collectors.tap.server import STREAM_PATH, Tap, TapError, serving
from tui.stopping import told_to_stop

SWITCH_S: Final = 1e-4
"""So long what is passed on waits at most for the thread in which a page of metrics is made."""


class Settings(NamedTuple):
    """As the command line has them."""

    upstream: str
    listen: str
    ca_file: Path | None
    drain_s: float
    ask: bool

    @property
    def arguments(self) -> list[str]:
        """Of the command that runs it."""
        some = ["--upstream", self.upstream, "--listen", self.listen, "--drain", f"{self.drain_s:g}s"]
        return [*some, *(["--ca-file", str(self.ca_file)] if self.ca_file else []), *(["--ask"] if self.ask else [])]


def check(settings: Settings) -> None:
    """Raises click's errors for what cannot be used."""
    base_url(settings.upstream)
    address(settings.listen)
    _authorities(settings.ca_file)


async def tap(settings: Settings, *, exit_with_stdin: bool = False) -> None:
    """Runs until told to stop. Raises click's errors for what cannot be used."""
    url, (host, port) = base_url(settings.upstream), address(settings.listen)
    stop = told_to_stop(with_stdin=exit_with_stdin)
    if not _is_local(host):
        click.echo(f"tokenyard tap: {host} may be reached by others, and what they send is not encrypted", err=True)
    try:
        measuring = Tap(url, tls=_authorities(settings.ca_file), ask=settings.ask)
        async with serving(measuring, host, port, drain_s=settings.drain_s) as bound:
            here = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
            stream, metrics = f"{here}{STREAM_PATH}", f"{here}/metrics"
            sys.setswitchinterval(SWITCH_S)
            gc.collect()
            gc.freeze()  # a full collection of what is there now takes 4 ms, in which nothing is passed on
            click.echo(json.dumps({"tap": here, "upstream": str(url), "stream": stream, "metrics": metrics}))
            await stop.wait()
            click.echo("tokenyard tap: no new connections; waiting for what is in flight", err=True)
    except TapError as error:
        raise click.ClickException(f"tap: {error}") from None


def base_url(text: str) -> URL:
    """Raises UsageError. Credentials belong to requests, not to a command line."""
    try:
        url = URL(text)
        usable = url.scheme in ("http", "https") and bool(url.host)
    except ValueError:
        usable = False
    if not usable:
        raise click.UsageError(
            f"--upstream {text!r} is not a URL such as http://10.0.0.5:8000 or https://api.example.com"
        )
    if url.user or url.password or url.query_string or url.fragment:
        raise click.UsageError(
            "--upstream takes no user, password, query or fragment; clients send their own credentials"
        )
    return url


def address(text: str) -> tuple[str, int]:
    """Raises UsageError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdecimal() and int(port) <= 65_535):
        raise click.UsageError(f"--listen {text!r} is not an address such as 127.0.0.1:9000")
    return host, int(port)


def _authorities(ca_file: Path | None) -> ssl.SSLContext | None:
    try:
        return None if ca_file is None else ssl.create_default_context(cafile=str(ca_file))
    except OSError:  # SSLError is one
        raise click.UsageError(f"--ca-file {ca_file} holds no certificate that can be read") from None


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
