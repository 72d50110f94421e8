"""Screenshots: the screen as SVG and as text, written side by side. The text is put together out of what the panels drew."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tui.line import blank, changed, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tui.line import Line
    from tui.places import Box


def pasted(width: int, height: int, panels: Mapping[str, tuple[Box, list[Line]]]) -> str:
    """Panels at their places, as text."""
    screen = [blank(width)] * height
    for box, lines in panels.values():
        for y, line in enumerate(lines[: box.height], box.y):
            if y < height:
                screen[y] = changed(screen[y], box.x, box.width, lambda _, line=line: line)  # type: ignore[misc]
    return text_of(screen) + "\n"


def write(folder: Path, page: str, svg: str, text: str) -> Path:
    """Both into `folder`, which only its owner can look into, under a name that was not there before; the path without its ending. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{page}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in range(1000):
        path = folder / (f"{name}-{number}" if number else name)
        try:
            with path.with_suffix(".txt").open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        path.with_suffix(".svg").write_text(svg, encoding="utf-8")
        return path
    raise FileExistsError(f"{folder}: too many files {name}")
