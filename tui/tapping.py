"""The tap as a process: its addresses to stdout, narration to stderr, until SIGTERM or SIGINT."""

import asyncio
import ipaddress
import json
import signal
import ssl
from pathlib import Path

import click
from yarl import URL

from collectors.tap.server import STREAM_PATH, Tap, TapError, serving


async def tap(upstream: str, listen: str, ca_file: Path | None, drain_s: float) -> None:
    """Runs until told to stop. Raises click's errors for what cannot be used."""
    url, (host, port) = base_url(upstream), address(listen)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if not _is_local(host):
        click.echo(f"tokenyard tap: {host} may be reached by others, and what they send is not encrypted", err=True)
    try:
        async with serving(Tap(url, tls=_authorities(ca_file)), host, port, drain_s=drain_s) as bound:
            here = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
            stream, metrics = f"{here}{STREAM_PATH}", f"{here}/metrics"
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
