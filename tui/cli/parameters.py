"""What several commands take and give: durations, files, one JSON object to stdout, and the exit codes."""

import re
from pathlib import Path
from typing import Any, Final

import click

EXIT_USAGE: Final = 64
EXIT_NONE_UP: Final = 2
EXIT_GATE: Final = 1
FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE: Final = click.Path(path_type=Path)

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
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
