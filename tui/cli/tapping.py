"""`tap`: a reverse proxy that measures what goes through it."""

from pathlib import Path

import click

from tui.cli.parameters import FILE, Duration, run


@click.command()
@click.option("--upstream", required=True, help="Base URL of an OpenAI-compatible server, without /v1.")
@click.option(
    "--listen", default="127.0.0.1:9000", show_default=True, help="Address to listen on; port 0: any free one."
)
@click.option("--ca-file", type=FILE, help="Authorities that the upstream's certificate is checked against.")
@click.option(
    "--drain", type=Duration(), default=30.0, help="On SIGTERM: how long what is in flight may take (default 30s)."
)
def tap(upstream: str, listen: str, ca_file: Path | None, drain: float) -> None:
    """Measured placement for an unmodified endpoint: a reverse proxy that times every delivery.

    Bytes go through unchanged. Prints one JSON line with its addresses when it listens; `tokenyard watch` that address. Until SIGTERM.
    """
    from tui import tapping

    run(tapping.tap(upstream, listen, ca_file, drain))
