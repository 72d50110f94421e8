"""`report`: a recording as Markdown. Never loads Textual."""

from pathlib import Path

import click

from collectors.diagnose.judging import Judging
from collectors.export.output import ExportError, new_file
from collectors.export.span import part
from collectors.export.whole import Whole, whole
from tui.recorded import opened
from tui.report.markdown import markdown
from tui.report.sections import sections, title


def look(file: Path, judging: Judging, from_s: float | None, until_s: float | None) -> Whole:
    """Raises `click.ClickException` where there is nothing to tell."""
    with opened(file) as reader:
        try:
            return whole(reader, part(reader, from_s, until_s), judging)
        except ExportError as error:
            raise click.ClickException(str(error)) from error


def write_report(file: Path, path: Path | None, judging: Judging, from_s: float | None, until_s: float | None) -> None:
    it = look(file, judging, from_s, until_s)
    text = markdown(title(it, file.name), sections(it))
    if path is None:
        click.echo(text, nl=False)
    else:
        try:
            with new_file(path) as out:
                out.write(text.encode())
        except ExportError as error:
            raise click.ClickException(str(error)) from error
    if it.torn is not None:
        raise SystemExit(1)
