"""Recorded requests, replayed: what was asked, when, and which parts of the prompts were the same.

Three formats are read (`formats`), streaming and bounded (`lines`); `timeline` says when each call is due, `replay` plans them on the simulation's clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from emulators.traces.lines import TraceError

_DATA: Final = Path(__file__).with_name("data")
SHIPPED: Final[Mapping[str, Path]] = MappingProxyType(
    {
        "azure-chat": _DATA / "azure_llm_2023_conv_head.csv",
        "azure-code": _DATA / "azure_llm_2023_code_head.csv",
        "mooncake": _DATA / "mooncake_conversation_head.jsonl",
        "agentic": _DATA / "weka_agentic_slice.jsonl",
    }
)
"""Slices of public traces that come with the package; `data/SOURCES.md` says from where, and under which licence."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Which trace is replayed, and how. Of `name`: one of `SHIPPED`, or else the path of a file.

    `scale`: all times are multiplied by it, 0.5 is twice the rate. `limit`: calls at most. `session_every_s`: where the trace says only when in its session
    a call was made, sessions begin so far apart (before scaling), in the order of the file.
    """

    name: str
    scale: float = 1.0
    limit: int | None = None
    session_every_s: float = 120.0

    def __post_init__(self) -> None:
        if not 1e-3 <= self.scale <= 1e3:
            raise ValueError(f"trace {self.name!r}: scale must be between 0.001 and 1000, not {self.scale}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"trace {self.name!r}: limit must be at least 1, not {self.limit}")
        if not 0 <= self.session_every_s <= 1e6:
            raise ValueError(
                f"trace {self.name!r}: session_every_s must be between 0 and 1e6, not {self.session_every_s}"
            )

    @classmethod
    def of(cls, name: str, scale: float = 1.0, limit: int | None = None, session_every_s: float = 120.0) -> Self:
        """TraceError if neither it is shipped nor there is such a file."""
        if name not in SHIPPED and not Path(name).is_file():
            raise TraceError(f"no trace {name!r}: neither a file nor one of {', '.join(SHIPPED)}")
        return cls(name, scale, limit, session_every_s)

    @property
    def path(self) -> Path:
        return SHIPPED.get(self.name) or Path(self.name)
