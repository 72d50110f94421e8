"""`cast`: a replay as a film for asciinema."""

import re
from pathlib import Path
from typing import Any, Final

import click

from tui.cli.parameters import FILE, NEW_FILE, Duration, Moment, Speed

_SIZE: Final = re.compile(r"(\d{2,3})[x×](\d{2,3})")


class Screen(click.ParamType[tuple[int, int]]):
    """`100x30`."""

    name = "columns×lines"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        match = _SIZE.fullmatch(str(value))
        if match is None or int(match[1]) < 40 or int(match[2]) < 10:
            self.fail(f"{value!r} is not a size such as 100x30, of at least 40x10", param, ctx)
        return int(match[1]), int(match[2])


class Pressed(click.ParamType[Any]):
    """`12s=4`."""

    name = "time=key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from tui.casting import Press

        at, _, key = str(value).partition("=")
        if not key:
            self.fail(f"{value!r} is not a time and a key such as 12s=4", param, ctx)
        return Press(Duration().convert(at, param, ctx), key)


@click.command()
@click.argument("file", type=FILE)
@click.option("-o", "--output", "path", type=NEW_FILE, required=True, help="The new file, NAME.cast.")
@click.option("--size", type=Screen(), default="100x30", show_default=True, help="Of the screen.")
@click.option("--fps", type=click.FloatRange(0.1, 30), default=4.0, show_default=True, help="Pictures a second.")
@click.option("--speed", type=Speed(), default="1", show_default=True, help="1/16 … 64 times as fast as it was.")
@click.option("--page", default="overview", show_default=True, help="What is shown first.")
@click.option(
    "--press",
    "presses",
    type=Pressed(),
    multiple=True,
    help="A key, and when in the recording: 12s=4. As often as wanted.",
)
@click.option("--from", "from_s", type=Moment(), help="Begin at this time from the beginning.")
@click.option("--until", "until_s", type=Moment(), help="End there.")
def cast(
    file: Path,
    path: Path,
    size: tuple[int, int],
    fps: float,
    speed: float,
    page: str,
    presses: tuple[Any, ...],
    from_s: float | None,
    until_s: float | None,
) -> None:
    """A replay as a film of the real screens for asciinema, for slides and documents.

    Prints one JSON line: how many pictures, and how long it is. Exit code 1 if the recording could not be read to its end.
    """
    from tui.filming import cast_file

    cast_file(file, path, size, (from_s, until_s), fps, speed, page, presses)
