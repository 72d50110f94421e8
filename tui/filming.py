"""`cast` as a command: what is to be filmed, checked before a screen is made."""

import asyncio
import json
import math
from collections.abc import Sequence
from pathlib import Path

import click

from collectors.export.output import ExportError, new_file
from collectors.recording.playback import Playback
from tui.casting import MAX_PICTURES, Film, Press, film
from tui.pages import BY_NAME
from tui.recorded import opened


def cast_file(
    file: Path,
    path: Path,
    size: tuple[int, int],
    span: tuple[float | None, float | None],
    rate: float,
    speed: float,
    page: str,
    presses: Sequence[Press],
) -> None:
    """Raises `click.ClickException` where there is nothing to film, or it cannot be written."""
    if page not in BY_NAME:
        raise click.UsageError(f"no page {page!r}; there are {', '.join(BY_NAME)}")
    with opened(file) as reader:
        found, torn = Playback(reader).span(), reader.torn
    if found is None:
        raise click.ClickException(f"{file}: it holds no Frames")
    first_s, last_s = (one / 1e9 for one in found)
    end_s = min(math.inf if span[1] is None else span[1], last_s - first_s)
    it = Film(span[0] or 0.0, end_s, rate, speed)
    if end_s <= it.begin_s:
        raise click.ClickException(f"{file}: nothing was recorded between --from and --until")
    if it.pictures > MAX_PICTURES:
        raise click.ClickException(
            f"{it.pictures:,} pictures, more than {MAX_PICTURES:,}: a higher --speed, a lower --fps, or a shorter part"
        )
    try:
        with new_file(path) as out:
            pictures = asyncio.run(film(out, file, (first_s, last_s), size, it, BY_NAME[page].key, presses))
    except ExportError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        json.dumps({"file": str(path), "pictures": pictures, "seconds": round(it.pictures / rate, 3), "torn": torn})
    )
    if torn is not None:
        raise SystemExit(1)
