"""`export`: a recording into a file of another form. Never loads Textual."""

import json
from pathlib import Path
from typing import BinaryIO, Final

import click

from collectors.export.chrome import chrome_file
from collectors.export.deliveries import DELIVERIES, deliveries
from collectors.export.frames import Stalls, frames
from collectors.export.output import ExportError, new_file
from collectors.export.slices import slices
from collectors.export.span import Part, items, part
from collectors.export.whole import whole
from collectors.export.writers import WRITERS
from collectors.recording.reader import Reader
from tui.recorded import opened


def export_recording(file: Path, form: str, path: Path, from_s: float | None, until_s: float | None) -> None:
    """Raises `click.ClickException` where it cannot be written."""
    with opened(file) as reader:
        of = part(reader, from_s, until_s)
        try:
            with new_file(path) as out:
                told = _FORMS[form](out, reader, of) if form in _FORMS else _deliveries(out, form, reader, of)
        except ExportError as error:
            raise click.ClickException(str(error)) from error
        torn = reader.torn
    click.echo(json.dumps({"file": str(path), **told, "torn": torn}))
    if torn is not None:
        raise SystemExit(1)


def _deliveries(out: BinaryIO, form: str, reader: Reader, of: Part) -> dict[str, int]:
    return {"rows": WRITERS[form](out, DELIVERIES, deliveries(items(reader, of), of))}


def _trace(out: BinaryIO, reader: Reader, of: Part) -> dict[str, int]:
    stalls = Stalls()
    for frame in frames(reader, of):
        stalls.see(frame)
    # What began long before the part is told from there on.
    found = slices(items(reader, of, whole=True), stalls.rows(), of)
    count, arrows = chrome_file(out, found, reader.info().t0_ns or 0)
    return {"slices": count, "arrows": arrows}


def _page(out: BinaryIO, reader: Reader, of: Part) -> dict[str, int]:
    from tui.report.html import html

    page = html(whole(reader, of), reader.path.name).encode()
    out.write(page)
    return {"bytes": len(page)}


_FORMS: Final = {"perfetto": _trace, "html": _page}
