"""The settings as `config show` prints them. Secrets are named by where they stand and never read."""

import json
import re
from typing import Any, Final

from collectors.wire.safe import shown_url
from tui.config.load import Loaded, default_file
from tui.config.tables import DEFAULTS, MEANING, variable

_ADDRESS: Final = re.compile(r"([\w+.-]+://|[^/\s?]+:\d+)[^?]*\?")
"""That of something with a query, which may hold a secret."""
SCHEMA: Final = "tokenyard.config/1"


def as_object(loaded: Loaded) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "file": str(loaded.file) if loaded.file else None,
        "settings": [
            {
                "key": key,
                "value": _shown(one.value),
                "origin": one.origin,
                "where": one.where,
                "variable": variable(key),
                "default": DEFAULTS[key],
            }
            for key, one in loaded.settings.items()
        ],
        "warnings": list(loaded.warnings),
    }


def as_text(loaded: Loaded) -> str:
    rows = [
        (key, json.dumps(_shown(one.value), ensure_ascii=True), one.origin, one.where or MEANING.get(key, ""))
        for key, one in loaded.settings.items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1, 2)]
    widths[1] = min(widths[1], 40)
    lines = [
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3])) for row in rows
    ]
    file = str(loaded.file) if loaded.file else f"none (would be {default_file()})"
    return "\n".join([f"file: {file}", *(line.rstrip() for line in lines)])


def _shown(value: Any) -> Any:
    """The value without the queries of addresses in it."""
    if isinstance(value, str):
        return shown_url(value) if _ADDRESS.match(value) else value
    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items()}
    return [_shown(one) for one in value] if isinstance(value, list | tuple) else value
