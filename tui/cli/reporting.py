"""`report`: what a recording comes to, to be read and kept."""

from pathlib import Path
from typing import Any

import click

from tui.cli.configured import SLO
from tui.cli.parameters import FILE, NEW_FILE, Moment


@click.command()
@click.argument("file", type=FILE)
@click.option("-o", "--output", "path", type=NEW_FILE, help="A new file instead of standard output.")
@SLO
@click.option("--from", "from_s", type=Moment(), help="Only what was at this time from the beginning or later.")
@click.option("--until", "until_s", type=Moment(), help="Only what was before this time.")
def report(file: Path, path: Path | None, judging: Any, from_s: float | None, until_s: float | None) -> None:
    """What a recording comes to, as Markdown: attainment and cost, verdicts, workers, the worst stalls, memory tiers, placement.

    Figures are of the whole recording, or of the part between --from and --until (at most 6 h). Exit code 1 if the recording could not be read to its end.
    """
    from tui.reporting import write_report

    write_report(file, path, judging, from_s, until_s)
