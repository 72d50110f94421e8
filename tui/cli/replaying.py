"""`replay`: a recording in the same screens, or a moment of it."""

from pathlib import Path

import click

from tui.cli.parameters import FILE, Moment, Speed, output


@click.command()
@click.argument("file", type=FILE)
@click.option("--at", type=Moment(), help="Where to start: a time from the beginning, or end.")
@click.option("--speed", type=Speed(), default="1", help="1/16 … 64 times as fast (default 1).")
@click.option("--info", is_flag=True, help="With --json: print what the file holds instead.")
@click.option("--json", "as_json", is_flag=True, help="Print the snapshot at --at (default: end) and leave.")
def replay(file: Path, at: float | None, speed: float, info: bool, as_json: bool) -> None:
    """Play a recording in the same screens."""
    if info:
        if not as_json:
            raise click.UsageError("--info goes with --json")
        from tui.recorded import told

        output(told(file))
        return
    if as_json:
        from collectors.model.snapshot import snapshot as to_snapshot
        from tui.headless import replay_frame

        frame, signals = replay_frame(file, float("inf") if at is None else at)
        output(to_snapshot(frame, signals, clock="replay"))
        return
    from tui.start import run_replay

    run_replay(file, at, speed)
