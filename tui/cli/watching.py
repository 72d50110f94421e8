"""`watch` and `snapshot`: what looks at back ends."""

from pathlib import Path
from typing import Any

import click

from tui.cli.parameters import EXIT_NONE_UP, NEW_FILE, REDACT, SAVE, Duration, output, run
from tui.cli.targets import target_options


@click.command()
@target_options
@click.option("--slo", metavar="PROFILE", help="Profile of objectives to judge by (default: as configured, else chat).")
@click.option("--record", type=NEW_FILE, help="Write what is seen to this new file.")
@REDACT
@SAVE
def watch(loaded: Any, record: Path | None, redact: bool, save: Path | None) -> None:
    """Watch back ends: URLs or host:port; what each one is, is found out.

    A TARGET may also be the name of a group of the configuration. Without one, what the configuration says is watched; if that is nothing, the
    ports of this machine where back ends usually listen.
    """
    from tui.start import run_watch

    run_watch(plan_of(loaded), record, redact=redact, save=save)


@click.command()
@target_options
@click.option("--slo", metavar="PROFILE", help="Profile of objectives to judge by (default: as configured, else chat).")
@click.option("--json", "as_json", is_flag=True, help="Print a tokenyard.snapshot/1 object.")
@click.option(
    "--for", "duration", type=Duration(), help="Watch this long (default: until each target gave two samples)."
)
def snapshot(loaded: Any, as_json: bool, duration: float | None) -> None:
    """One look at back ends, to stdout. Exit code 2 if no target is up."""
    from tui.headless import any_up, snapshot_frame
    from tui.summary import summary

    frame, signals = run(snapshot_frame(plan_of(loaded), duration))
    if as_json:
        from collectors.model.snapshot import snapshot as to_snapshot

        output(to_snapshot(frame, signals))
    else:
        click.echo(summary(frame))
    if not any_up(frame):
        raise SystemExit(EXIT_NONE_UP)


def plan_of(loaded: Any) -> Any:
    """What is to be watched. Whoever is only found on this machine is not made to work."""
    from tui.config.resolve import resolve

    plan = resolve(loaded)
    if plan.said["probe_s"] and not (plan.named or plan.lists):
        raise click.UsageError("--probe (probe_s): only what is named is probed; name a TARGET")
    return plan
