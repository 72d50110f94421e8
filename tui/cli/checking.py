"""`check`: whether objectives are met, for scripts and pipelines: the answer is the exit code."""

from typing import Any, Final

import click

from tui.cli.parameters import EXIT_GATE, EXIT_NONE_UP, EXIT_UNSURE, Duration, output, run
from tui.cli.targets import target_options
from tui.cli.watching import plan_of

_EXITS: Final = {"met": 0, "violated": EXIT_GATE, "indeterminate": EXIT_UNSURE}


@click.command()
@target_options
@click.option(
    "--slo",
    metavar="PROFILE",
    help="Profile of objectives: chat, rag, agent, code, … (default: as configured, else chat).",
)
@click.option("--for", "duration", type=Duration(), default="60s", show_default=True, help="Watch this long.")
@click.option("--json", "as_json", is_flag=True, help="Print the slo object of tokenyard.snapshot/1.")
def check(loaded: Any, duration: float, as_json: bool) -> None:
    """Hold the requests of back ends against a profile of objectives.

    Exit code 0: all objectives are met; 1: one is violated; 3: too few requests to tell, or nobody tells; 2: no target is up. Met and violated are said with
    95 % confidence.
    """
    from collectors.model.snapshot import snapshot as to_snapshot
    from tui.headless import any_up, snapshot_frame
    from tui.judgement import judgement

    frame, _ = run(snapshot_frame(plan_of(loaded), duration))
    slo = frame.slo
    assert slo is not None  # there was a tick
    if as_json:
        output(to_snapshot(frame)["slo"])
    else:
        click.echo("\n".join(judgement(slo, emulated=frame.emulated)))
    raise SystemExit(_EXITS[slo.state] if any_up(frame) else EXIT_NONE_UP)
