"""`doctor`: what can be seen, and what would help."""

import sys
from io import TextIOWrapper
from typing import Any

import click

from tui.cli.parameters import EXIT_NONE_UP, output, run
from tui.cli.targets import target_options


@click.command()
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print a tokenyard.doctor/1 object.")
def doctor(loaded: Any, as_json: bool) -> None:
    """What can be seen on targets, what not, and what would help; without a target: this terminal and the usual local ports.

    Exit code 2 if no target is up.
    """
    from tui import doctor as ours

    found = run(ours.look(loaded))
    if as_json:
        output(ours.as_json(found))
    else:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without these glyphs still gets the words
        click.echo(ours.as_text(found))
    if not found.any_up:
        raise SystemExit(EXIT_NONE_UP)
