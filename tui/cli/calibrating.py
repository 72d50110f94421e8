"""`calibrate`: the emulators beside published measurements."""

from pathlib import Path

import click

from tui.cli.parameters import EXIT_GATE, FILE, output


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--rows", type=FILE, help="Measured rows of your own, in place of those that come with the package.")
@click.option("--group", default="", metavar="TEXT", help="Only groups whose name has this in it.")
@click.option("--catalogue", "tables", type=FILE, help="TOML tables of more chips, models and engines.")
@click.option("--cache", "trace", type=FILE, help="Instead: hit rates of a KV cache over this trace.")
@click.option("--capacity-blocks", metavar="N[,N...]", help="With --cache: capacities in the trace's blocks.")
@click.option("--policy", type=click.Choice(["lru", "lfu"]), help="With --cache: what goes first (default lru).")
def calibrate(
    as_json: bool,
    rows: Path | None,
    group: str,
    tables: Path | None,
    trace: Path | None,
    capacity_blocks: str | None,
    policy: str | None,
) -> None:
    """The emulators against published measurements. Exit code 1 if a gate fails."""
    if trace is not None:
        if rows is not None or tables is not None or group:
            raise click.UsageError("--cache goes with --capacity-blocks and --policy only")
        from tui.calibration import cache

        hit_rates = cache(trace, capacity_blocks, policy or "lru")
        if as_json:
            output(hit_rates)
        else:
            for row in hit_rates["rows"]:
                click.echo(f"{row['capacity_blocks']:>10} blocks  {row['policy']}  {row['hit_rate']:.4f}")
        return
    if capacity_blocks is not None or policy is not None:
        raise click.UsageError("--capacity-blocks and --policy go with --cache")
    from tui.calibration import silicon

    made = silicon(rows, group, tables)
    if as_json:
        output(made)
    else:
        from emulators.calibration.report import text

        click.echo(text(made))
    from emulators.calibration.report import failed

    if failed(made):
        raise SystemExit(EXIT_GATE)
