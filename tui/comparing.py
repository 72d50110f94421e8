"""`compare`: two recordings, or two parts of one, as one object. Never loads Textual."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from collectors.compare.comparison import Comparison, Side, comparison
from collectors.compare.gather import population
from collectors.diagnose.attainment import objectives
from collectors.export.output import ExportError
from collectors.export.span import Part, items
from collectors.export.whole import whole
from tui.recorded import bookmark, opened

if TYPE_CHECKING:
    from pathlib import Path

    from collectors.compare.population import Population
    from collectors.diagnose.judging import Judging
    from collectors.export.whole import Whole
    from collectors.recording.reader import Reader

Span = tuple[float | None, float | None]


def compared(files: tuple[Path, Path], spans: tuple[Span, Span], align: str | None, judging: Judging) -> Comparison:
    """Raises `click.ClickException`. `align`: the note of a bookmark that both have, at which both begin."""
    sides = [_side(file, span, align, judging) for file, span in zip(files, spans, strict=True)]
    return comparison(sides)


def _side(file: Path, span: Span, align: str | None, judging: Judging) -> tuple[Side, Whole, Population]:
    with opened(file) as reader:
        of, first_s = _part(reader, file, span, align)
        try:
            it = whole(reader, of, judging)
        except ExportError as error:
            raise click.ClickException(str(error)) from error
        of = Part(round(it.first_s * 1e9), round(it.last_s * 1e9))
        found = population(items(reader, of), of, objectives(judging.profile))
        frame = it.frame
        models = tuple(sorted({row.model for row in frame.workers if row.model}))
        side = Side(
            file.name,
            it.first_s - first_s,
            it.last_s - first_s,
            frame.emulated,
            found.requests,
            models,
            len(frame.workers),
            it.torn,
        )
        return side, it, found


def _part(reader: Reader, file: Path, span: Span, align: str | None) -> tuple[Part, float]:
    """And the session second at which the recording begins."""
    info = reader.info()
    first_ns = info.t0_ns or 0
    begin_ns = first_ns if align is None else bookmark(file, align)
    from_s, until_s = span
    return (
        Part(
            begin_ns + round((from_s or 0.0) * 1e9),
            (1 << 62) if until_s is None or math.isinf(until_s) else begin_ns + round(until_s * 1e9),
        ),
        first_ns / 1e9,
    )
