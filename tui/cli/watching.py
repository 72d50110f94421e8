"""`watch` and `snapshot`: what looks at back ends."""

from pathlib import Path

import click

from tui.cli.parameters import EXIT_NONE_UP, NEW_FILE, Duration, output, run


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--record", type=NEW_FILE, help="Write what is seen to this new file.")
def watch(targets: tuple[str, ...], record: Path | None) -> None:
    """Watch back ends: URLs or host:port; what each one is, is found out."""
    _checked(targets)
    from tui.start import run_watch

    run_watch(targets, record)


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--json", "as_json", is_flag=True, help="Print a tokenyard.snapshot/1 object.")
@click.option(
    "--for", "duration", type=Duration(), help="Watch this long (default: until each target gave two samples)."
)
def snapshot(targets: tuple[str, ...], as_json: bool, duration: float | None) -> None:
    """One look at back ends, to stdout. Exit code 2 if no target is up."""
    _checked(targets)
    from tui.headless import any_up, snapshot_frame
    from tui.summary import summary

    frame = run(snapshot_frame(targets, duration))
    if as_json:
        from collectors.model.snapshot import snapshot as to_snapshot

        output(to_snapshot(frame))
    else:
        click.echo(summary(frame))
    if not any_up(frame):
        raise SystemExit(EXIT_NONE_UP)


def _checked(targets: tuple[str, ...]) -> None:
    """Wrong targets are a usage error before anything is started."""
    from collectors.sources.detect import TargetError, parse_target

    for target in targets:
        try:
            parse_target(target)
        except TargetError as error:
            raise click.UsageError(str(error)) from error
