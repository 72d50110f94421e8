"""What a presenter may do to the world by key: more or less load, and one fault of each kind, at each thing that it can strike, for a few seconds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tui.plain import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

LASTS_S: Final = 8.0
LOADS: Final = {
    0.5: "half the load",
    2.0: "twice the load",
    4.0: "four times the load",
    0.0: "no new sessions",
    1.0: "the load as written",
}


@dataclass(frozen=True)
class Offer:
    """`table` is what the control port takes at `path`."""

    text: str
    path: str
    table: dict[str, object]


def loads(now: float) -> list[Offer]:
    """Other loads than the one that is."""
    return [Offer(text, "load", {"factor": factor}) for factor, text in LOADS.items() if factor != now]


def faults(told: Mapping[str, Any]) -> list[Offer]:
    """Out of the answer to `GET /faults`."""
    targets: Mapping[str, list[str]] = told.get("targets", {})
    out = []
    for kind in told.get("kinds", ()):
        for target in targets.get(kind["strikes"], ()):
            table: dict[str, object] = {"kind": kind["kind"], "target": target, "duration_s": LASTS_S}
            out.append(Offer(printable(f"{kind['kind']} {target}, {LASTS_S:g} s"), "fault", table))
    return out
