"""`bundle`: an incident as one archive."""

from pathlib import Path
from typing import Any

import click

from tui.cli.configured import SLO, configured
from tui.cli.parameters import FILE, NEW_FILE, Duration, Moment


@click.command()
@click.argument("file", type=FILE)
@click.option("-o", "--output", "path", type=NEW_FILE, required=True, help="The new archive, NAME.zip.")
@click.option("--at", type=Moment(), help="The moment: a time from the beginning, or end.")
@click.option("--mark", metavar="NOTE", help="The same: the bookmark with this note.")
@click.option("--before", type=Duration(), default="30s", show_default=True, help="How much before it.")
@click.option("--after", type=Duration(), default="30s", show_default=True, help="How much after it.")
@SLO
def bundle(
    file: Path, path: Path, at: float | None, mark: str | None, before: float, after: float, judging: Any
) -> None:
    """An incident to hand on: what is around a moment of a recording, as one zip archive.

    In it: that part as a recording (tokenyard replay), the screen of the moment (SVG and text), a report of the part (Markdown and HTML), and the configuration without secrets, unless names
    were redacted.
    """
    if (at is None) == (mark is None):
        raise click.UsageError("say which moment: --at or --mark")
    from tui.bundling import bundle_file

    moment: float | str = mark if mark is not None else at if at is not None else 0.0
    bundle_file(file, path, moment, before, after, judging, configured())
