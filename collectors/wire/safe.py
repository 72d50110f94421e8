"""External text made fit to keep and to draw: once, at ingest.

What comes out is plain content of bounded width. It is not escaped for any markup language: whoever draws it draws it as text.
"""

import re
import unicodedata
from typing import Final

MAX_CELLS: Final = 256
"""Width that no name or label shown by the product needs to exceed."""

_MAX_MARKS: Final = 3
"""Combining marks kept on one character. They have no width, so without a bound a capped text could still be endless."""
_ESCAPE_SEQUENCE: Final = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI … final byte
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?"  # OSC, DCS, SOS, PM, APC … terminator
    "|\x1b[ -/]*[0-~]?"
)
_AS_SPACE: Final = frozenset("\t\n\v\f\r\x85\u2028\u2029")
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0")
"""Hangul fillers: letters by category, invisible by design."""


_QUERY: Final = re.compile(r"\?.*", re.DOTALL)


def shown_url(url: str) -> str:
    """A URL as it may be shown and recorded: its query, which may hold a secret, is for the request only."""
    return safe_text(_QUERY.sub("?…", url))


def safe_text(text: str, max_len: int = MAX_CELLS) -> str:
    """`text` on one line without control, escape, bidi, zero-width and private characters, at most `max_len` terminal cells wide.

    Whole escape sequences go, not only their first character. Line breaks and tabs become a space. What was cut ends in `…`.
    """
    if len(text) <= max_len and text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    cells = 0
    fits = 0  # how many of `kept` leave room for the ellipsis
    marks = _MAX_MARKS  # a mark needs a character before it
    for char in _ESCAPE_SEQUENCE.sub("", text):
        kind = unicodedata.category(char)
        if char in _AS_SPACE:
            char, kind = " ", "Zs"
        if kind[0] == "C" or char in _BLANK_LETTERS:
            continue
        if kind in ("Mn", "Me"):
            if marks == _MAX_MARKS:
                continue
            marks += 1
        else:
            cells += 2 if unicodedata.east_asian_width(char) in "WF" else 1
            marks = 0
            if cells > max_len:
                return "".join(kept[:fits]) + "…"[:max_len]
        kept.append(char)
        if cells < max_len:
            fits = len(kept)
    return "".join(kept)
