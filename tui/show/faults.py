"""The faults that a presenter may give by key: one of each kind, at each thing that it can strike, for a few seconds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tui.plain import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

LASTS_S: Final = 8.0


@dataclass(frozen=True)
class Offer:
    """`table` is what the control port takes."""

    text: str
    table: dict[str, object]


def offers(told: Mapping[str, Any]) -> list[Offer]:
    """Out of the answer to `GET /faults`."""
    targets: Mapping[str, list[str]] = told.get("targets", {})
    out = []
    for kind in told.get("kinds", ()):
        for target in targets.get(kind["strikes"], ()):
            table: dict[str, object] = {"kind": kind["kind"], "target": target, "duration_s": LASTS_S}
            out.append(Offer(printable(f"{kind['kind']} {target}, {LASTS_S:g} s"), table))
    return out
