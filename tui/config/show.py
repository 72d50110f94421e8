"""The settings as `config show` prints them. Secrets are named by where they stand and never read."""

import json
from typing import Any, Final

from tui.config.load import Loaded, default_file
from tui.config.tables import DEFAULTS, MEANING, variable

SCHEMA: Final = "tokenyard.config/1"


def as_object(loaded: Loaded) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "file": str(loaded.file) if loaded.file else None,
        "settings": [
            {
                "key": key,
                "value": one.value,
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
        (key, json.dumps(one.value, ensure_ascii=True), one.origin, one.where or MEANING.get(key, ""))
        for key, one in loaded.settings.items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1, 2)]
    widths[1] = min(widths[1], 40)
    lines = [
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3])) for row in rows
    ]
    file = str(loaded.file) if loaded.file else f"none (would be {default_file()})"
    return "\n".join([f"file: {file}", *(line.rstrip() for line in lines)])
