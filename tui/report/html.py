"""A report as one page of HTML that needs nothing else: no script, no font, no picture from anywhere. Names are text: nothing of theirs is markup."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from tui.report.charts import gap_bands, jitter_strip
from tui.report.sections import moment, sections, title

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.export.whole import Whole
    from tui.report.sections import Section, Table

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
STYLE: Final = """
:root { color-scheme: light dark; --fore: #1c1c1c; --dim: #5f5f5f; --line: #d0d0d0; --back: #fff; --bar: #b0483a; --badge: #7a4a00; }
@media (prefers-color-scheme: dark) { :root { --fore: #e0e0e0; --dim: #a0a0a0; --line: #3a3a3a; --back: #171717; --bar: #e07a5f; --badge: #ffb454; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--fore); background: var(--back); max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; }
.badge { font-size: .8rem; font-weight: 700; border: 2px solid var(--badge); color: var(--badge); padding: .1rem .5rem; border-radius: .3rem; vertical-align: middle; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th.n, td.n { text-align: right; } .n, .s { white-space: nowrap; } th { font-weight: 600; color: var(--dim); }
p.note { color: var(--dim); font-size: .85rem; } svg { width: 100%; height: auto; } svg text { fill: var(--dim); font-size: 12px; }
svg line { stroke: var(--line); } svg .end { text-anchor: end; } svg .middle { text-anchor: middle; } svg .bar { fill: var(--bar); } svg .guess { opacity: .5; }
svg .gap { fill: var(--line); } svg line.quantile { stroke: var(--fore); stroke-width: 1.5; }
"""
SHORT: Final = 24
"""Characters of a text that is not broken."""
PICTURES: Final = {
    "Jitter second by second": "p99 − p50 of the worst worker's gaps on a logarithmic scale; grey: not observed; pale: the middle of an interval of buckets",
    "Gaps": "between two deliveries of one request, by kind of device and model, on one logarithmic axis; heights are logarithms, of each band its own; lines: p50 and p99",
}


def html(it: Whole, name: str) -> str:
    return "\n".join(_lines(it, name)) + "\n"


def _lines(it: Whole, name: str) -> Iterator[str]:
    said = escape(title(it, name))
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><meta name="referrer" content="no-referrer">'
    yield f"<title>{said} · tokenyard</title><style>{STYLE}</style></head><body>"
    badge = ' <span class="badge">EMULATED</span>' if it.frame.emulated else ""
    yield f"<h1>{escape(title(it, name).removeprefix('EMULATED · '))}{badge}</h1>"
    pictures = (jitter_strip(it, moment(it, it.first_s), moment(it, it.last_s)), gap_bands(it.frame.gaps))
    for number, section in enumerate(sections(it)):
        yield from _section(section)
        if not number:
            for (head, note), picture in zip(PICTURES.items(), pictures, strict=True):
                yield f'<h2>{head}</h2>{picture or "<p>not known: nobody told of single deliveries</p>"}<p class="note">{escape(note)}</p>'
    yield "</body></html>"


def _section(section: Section) -> Iterator[str]:
    yield f"<h2>{escape(section.title)}</h2>"
    if section.lines:
        yield "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in section.lines) + "</ul>"
    if section.table is not None:
        yield from _table(section.table)
    if section.note:
        yield f'<p class="note">{escape(section.note)}</p>'


def _table(table: Table) -> Iterator[str]:
    widest = [max(map(len, column)) for column in zip(table.heads, *table.rows, strict=True)]
    kinds = ["n" if at in table.figures else "s" if wide <= SHORT else "" for at, wide in enumerate(widest)]

    def cells(tag: str, texts: tuple[str, ...]) -> str:
        made = (
            f"<{tag}{f' class={kind}' if kind else ''}>{escape(text)}</{tag}>"
            for kind, text in zip(kinds, texts, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    yield f'<div class="scroll"><table><thead>{cells("th", table.heads)}</thead><tbody>'
    yield from (cells("td", row) for row in table.rows)
    yield "</tbody></table></div>"
