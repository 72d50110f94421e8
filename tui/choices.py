"""What somebody chose for the dashboard, by flag, environment or file; what is not chosen is as it was last, or as the terminal is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Choices:
    """`keys`: by command (`pause-or-resume`), the keys that it has instead. `kept`: the file of what was last; None: nothing is kept."""

    theme: str = "auto"
    glyphs: str = "auto"
    page: str = "auto"
    fleet: str = "auto"
    stage: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)
    kept: Path | None = None
