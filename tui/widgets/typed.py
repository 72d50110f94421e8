"""A line that is typed or pasted into; imported when it is first asked for."""

from __future__ import annotations

from textual.widgets import Input

from tui.plain import printable


class TypedLine(Input):
    def validate_value(self, value: str) -> str:
        """Whatever comes, also from the clipboard or a file, is text."""
        return printable(value)
