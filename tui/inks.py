"""Which ink a figure is written in, by what is known of it. The text says the same without colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collectors.model.vocabulary import State
from tui.theme import Ink

if TYPE_CHECKING:
    from collectors.model.figure import Figure


def figure_ink(it: Figure, known: int = Ink.TEXT) -> int:
    if it.state is State.STALE:
        return Ink.WARN
    if it.state in (State.OK, State.ZERO, State.OVER_RANGE):
        return known
    return Ink.DIM
