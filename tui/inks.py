"""Which ink a figure is written in, by what is known of it. The text says the same without colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import State
from tui.theme import Ink

if TYPE_CHECKING:
    from collectors.model.figure import Figure

_KNOWN: Final = (State.OK, State.ZERO, State.OVER_RANGE)
_STALE, _WARN, _DIM = State.STALE, Ink.WARN, Ink.DIM  # asked for once: it takes as long as all else


def figure_ink(it: Figure, known: int = Ink.TEXT) -> int:
    if it.state in _KNOWN:
        return known
    return _WARN if it.state is _STALE else _DIM
