"""A report as Markdown (GitHub's tables). Names are text: nothing of theirs is markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tui.report.sections import Section, Table

_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~&!])")


def markdown(title: str, sections: Iterable[Section]) -> str:
    return "\n".join(_lines(title, sections)) + "\n"


def escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text)


def _lines(title: str, sections: Iterable[Section]) -> Iterator[str]:
    yield f"# {escaped(title)}"
    for section in sections:
        yield f"\n## {section.title}\n"
        yield from (f"- {escaped(line)}" for line in section.lines)
        if section.table is not None:
            yield from ([""] if section.lines else [])
            yield from _table(section.table)
        if section.note:
            yield f"\n{escaped(section.note)}"


def _table(table: Table) -> Iterator[str]:
    yield "| " + " | ".join(escaped(head) for head in table.heads) + " |"
    yield "|" + "|".join("---:" if at in table.figures else "---" for at in range(len(table.heads))) + "|"
    for row in table.rows:
        yield "| " + " | ".join(escaped(cell) for cell in row) + " |"
