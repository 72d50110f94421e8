"""The options of every command that looks at targets: which ones, and the settings that hold for them."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tui.cli.parameters import FILE, Duration

_OPTIONS = (
    click.argument("targets", nargs=-1, metavar="[TARGET]..."),
    click.option("--config", "file", type=FILE, help="Configuration file, in place of the usual one."),
    click.option("--file-sd", multiple=True, metavar="FILE", help="File that lists targets (JSON, YAML; wildcards)."),
    click.option("--http-sd", multiple=True, metavar="URL", help="URL that lists targets."),
    click.option("--prometheus", multiple=True, metavar="FILE", help="Targets of an existing prometheus.yml."),
    click.option("--interval", "interval_s", type=Duration(), help="Between two scrapes of a target."),
    click.option("--ca-file", metavar="FILE", help="Authorities to trust, in place of the system's."),
    click.option("--insecure-tls", is_flag=True, default=None, help="Trust whoever answers. Said loudly."),
    click.option("--token-env", metavar="NAME", help="Variable that holds the bearer token."),
    click.option("--token-file", metavar="FILE", help="File that holds it, yours alone (mode 0600)."),
    click.option("--sole-reader", is_flag=True, default=None, help="Nobody else reads these: allow draining reads."),
    click.option("--kv-events/--no-kv-events", default=None, help="Follow KV events that a target publishes."),
    click.option(
        "--probe", "probe_s", type=Duration(), help="Send them a small request this often. Costs tokens there."
    ),
    click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any other setting: see config show."),
)


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command `loaded`, the settings (`tui.config.load.Loaded`), in place of all these options."""

    @functools.wraps(command)
    def wrapped(file: Path | None, settings: tuple[str, ...], **given: Any) -> Any:
        from tui.config.tables import DEFAULTS

        own = {name: given.pop(name) for name in list(given) if name not in DEFAULTS}
        flags = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in given.items()
            if value is not None and value != ()
        }
        return command(loaded=_loaded(flags, settings, file), **own)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _loaded(flags: dict[str, Any], settings: tuple[str, ...], file: Path | None) -> Any:
    """Wrong settings are a usage error before anything is started."""
    from tui.config.load import ConfigError, Written, load
    from tui.config.resolve import resolve

    for one in settings:
        key, separator, value = one.partition("=")
        if not separator:
            raise click.UsageError(f"--set {key}: write KEY=VALUE")
        flags[key] = Written(value)
    try:
        loaded = load(flags, file)
        resolve(loaded)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    return loaded
