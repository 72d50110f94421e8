"""The commands with a screen: each makes a driver and runs the dashboard on it."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.choices import Choices
from tui.cli.configured import configured
from tui.config.resolve import Plan
from tui.driver import Driver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.compare.comparison import Comparison
    from tui.child import Child
    from tui.tapping import Settings


def run_demo(
    scenario: str,
    seed: int,
    record: Path | None,
    faults: Sequence[str] = (),
    save: Path | None = None,
    *,
    stage: bool = False,
    child: Child | None = None,
) -> None:
    """A scenario with chapters is a show, which goes when the presenter says so; `stage`: it waits where a chapter does."""
    from tui.show.scripts import script_of

    script = script_of(scenario)
    driver: Driver
    if script is not None:
        from tui.show.driver import ShowDriver

        driver = ShowDriver(script, scenario, seed, record, faults, waits=stage, child=child)
    else:
        from tui.live import DemoDriver

        driver = DemoDriver(scenario, seed, record, faults)
    _run(driver, save, stage=stage)


def run_watch(plan: Plan, record: Path | None, *, redact: bool = False, save: Path | None = None) -> None:
    from tui.live import WatchDriver

    _run(WatchDriver(plan, record, redact=redact), save)


def run_tap(settings: Settings) -> None:
    from tui.config.judging import judged
    from tui.live import TapDriver

    _run(TapDriver(settings, judged(configured())))


def run_compare(it: Comparison, file: Path) -> None:
    """The dashboard on `file`, the second of the two, with the comparison as its first page."""
    from tui.replaying import ReplayDriver

    _run(ReplayDriver(file, it.b.until_s), comparison=it)


def run_replay(file: Path, at_s: float | None, speed: float) -> None:
    from tui.replaying import ReplayDriver

    _run(ReplayDriver(file, at_s or 0.0, speed))


def _run(
    driver: Driver, save: Path | None = None, comparison: Comparison | None = None, *, stage: bool = False
) -> None:
    """`save`: a new file for what is remembered at the end."""
    if not sys.stdout.isatty() and "TEXTUAL_DRIVER" not in os.environ:
        raise click.UsageError("the dashboard needs a terminal; snapshot, demo --headless and replay --json do not")
    from tui.app import TokenyardApp

    choices = _choices(stage=stage)
    if comparison is not None:
        choices = replace(choices, page="compare", kept=None)
    TokenyardApp(driver, choices, comparison).run()
    if save is not None:
        problem, done = asyncio.run(driver.save(save))
        if problem:
            raise click.ClickException(problem)
        click.echo(done, err=True)


def _choices(*, stage: bool) -> Choices:
    """What the environment and the file say of the dashboard."""
    from tui.remembered import file

    settings = configured().settings
    layout = {name: settings[f"layout.{name}"].value for name in ("theme", "glyphs", "page", "fleet", "stage")}
    layout["stage"] |= stage
    return Choices(**layout, keys=settings["keys"].value, kept=file())
