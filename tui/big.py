"""Big digits: three rows of blocks for each figure, from the text of it. Letters stay small beside them."""

from __future__ import annotations

from typing import Final

ROWS: Final = 3
_DIGITS: Final = {
    "0": ("█▀█", "█ █", "▀▀▀"),
    "1": ("▄█ ", " █ ", "▀▀▀"),
    "2": ("▀▀█", "█▀▀", "▀▀▀"),
    "3": ("▀▀█", " ▀█", "▀▀▀"),
    "4": ("█ █", "▀▀█", "  ▀"),
    "5": ("█▀▀", "▀▀█", "▀▀▀"),
    "6": ("█▀▀", "█▀█", "▀▀▀"),
    "7": ("▀▀█", "  █", "  ▀"),
    "8": ("█▀█", "█▀█", "▀▀▀"),
    "9": ("█▀█", "▀▀█", "▀▀▀"),
    ".": (" ", " ", "▄"),
    "–": ("   ", "▀▀▀", "   "),
}


def big(text: str) -> tuple[str, str, str]:
    """Equally wide rows. What is no digit stands on the last row as it is: a unit, a bound."""
    rows = ["", "", ""]
    for letter in text:
        shape = _DIGITS.get(letter) or (" ", " ", letter)
        gap = " " if letter in _DIGITS else ""
        for index, part in enumerate(shape):
            rows[index] += part + gap
    return rows[0], rows[1], rows[2]
