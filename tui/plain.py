"""Text from outside as one line of a screen or a report. Loads nothing."""

from typing import Final

REPLACEMENT: Final = "�"


def printable(text: str) -> str:
    """`text` with anything that is not one printable character replaced: a line must stay a line."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else REPLACEMENT for character in text)
