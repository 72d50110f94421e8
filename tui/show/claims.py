"""The claims of a scenario's chapters, read before anything runs. Never loads Textual."""

import ast
from typing import TYPE_CHECKING

from collectors.diagnose.claims import ClaimError, parsed

if TYPE_CHECKING:
    from emulators.specs import Scenario


def claims_of(where: str, scenario: "Scenario") -> list[ast.expr | None]:
    """Of each chapter (None: it has none). Raises ClaimError that says where it stands; `where` is the scenario's name or file."""
    from emulators.faults.kinds import ROUTER

    # As targets of a demo are called (`collectors.sources.companions`).
    names = {f"{ROUTER} placement", scenario.host.owner, *(worker.id for worker in scenario.workers)}
    claims: list[ast.expr | None] = []
    for number, chapter in enumerate(scenario.chapters, 1):
        try:
            claims.append(parsed(chapter.claim, names) if chapter.claim else None)
        except ClaimError as error:
            raise ClaimError(f"{where}: [[chapter]] {number} {chapter.title!r}: claim: {error}") from None
    return claims
