"""Single requests, one below the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.screens.page import Page
from tui.widgets.requests import Requests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tui.places import Box
    from tui.view import View
    from tui.widgets.panel import Panel


class RequestsPage(Page):
    def contents(self) -> Sequence[Panel]:
        return (Requests("requests"),)

    def places(self, view: View, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        return {"requests": body}
