"""`export`: a recording in a form for other tools."""

from pathlib import Path

import click

from tui.cli.parameters import FILE, NEW_FILE, Moment


@click.command()
@click.argument("file", type=FILE)
@click.option("--to", "form", type=click.Choice(["parquet", "csv", "jsonl", "perfetto", "html"]), required=True)
@click.option("-o", "--output", "path", type=NEW_FILE, required=True, help="The new file.")
@click.option("--from", "from_s", type=Moment(), help="Only what was at this time from the beginning or later.")
@click.option("--until", "until_s", type=Moment(), help="Only what was before this time.")
def export(file: Path, form: str, path: Path, from_s: float | None, until_s: float | None) -> None:
    """Write every delivery of a recording as a row: when, whose, where, its tokens and its gap; its requests as a trace for Perfetto, or what it comes to as one page of HTML.

    All are in docs/export.md. Prints one JSON line: how many rows, slices or bytes. Exit code 1 if the recording could not be read to its end.
    """
    from tui.exporting import export_recording

    export_recording(file, form, path, from_s, until_s)
