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
@click.option(
    "--ask",
    is_flag=True,
    help="Ask Dynamo for the workers and times of each request (nvext.extra_fields); changes nothing else of it.",
)
@click.option("--watch", is_flag=True, help="The dashboard on what goes through, in this terminal.")
@click.option("--exit-with-stdin", is_flag=True, hidden=True)
def tap(
    upstream: str, listen: str, ca_file: Path | None, drain: float, ask: bool, watch: bool, exit_with_stdin: bool
) -> None:
    """Measured placement for an unmodified endpoint: a reverse proxy that times every delivery.

    Bytes go through unchanged. Prints one JSON line with its addresses when it listens; `tokenyard watch` that address, or --watch it at once. Until SIGTERM.
    """
    from tui import tapping

    settings = tapping.Settings(upstream, listen, ca_file, drain, ask)
    if watch:
        from tui.start import run_tap

        tapping.check(settings)
        run_tap(settings)
    else:
        run(tapping.tap(settings, exit_with_stdin=exit_with_stdin))
