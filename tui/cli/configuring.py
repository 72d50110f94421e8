"""`config show`: every setting, its value, and which of flag, environment, file and default won."""

import click

from tui.cli.parameters import output
from tui.cli.targets import target_options


@click.group()
def config() -> None:
    """Settings: what they are, and where they come from."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print a tokenyard.config/1 object.")
@target_options
def show(loaded: object, as_json: bool) -> None:
    """Every setting, its value, and where it comes from. Takes the options of `watch`."""
    from tui.config import show as showing
    from tui.config.load import Loaded

    assert isinstance(loaded, Loaded)
    if as_json:
        output(showing.as_object(loaded))
    else:
        click.echo(showing.as_text(loaded))
