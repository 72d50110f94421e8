"""Where what a verdict names is best seen. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from collectors.model.verdict import Hop
from tui.pages import BY_NAME

if TYPE_CHECKING:
    from collectors.model.frame import Frame
    from collectors.model.verdict import Finding


def where(finding: Finding, frame: Frame) -> tuple[str, str | None, Hashable]:
    """Page, panel, and key of the row; a worker, or a target, is a row of the fleet."""
    name = finding.worker
    if finding.hop is Hop.ROUTE and name not in {row.id for row in frame.workers}:
        return "routing", "labels", None
    if finding.hop is Hop.TIER and "tiers" in BY_NAME:
        return "tiers", None, None
    if finding.hop is Hop.TARGET and name in {row.name for row in frame.targets}:
        return "overview", "fleet", ("target", name)
    return "overview", "fleet", name
