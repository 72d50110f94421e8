"""Places on the screen that every page shares: its head and its foot, what is between them, and rows shared out among panels. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, NamedTuple

MIN_WIDTH: Final = 60
MIN_HEIGHT: Final = 20
BOXED_WIDTH: Final = 100
BOXED_HEIGHT: Final = 32
"""From this size on panels have boxes; below, a rule above each."""
MAX_NOTICES: Final = 3
SHORT: Final = 24
"""Below so many rows one notice less."""
ALL: Final = 10_000
MANY: Final = 24
FAR: Final = 4

HEADER: Final = "header"
KPI: Final = "kpi"
NOTICE: Final = "notice"
TIMELINE: Final = "timeline"
FOOTER: Final = "footer"
INSPECTOR: Final = "inspector"
CAPTION: Final = "caption"


class Box(NamedTuple):
    x: int
    y: int
    width: int
    height: int

    def holds(self, x: int, y: int) -> bool:
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height

    def without_foot(self, rows: int) -> tuple[Box, Box]:
        """What is above its last `rows` rows, and those."""
        above = self.height - rows
        return self._replace(height=above), self._replace(y=self.y + above, height=rows)


@dataclass(frozen=True)
class Surround:
    """What stands on every page, and the `body` that is left for its own panels; `boxed`: those have boxes."""

    boxes: Mapping[str, Box]
    body: Box
    boxed: bool


@dataclass(frozen=True)
class Ask:
    """Rows of content that a panel would have: `grants` are given one after the other, each to every panel before the next. The first is the least that is of use."""

    panel: str
    grants: tuple[int, ...]
    share: float = 1.0
    """Of the width, beside others."""


def surround(width: int, height: int, *, kpi: bool, notices: int, caption: int = 0) -> Surround | None:
    """Places of head and foot; None where the terminal is smaller than MIN_WIDTH × MIN_HEIGHT."""
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return None
    heads = {HEADER: 1, KPI: 2 if kpi else 0, NOTICE: min(notices, MAX_NOTICES - (height < SHORT))}
    boxes: dict[str, Box] = {}
    y = 0
    for name, rows in heads.items():
        boxes[name] = Box(0, y, width, rows)
        y += rows
    boxes[CAPTION] = Box(0, height - 2 - caption, width, caption)
    boxes[TIMELINE] = Box(0, height - 2, width, 1)
    boxes[FOOTER] = Box(0, height - 1, width, 1)
    return Surround(boxes, Box(0, y, width, height - 2 - caption - y), width >= BOXED_WIDTH and height >= BOXED_HEIGHT)


def crowded(rows: int, room: int) -> bool:
    """Whether so many rows do not fit into the room of a list by far: they are more than MANY, and less than one in FAR would be seen."""
    return rows > max(MANY, FAR * room)


def chrome(boxed: bool) -> int:
    """Rows of a panel that are not content."""
    return 2 if boxed else 1


def shared(body: Box, boxed: bool, bands: Sequence[Sequence[Ask]]) -> dict[str, Box]:
    """Bands of panels from top to bottom, those of one band side by side. A band for whose least there is no room is left out, the last first; what nobody asked
    for goes to the last one."""
    bands = [band for band in bands if band]
    least = [max(ask.grants[0] for ask in band) + chrome(boxed) for band in bands]
    while len(bands) > 1 and sum(least) > body.height:
        bands, least = bands[:-1], least[:-1]
    rows = list(least)
    for step in range(1, max((len(ask.grants) for band in bands for ask in band), default=0)):
        for index, band in enumerate(bands):
            want = max(ask.grants[min(step, len(ask.grants) - 1)] for ask in band) + chrome(boxed)
            rows[index] += max(0, min(want - rows[index], body.height - sum(rows)))
    boxes: dict[str, Box] = {}
    y = body.y
    for index, band in enumerate(bands):
        height = rows[index] if index < len(bands) - 1 else body.y + body.height - y
        boxes |= _beside(Box(body.x, y, body.width, height), band)
        y += height
    return boxes


def _beside(box: Box, band: Sequence[Ask]) -> dict[str, Box]:
    whole = sum(ask.share for ask in band)
    boxes: dict[str, Box] = {}
    x, taken = box.x, 0.0
    for ask in band:
        taken += ask.share
        end = box.x + round(box.width * taken / whole)
        boxes[ask.panel] = Box(x, box.y, end - x, box.height)
        x = end
    return boxes


def without(boxes: Mapping[str, Box], hidden: AbstractSet[str]) -> Mapping[str, Box]:
    """The same tiles without some of them: those beside one that goes take its place, or those above, or below."""
    left = dict(boxes)
    for name in hidden & boxes.keys():
        gone = left.pop(name)
        for heirs in _beside_of(gone, left):
            if heirs:
                left |= heirs
                break
        else:
            left[name] = gone
    return left


def _beside_of(gone: Box, boxes: Mapping[str, Box]) -> Iterator[dict[str, Box]]:
    """For each side of a tile: those that stand along the whole of it, grown over its place; empty where they do not."""
    x, y, width, height = gone
    for shift in (-1, 1):
        side = {
            n: b
            for n, b in boxes.items()
            if (b.x + b.width == x if shift < 0 else b.x == x + width) and y <= b.y < y + height
        }
        whole = sum(b.height for b in side.values()) == height and all(
            b.y + b.height <= y + height for b in side.values()
        )
        yield {n: b._replace(x=min(b.x, x), width=b.width + width) for n, b in side.items()} if whole else {}
    for shift in (-1, 1):
        side = {
            n: b
            for n, b in boxes.items()
            if (b.y + b.height == y if shift < 0 else b.y == y + height) and x <= b.x < x + width
        }
        whole = sum(b.width for b in side.values()) == width and all(b.x + b.width <= x + width for b in side.values())
        yield {n: b._replace(y=min(b.y, y), height=b.height + height) for n, b in side.items()} if whole else {}
