"""The configuration, for commands that watch nothing; and the option by which they choose a profile of objectives of it."""

from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collectors.diagnose.judging import Judging
    from tui.config.load import Loaded


def configured(**flags: Any) -> "Loaded":
    """Raises `click.UsageError`. `flags` by key."""
    from tui.config.load import ConfigError, load

    try:
        return load(flags)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def _judging(context: click.Context, _: click.Parameter, profile: str | None) -> "Judging | None":
    if context.resilient_parsing:
        return None
    from tui.config.judging import judged
    from tui.config.load import ConfigError

    try:
        return judged(configured(**({"slo": profile} if profile else {}))).judging
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


SLO: Final = click.option(
    "--slo",
    "judging",
    metavar="PROFILE",
    callback=_judging,
    help="Profile of objectives (default: as configured, else chat).",
)
"""Gives the command `judging`."""
