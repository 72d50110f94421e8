"""`export`: a recording into a file of another form. Never loads Textual."""

import json
from pathlib import Path

import click

from collectors.export.deliveries import DELIVERIES, deliveries
from collectors.export.output import ExportError, new_file
from collectors.export.span import items, part
from collectors.export.writers import WRITERS
from tui.recorded import opened


def export_deliveries(file: Path, form: str, path: Path, from_s: float | None, until_s: float | None) -> None:
    """Raises `click.ClickException` where it cannot be written."""
    with opened(file) as reader:
        of = part(reader, from_s, until_s)
        try:
            with new_file(path) as out:
                rows = WRITERS[form](out, DELIVERIES, deliveries(items(reader, of), of))
        except ExportError as error:
            raise click.ClickException(str(error)) from error
        torn = reader.torn
    click.echo(json.dumps({"file": str(path), "rows": rows, "torn": torn}))
    if torn is not None:
        raise SystemExit(1)
