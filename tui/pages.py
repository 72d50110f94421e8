"""The pages that there are, each with its key. A page is imported when it is first shown."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style

    from tui.screens.page import Page


@dataclass(frozen=True)
class PageSpec:
    """`where` is `module:class`."""

    key: str
    name: str
    title: str
    help: str
    where: str


PAGES: Final[tuple[PageSpec, ...]] = (
    PageSpec(
        "1", "overview", "Overview", "Fleet, tiers, river and stalls side by side.", "tui.screens.overview:Overview"
    ),
    PageSpec(
        "2",
        "placement",
        "Placement",
        "Where every token ran: the river large; enter follows a request token by token.",
        "tui.screens.placement:PlacementPage",
    ),
    PageSpec(
        "3",
        "tiers",
        "Tiers",
        "How full each tier is and was, what thrashes, and what flows.",
        "tui.screens.tiers:TiersPage",
    ),
    PageSpec(
        "4",
        "jitter",
        "Jitter",
        "How gaps are spread by kind, over time and by worker; every stall.",
        "tui.screens.jitter:JitterPage",
    ),
    PageSpec(
        "5",
        "requests",
        "Requests",
        "Single requests: where each went and why, its phases and tokens, and who says so.",
        "tui.screens.requests:RequestsPage",
    ),
    PageSpec(
        "6",
        "routing",
        "Routing",
        "Choices by label, worker and rule; what the router knew.",
        "tui.screens.routing:RoutingPage",
    ),
    PageSpec("7", "slo", "SLO", "Objectives met, energy and cost of a token.", "tui.screens.slo:SloPage"),
    PageSpec(
        "8",
        "compare",
        "Compare",
        "Two recordings, or two parts of one: what differs, and how surely.",
        "tui.screens.compare:ComparePage",
    ),
    PageSpec("9", "stage", "Stage", "Big digits and one message, for the last row.", "tui.screens.stage:StagePage"),
)
BY_NAME: Final = {page.name: page for page in PAGES}


def make(name: str, inks: Sequence[Style]) -> Page:
    module, _, kind = BY_NAME[name].where.partition(":")
    page: Page = getattr(import_module(module), kind)(name, inks)
    return page
