"""Changed rows of panels straight to the terminal, in the moment in which they are drawn. The one place that knows how Textual's screens put out what changed.

Textual's own way is a message from each widget to itself, one from each to the screen, a timer of 1/60 s, and all that is on the screen composed anew: for rows that lie beneath nothing else
the terminal gets the same. Where anything else is in sight (a message, a palette) or panels are on their way to another place, it is Textual's that is gone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from rich.color import ColorSystem
from rich.style import Style
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.strip import Strip

PLAIN: Final = -1
RESET: Final = "\x1b[0m"

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rich.console import Console, RenderableType
    from textual.screen import Screen

    from tui.widgets.panel import Panel


class Shows(App[None]):
    displayed: Screen[object] | None = None
    """The screen that the terminal shows: another than the one on top until that is composed."""

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        super()._display(screen, renderable)
        if renderable is not None and not self._batch_count:
            self.displayed = screen


class Rows(CompositorUpdate):
    """Rows of panels, each where its panel stands."""

    def __init__(self, changed: Mapping[Panel, Sequence[int]]) -> None:
        self.changed = changed

    def render_segments(self, console: Console) -> str:
        system = console._color_system or ColorSystem.TRUECOLOR
        out: list[str] = []
        inks, steps, now = None, Steps((), system), PLAIN
        for panel, rows in self.changed.items():
            if panel.inks is not inks:
                inks, steps, now = panel.inks, steps_between(tuple(panel.inks), system), PLAIN
            for x, y, line in panel.written(rows):
                out.append(f"\x1b[{y + 1};{x + 1}H")
                for text, ink in line:
                    if ink != now:
                        out.append(steps[now, ink])
                        now = ink
                    out.append(text)
        return "".join((*out, RESET))


class Steps(dict[tuple[int, int], str]):
    """What is to be written between texts of two inks (PLAIN: of whatever was before), each found when it is first asked for."""

    def __init__(self, inks: Sequence[Style], system: ColorSystem) -> None:
        super().__init__()
        self._inks, self._system = inks, system

    def __missing__(self, step: tuple[int, int]) -> str:
        before, ink = step
        style = self._inks[ink]
        if before != PLAIN and style.color is not None and _ground(self._inks[before]) == _ground(style):
            found = ";".join(style.color.downgrade(self._system).get_ansi_codes())
        else:
            found = f"0;{Strip.render_ansi(style, self._system)}".rstrip(";")
        self[step] = code = f"\x1b[{found}m"
        return code


def _ground(style: Style) -> Style:
    """All of a style but its colour."""
    return style + Style(color="default")


@lru_cache(8)
def steps_between(inks: Sequence[Style], system: ColorSystem) -> Steps:
    return Steps(inks, system)


def put_out(screen: Screen[None], panels: Collection[Panel], changed: Mapping[Panel, Sequence[int]]) -> None:
    """`panels` are all that the screen has, `changed` the rows to be written of some of them, in ascending order."""
    if not changed:
        return
    if alone(screen, panels):
        screen.app._display(screen, cast("Any", Rows(changed)))
        return
    for panel, rows in changed.items():
        panel.refresh_rows(rows)


def alone(screen: Screen[None], panels: Collection[Panel]) -> bool:
    """Whether the terminal shows these panels where they are to be, and nothing before them."""
    app = screen.app
    if not isinstance(app, Shows) or app.displayed is not screen:  # another was before it, and still is to be seen
        return False
    if not screen.is_current or app.screen is not screen or app._batch_count or app.is_inline:
        return False
    seen = screen._compositor.visible_widgets
    placed = [(panel, panel.box) for panel in panels if panel.display and panel.box is not None]
    if len(seen) != len(placed) + 1:  # the screen itself is behind them
        return False
    return all(panel in seen and tuple(seen[panel][0]) == box for panel, box in placed)
