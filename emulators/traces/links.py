"""Which calls of a session follow from which: an agent's from its last one, a sub-agent's first from its caller's last, the caller's next from what sub-agents did meanwhile.

Derived from agents' names and order, as traces do not say it.
"""

from dataclasses import dataclass, field
from typing import Final

from emulators.traces.formats import Call

MAX_SESSIONS: Final = 10_000
"""Sessions whose last calls are kept; of one that goes on later than so many others have begun, the next call follows from none."""
MAIN: Final = "main"


@dataclass(slots=True)
class _Session:
    last: dict[str, str] = field(default_factory=dict)
    """Id of each agent's last call."""
    meanwhile: dict[str, str] = field(default_factory=dict)
    """Of sub-agents, since the main agent's last call."""


class Links:
    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}

    def follow(self, call: Call) -> tuple[str, ...]:
        """Ids of the calls that this one follows from; what comes later may follow from this one."""
        session = self._sessions.pop(call.session, None) or _Session()
        self._sessions[call.session] = session
        if len(self._sessions) > MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        own = session.last.get(call.agent) or session.last.get(MAIN)
        parents = [own] if own else []
        if call.agent == MAIN:
            parents += session.meanwhile.values()
            session.meanwhile.clear()
        else:
            session.meanwhile[call.agent] = f"t-{call.line}"
        session.last[call.agent] = f"t-{call.line}"
        return tuple(parents)
