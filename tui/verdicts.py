"""How a verdict is said in the room that there is, and where what it names is best seen. Pure."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Final

from tui import format as fmt
from tui.line import wrap
from tui.pages import BY_NAME

if TYPE_CHECKING:
    from collectors.model.frame import Frame
    from collectors.model.verdict import Finding
    from tui.view import View


_CLAUSE: Final = re.compile(r"(; |, )")


def first(frame: Frame | None) -> Finding | None:
    return frame.diagnosis.findings[0] if frame is not None and frame.diagnosis and frame.diagnosis.findings else None


def whole(view: View, finding: Finding) -> str:
    """Whose, what, since when, on what evidence, and what to turn."""
    return next(_forms(view, finding))


def told(view: View, width: int, lines: int) -> str:
    """The verdict in at most so many lines: first what to turn is left to `V`, then the last of the evidence."""
    finding = first(view.frame)
    if finding is None:
        return view.spoken(view.frame.verdict or "") if view.frame is not None else ""
    text = ""
    for text in _forms(view, finding):
        if len(wrap(text, width, lines + 1)) <= lines:
            break
    return text


def _forms(view: View, finding: Finding) -> Iterator[str]:
    """All of it, then shorter and shorter."""
    head = view.spoken(f"{finding.worker}: {finding.said}")
    since = fmt.wall(view.utc_s(finding.since), finding.since)
    evidence = view.spoken(f"since {since}; {finding.figures}")
    yield f"{head} ({evidence}) → {view.spoken(finding.knob)}"
    yield f"{head} ({evidence}) · V: more"
    clauses = _CLAUSE.split(evidence)
    for last in range(len(clauses) - 2, 0, -2):
        yield f"{head} ({''.join(clauses[:last])} …) · V: more"


def where(finding: Finding, frame: Frame) -> tuple[str, str | None, Hashable]:
    """Page, panel, and key of the row; a worker, or a target, is a row of the fleet."""
    from collectors.model.verdict import Hop  # what it needs is not loaded before the first frame

    name = finding.worker
    if finding.hop is Hop.ROUTE and name not in {row.id for row in frame.workers}:
        return "routing", "labels", None
    if finding.hop is Hop.TIER and "tiers" in BY_NAME:
        return "tiers", None, None
    if finding.hop is Hop.TARGET and name in {row.name for row in frame.targets}:
        return "overview", "fleet", ("target", name)
    return "overview", "fleet", name
