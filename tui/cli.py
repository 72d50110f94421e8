"""The command line: stdout is data, stderr is narration, exit codes are an API.

Only what a command needs is imported, when it runs; nothing here loads Textual, numpy or an emulator before that.
"""

import re
import sys
from pathlib import Path
from typing import Any, Literal, NoReturn

import click

EXIT_USAGE = 64
EXIT_NONE_UP = 2
EXIT_GATE = 1
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_UNIT_S = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """`500ms`, `10s`, `2m`, `1h`; a bare number is seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value))
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r} is not a duration such as 500ms, 10s or 2m", param, ctx)
        return float(match[1]) * _UNIT_S[match[2]]


class Moment(Duration):
    """A duration from the start of a recording, or `end`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if value == "end":
            return float("inf")
        return 0.0 if str(value) in {"0", "0s"} else super().convert(value, param, ctx)


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _output(value: dict[str, Any]) -> None:
    """One JSON object to stdout."""
    import json

    click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tokenyard", prog_name="tokenyard")
def cli() -> None:
    """Where did every token run, and why? A terminal dashboard for disaggregated LLM inference."""


@cli.command()
@click.argument("scenario", default="default")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Same seed, same demo.")
@click.option("--record", type=click.Path(path_type=Path), help="Write what is seen to this new file.")
@click.option(
    "--headless", is_flag=True, help="No dashboard: step the emulators on a virtual clock and print a summary."
)
@click.option("--duration", type=Duration(), default=10.0, help="Virtual time of a headless demo (default 10s).")
@click.option("--json", "as_json", is_flag=True, help="With --headless: print a tokenyard.snapshot/1 object.")
def demo(scenario: str, seed: int, record: Path | None, headless: bool, duration: float, as_json: bool) -> None:
    """Emulated LPUs and GPUs behind real servers, and the dashboard on them. Offline."""
    if as_json and not headless:
        raise click.UsageError("--json goes with --headless")
    _known_scenario(scenario)
    if headless or not sys.stdout.isatty():
        from tui.headless import demo_frame
        from tui.summary import summary

        frame = _run(demo_frame(scenario, seed, duration, record))
        if as_json:
            from collectors.model.snapshot import snapshot as to_snapshot

            _output(to_snapshot(frame))
        else:
            click.echo(summary(frame))
        return
    from tui.start import run_demo

    run_demo(scenario, seed, record)


@cli.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--record", type=click.Path(path_type=Path), help="Write what is seen to this new file.")
def watch(targets: tuple[str, ...], record: Path | None) -> None:
    """Watch back ends: URLs or host:port; what each one is, is found out."""
    _checked(targets)
    from tui.start import run_watch

    run_watch(targets, record)


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--at", type=Moment(), help="Where to start: a time from the beginning, or end.")
@click.option("--json", "as_json", is_flag=True, help="Print the snapshot at --at (default: end) and leave.")
def replay(file: Path, at: float | None, as_json: bool) -> None:
    """Play a recording in the same screens."""
    if as_json:
        from collectors.model.snapshot import snapshot as to_snapshot
        from tui.headless import replay_frame

        _output(to_snapshot(replay_frame(file, float("inf") if at is None else at), clock="replay"))
        return
    from tui.start import run_replay

    run_replay(file, at)


@cli.command()
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

    frame = _run(snapshot_frame(targets, duration))
    if as_json:
        from collectors.model.snapshot import snapshot as to_snapshot

        _output(to_snapshot(frame))
    else:
        click.echo(summary(frame))
    if not any_up(frame):
        raise SystemExit(EXIT_NONE_UP)


@cli.command()
@click.argument("scenario", default="default")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True)
@click.option("--port-base", type=click.IntRange(0, 65_000), default=9100, show_default=True, help="0: any free ports.")
@click.option("--clock", type=click.Choice(["paced", "stepped"]), default="paced", show_default=True)
@click.option("--speed", type=click.FloatRange(0.01, 100.0), default=1.0, show_default=True, help="Of a paced clock.")
@click.option("--exit-with-stdin", is_flag=True, hidden=True)
def emulate(
    scenario: str, seed: int, port_base: int, clock: Literal["paced", "stepped"], speed: float, exit_with_stdin: bool
) -> None:
    """The emulators alone, for other tools. Prints one JSON line with its addresses when it listens."""
    _known_scenario(scenario)
    from emulators.server import main as serve

    serve(scenario, seed, port_base=port_base, clock=clock, speed=speed, exit_with_stdin=exit_with_stdin)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--rows", type=_FILE, help="Measured rows of your own, in place of those that come with the package.")
@click.option("--group", default="", metavar="TEXT", help="Only groups whose name has this in it.")
@click.option("--catalogue", "tables", type=_FILE, help="TOML tables of more chips, models and engines.")
@click.option("--cache", "trace", type=_FILE, help="Instead: hit rates of a KV cache over this trace.")
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
            _output(hit_rates)
        else:
            for row in hit_rates["rows"]:
                click.echo(f"{row['capacity_blocks']:>10} blocks  {row['policy']}  {row['hit_rate']:.4f}")
        return
    if capacity_blocks is not None or policy is not None:
        raise click.UsageError("--capacity-blocks and --policy go with --cache")
    from tui.calibration import silicon

    made = silicon(rows, group, tables)
    if as_json:
        _output(made)
    else:
        from emulators.calibration.report import text

        click.echo(text(made))
    from emulators.calibration.report import failed

    if failed(made):
        raise SystemExit(EXIT_GATE)


def _known_scenario(name: str) -> None:
    from emulators.scenarios import SCENARIOS

    if name not in SCENARIOS:
        raise click.UsageError(f"unknown scenario {name!r}; known: {', '.join(sorted(SCENARIOS))}")


def _checked(targets: tuple[str, ...]) -> None:
    """Wrong targets are a usage error before anything is started."""
    from collectors.sources.detect import TargetError, parse_target

    for target in targets:
        try:
            parse_target(target)
        except TargetError as error:
            raise click.UsageError(str(error)) from error


def _run(work: Any) -> Any:
    import asyncio

    return asyncio.run(work)


def main() -> NoReturn:
    """Entry point: click's own exit code for wrong usage (2) means something else here, so it becomes 64."""
    try:
        cli.main(standalone_mode=False)
    except click.UsageError as error:
        error.show()
        raise SystemExit(EXIT_USAGE) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except (click.Abort, KeyboardInterrupt):
        raise SystemExit(130) from None
    raise SystemExit(0)


if __name__ == "__main__":
    main()
