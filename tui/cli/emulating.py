"""`demo` and `emulate`: what runs the emulators."""

import contextlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import click

from tui.cli.parameters import NEW_FILE, SAVE, Duration, output, run

TRACE = click.option(
    "--trace",
    metavar="NAME|FILE",
    help="Replay a trace instead: azure-chat, azure-code, mooncake, agentic (slices that come with tokenyard), or a file of one of these formats.",
)


def _list(context: click.Context, _: click.Parameter, asked: bool) -> None:
    """Says which scenarios there are, and ends."""
    if not asked or context.resilient_parsing:
        return
    from emulators.scenarios import SCENARIOS

    width = max(map(len, SCENARIOS))
    for name, one in SCENARIOS.items():
        show = f" (a show of {one.length_s / 60:.1f} min, {len(one.chapters)} chapters)" if one.chapters else ""
        click.echo(f"{name:<{width}}  {one.about}{show}")
    context.exit()


LIST = click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="The scenarios there are."
)
FAULT = click.option(
    "--fault",
    "faults",
    metavar="KIND:TARGET@START[+DURATION][,KEY=VALUE]",
    multiple=True,
    help="What goes wrong, and when, in simulated time: straggler:gpu-1/0@5s+10s,factor=4. As often as wanted; kinds in docs/emulators.md.",
)


@click.command()
@click.argument("scenario", default="default")
@TRACE
@FAULT
@LIST
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Same seed, same demo.")
@click.option("--record", type=NEW_FILE, help="Write what is seen to this new file.")
@click.option(
    "--headless", is_flag=True, help="No dashboard: step the emulators on a virtual clock and print a summary."
)
@click.option("--duration", type=Duration(), default=10.0, help="Virtual time of a headless demo (default 10s).")
@click.option("--json", "as_json", is_flag=True, help="With --headless: print a tokenyard.snapshot/1 object.")
@SAVE
@click.option(
    "--stage",
    is_flag=True,
    help="For an audience: stop where a chapter says so and wait for a key, and never slow down.",
)
@click.option(
    "--rehearse",
    is_flag=True,
    help="Run the show headless at full speed, and hold what its chapters claim against the figures.",
)
@click.option(
    "--sources",
    "told_sources",
    is_flag=True,
    help="The figures of chips, software and model that the scenario computes with: who says so, and what is assumed.",
)
@click.option(
    "--attach", is_flag=True, help="The second terminal of a show that is on: notes, what comes next, time left."
)
def demo(
    scenario: str,
    trace: str | None,
    faults: tuple[str, ...],
    seed: int,
    record: Path | None,
    save: Path | None,
    headless: bool,
    duration: float,
    as_json: bool,
    stage: bool,
    rehearse: bool,
    told_sources: bool,
    attach: bool,
) -> None:
    """Emulated LPUs and GPUs behind real servers, and the dashboard on them. Offline.

    SCENARIO: a name (--list), or a TOML file of your own (docs/emulators.md). One with chapters, such as bad-day, is a show:

    \b
      PgDn PgUp   next chapter, chapter before (as clickers send)
      space 0 J   pause, restart, jump to a chapter
      + -         faster, slower
      z c k       stage layout, captions, keys that were pressed
      F l         a fault by hand, more or less load
      ?           all keys
    """
    if attach:
        from tui.show.attaching import follow

        with contextlib.suppress(KeyboardInterrupt):
            run(follow())
        return
    if as_json and not headless:
        raise click.UsageError("--json goes with --headless")
    if told_sources:
        from emulators.citations import citations
        from emulators.scenarios import scenario as found
        from tui.summary import table

        rows: list[tuple[str, ...]] = [
            (
                one.of,
                one.name,
                "" if one.value is None else f"{one.value:.12g}",
                f"{one.source}, {one.date}{' · ASSUMED' if one.assumed else ''}",
            )
            for one in citations(found(known_scenario(scenario, trace, faults)))
        ]
        click.echo("\n".join(table(("of", "figure", "value", "who says so"), rows)))
        return
    if rehearse:
        from tui.rehearsing import run_rehearsal

        run_rehearsal(known_scenario(scenario, trace, faults), seed)
        return
    child = None
    if drawn_on() and not headless and trace is None:
        from tui.child import chapters_in, emulating

        if chapters_in(scenario):
            # It comes up while the dashboard loads, and ends with us whatever comes of it.
            child = emulating(scenario, seed=seed, clock="stepped", faults=faults)
            child.begin()
    scenario = known_scenario(scenario, trace, faults)
    if save is not None and (headless or not drawn_on()):
        raise click.UsageError("--save-on-exit goes with the dashboard; --record without")
    if headless or not drawn_on():
        from tui.headless import demo_frame
        from tui.summary import summary

        frame, signals = run(demo_frame(scenario, seed, duration, record, faults))
        if as_json:
            from collectors.model.snapshot import snapshot as to_snapshot

            output(to_snapshot(frame, signals))
        else:
            click.echo(summary(frame))
        return
    from tui.start import run_demo

    run_demo(scenario, seed, record, faults, save, stage=stage, child=child)


@click.command()
@click.argument("scenario", default="default")
@TRACE
@FAULT
@LIST
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True)
@click.option("--port-base", type=click.IntRange(0, 65_000), default=9100, show_default=True, help="0: any free ports.")
@click.option("--clock", type=click.Choice(["paced", "stepped"]), default="paced", show_default=True)
@click.option("--speed", type=click.FloatRange(0.01, 100.0), default=1.0, show_default=True, help="Of a paced clock.")
@click.option(
    "--kv-events/--no-kv-events",
    default=None,
    help="Publish KV events over ZeroMQ. By default where pyzmq is installed.",
)
@click.option("--exit-with-stdin", is_flag=True, hidden=True)
def emulate(
    scenario: str,
    trace: str | None,
    faults: tuple[str, ...],
    seed: int,
    port_base: int,
    clock: Literal["paced", "stepped"],
    speed: float,
    kv_events: bool | None,
    exit_with_stdin: bool,
) -> None:
    """The emulators alone, for other tools. Prints one JSON line with its addresses when it listens.

    SCENARIO: a name, or a TOML file that says which load (docs/emulators.md).
    """
    scenario = known_scenario(scenario, trace, faults)
    from emulators.server import main as serve
    from tui.stopping import told_to_stop

    can_publish = find_spec("zmq") is not None
    if kv_events and not can_publish:
        raise click.UsageError("--kv-events needs pyzmq: pip install 'tokenyard[kv-events]'")
    publish = can_publish if kv_events is None else kv_events
    serve(
        scenario,
        seed,
        port_base=port_base,
        clock=clock,
        speed=speed,
        kv_events=publish,
        faults=faults,
        stopping=lambda: told_to_stop(with_stdin=exit_with_stdin),
    )


def drawn_on() -> bool:
    """Whether there is something to draw on: a terminal, or a browser through textual-serve."""
    return sys.stdout.isatty() or "TEXTUAL_DRIVER" in os.environ


def known_scenario(name: str, trace: str | None, faults: tuple[str, ...]) -> str:
    """The name of what is to be played, with faults that it can have."""
    from emulators.scenarios import TRACE, build, scenario

    if trace is not None:
        if name != "default":
            raise click.UsageError("--trace goes without a SCENARIO; a TOML file may name a scenario and a trace")
        name = TRACE + trace
    try:
        played = scenario(name)
        if name.endswith(".toml"):
            from tui.show.claims import claims_of

            claims_of(name, played)
        if faults:
            build(name, 0, faults=faults)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return name
