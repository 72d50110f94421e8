"""What the dashboard keeps between runs: theme, page, the shape of the fleet, hidden panels, orders. A file that says nothing is left out, with a message; it is replaced as a whole or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

VERSION: Final = 1
MAX_BYTES: Final = 1 << 20


@dataclass
class PageState:
    hidden: list[str] = field(default_factory=list)
    orders: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """By panel: the field, and whether the largest comes first."""


@dataclass
class Remembered:
    theme: str = ""
    page: str = ""
    pages: dict[str, PageState] = field(default_factory=dict)
    fleet: str = ""
    """`list` or `map`; empty: as there is room."""


def file() -> Path:
    import platformdirs

    return platformdirs.user_state_path("tokenyard") / "screen.json"


def load(path: Path) -> tuple[Remembered, str]:
    """What was kept, and why it is not used where it cannot be."""
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Remembered(), ""
    except OSError as error:
        return Remembered(), f"{path}: {error.strerror}: begins anew"
    try:
        if len(data) > MAX_BYTES:
            raise ValueError("too large")
        return _read(json.loads(data)), ""
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return Remembered(), f"{path} is broken ({type(error).__name__}): begins anew"


def save(path: Path, kept: Remembered) -> None:
    """Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        new.write_text(json.dumps({"version": VERSION, **asdict(kept)}, indent=1), encoding="utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _read(told: dict[str, Any]) -> Remembered:
    if told["version"] != VERSION:
        raise ValueError("another version")
    pages = {}
    for name, state in told["pages"].items():
        orders = {str(panel): (str(by), bool(down)) for panel, (by, down) in state["orders"].items()}
        pages[str(name)] = PageState([str(panel) for panel in state["hidden"]], orders)
    return Remembered(str(told["theme"]), str(told["page"]), pages, str(told.get("fleet", "")))
