"""The command line: stdout is data, stderr is narration, exit codes are an API.

A module a group of commands. Only what a command needs is imported, when it runs; nothing here loads Textual, numpy or an emulator before that.
"""

from typing import NoReturn

import click

from tui.cli.bundling import bundle
from tui.cli.calibrating import calibrate
from tui.cli.casting import cast
from tui.cli.checking import check
from tui.cli.comparing import compare
from tui.cli.configuring import config
from tui.cli.doctoring import doctor
from tui.cli.emulating import demo, emulate
from tui.cli.exporting import export
from tui.cli.parameters import EXIT_USAGE
from tui.cli.recording import record
from tui.cli.replaying import replay
from tui.cli.reporting import report
from tui.cli.serving import serve
from tui.cli.tapping import tap
from tui.cli.watching import snapshot, watch


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tokenyard", prog_name="tokenyard")
def cli() -> None:
    """Where did every token run, and why? A terminal dashboard for disaggregated LLM inference."""


for command in (
    demo, watch, record, replay, compare, export, report, cast, bundle, snapshot, check, doctor, tap, emulate, calibrate, config, serve
):  # fmt: skip
    cli.add_command(command)


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
