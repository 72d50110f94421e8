"""What several commands take and give: durations, files, one JSON object to stdout, and the exit codes."""

import re
from pathlib import Path
from typing import Any, Final

import click

from tui.player import SPEEDS

EXIT_USAGE: Final = 64
EXIT_NONE_UP: Final = 2
EXIT_GATE: Final = 1
EXIT_UNSURE: Final = 3
FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE: Final = click.Path(path_type=Path)
REDACT: Final = click.option(
    "--redact",
    is_flag=True,
    help="Names of hosts, workers, pods and devices, values of labels, and URLs as pseudonyms, on the screen and in what is written.",
)
SAVE: Final = click.option(
    "--save-on-exit", "save", type=NEW_FILE, help="At the end, write what is remembered to this new recording."
)

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)([KMGTkmgt]?)")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}


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


class Size(click.ParamType[int]):
    """`512M`, `2G`; a bare number is bytes. K, M and G are powers of 1,024."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value))
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r} is not a size such as 512M or 2G", param, ctx)
        return round(float(match[1]) * float(1024 ** " KMGT".index(match[2].upper() or " ")))


class Speed(click.ParamType[float]):
    """`1/16` … `64`, by powers of two."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        above, _, below = str(value).rstrip("x×").partition("/")
        try:
            speed = float(above) / float(below or 1)
        except (ValueError, ZeroDivisionError):
            speed = 0.0
        if speed not in SPEEDS:
            self.fail(f"{value!r} is not one of 1/16, 1/8, 1/4, 1/2, 1, 2, 4, 8, 16, 32, 64", param, ctx)
        return speed


class Moment(Duration):
    """A duration from the start of a recording, or `end`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if value == "end":
            return float("inf")
        return 0.0 if str(value) in {"0", "0s"} else super().convert(value, param, ctx)


def output(value: dict[str, Any]) -> None:
    """One JSON object to stdout."""
    import json

    click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


def run(work: Any) -> Any:
    import asyncio

    return asyncio.run(work)
