"""Who asks for what, and when: sessions of several kinds that arrive by themselves, whatever the cluster does.

Open loop: the arrival of a session never waits for the cluster; its next turn comes a drawn pause after the answer to the one before. All of
a session is drawn when it arrives, from generators of its kind, so what is asked does not depend on how fast it is answered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from emulators.arrivals import NS, Arrivals, LoadError, Rhythm
from emulators.blocks import BLOCK_TOKENS, Chain, Context, Forked
from emulators.loop import Loop
from emulators.randomness import generator


@dataclass(frozen=True, slots=True)
class Spread:
    """A lognormal quantity by its median, cut to [low, high]."""

    median: float
    sigma: float
    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        return min(self.high, max(self.low, self.median * float(rng.lognormal(0.0, self.sigma))))

    def tokens(self, rng: np.random.Generator) -> int:
        return round(self.draw(rng))


@dataclass(frozen=True, slots=True)
class Archetype:
    """A kind of session. Rates per second, times in seconds, sizes in tokens.

    `burst`: sessions that arrive together, `burst_spacing_s` apart on average. `shared_tokens`: a prompt that the sessions of one of `applications`
    have in common. `pause`: between an answer and the next turn; with probability `away` it is `away_pause` instead (a human, between runs of a tool loop).
    `standing`: sessions that are under way at the start, at any of their turns, beginning within `standing_within_s`. A session ends before its context passes `most_tokens`.
    """

    name: str
    kind: str
    rate: float
    turns: Spread
    first_input: Spread
    next_input: Spread
    output: Spread
    limit: int
    pause: Spread
    shared_tokens: int = 0
    applications: int = 1
    burst: int = 1
    burst_spacing_s: float = 0.02
    away: float = 0.0
    away_pause: Spread | None = None
    standing: int = 0
    standing_within_s: float = 10.0
    most_tokens: int = 32_768
    workflow: bool = False
    target_ttft_s: float | None = None
    answer_s: float | None = None
    answer_token_s: float = 0.0
    """How long an answer is expected to take, and each of its tokens: then turns are meant to come by that timetable, and come later only where the answer before is not out. None: a pause after it."""
    fan: Spread | None = None
    """To how many others a turn hands a part of its work, with probability `fan_share`: each gets the context so far and a task of its own, and the next turn follows from all their answers."""
    fan_share: float = 0.0
    from_s: float = 0.0
    until_s: float | None = None
    """From when and until when its sessions arrive; those that are under way go on."""
    labels: tuple[str, ...] = ()
    """What is said of its requests beside what follows from their lengths: where they may run, how large a model they need."""
    like: str = ""
    """Whose sessions these are once more: at the same times, of the same lengths and pauses, but of other content, so that no memory serves one kind with what it has of the other."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One request to be: what is added to the context, what is generated, and the pause before it. `beside`: those that it hands parts of its work to."""

    added: int
    output: int
    pause_ns: int
    beside: tuple["Turn", ...] = ()


class Session:
    """A context that grows turn by turn; all its blocks are named from the start. `lead`: whose turn has handed it a part of its work, which waits for its answer."""

    __slots__ = (
        "archetype", "asked", "at", "awaited", "context", "intended_ns", "lead", "parents", "tokens", "turns", "workflow",
    )  # fmt: skip

    def __init__(
        self,
        archetype: Archetype,
        turns: Sequence[Turn],
        context: Context,
        workflow: str | None,
        lead: "Session | None" = None,
    ) -> None:
        self.archetype, self.turns, self.context, self.workflow, self.lead = archetype, turns, context, workflow, lead
        self.at = self.awaited = 0
        """Turns so far; of those that it has handed work to, how many have not answered."""
        self.intended_ns = 0
        """When the turn that is next is meant to come."""
        self.asked = ""
        """Id of the request before, if there was one."""
        self.parents: tuple[str, ...] = ()
        """Ids of the requests whose answers the next turn follows from."""
        self.tokens = 0
        """Context behind the turn that is next: prompts and answers so far."""

    @property
    def turn(self) -> Turn:
        return self.turns[self.at]


class Kind(NamedTuple):
    archetype: Archetype
    arrivals: Arrivals
    sizes: np.random.Generator


class Workload:
    """Plans the turns of all sessions on the loop; `ask(session)` is called when one is due, and calls back `answered`."""

    def __init__(
        self, loop: Loop, seed: int, archetypes: tuple[Archetype, ...], ask: Callable[[Session], None]
    ) -> None:
        self._loop = loop
        self._ask = ask
        self._workflows = 0
        self._prompts: dict[tuple[str, int], Chain] = {}
        """What the sessions of an application have in common."""
        self.factor = 1.0
        """How often sessions arrive, against what is written."""
        self._kinds: list[Kind] = []
        self._changes = 0
        for archetype in archetypes:
            drawn_as = archetype.like or archetype.name
            arrivals, sizes = generator(seed, "arrivals", drawn_as), generator(seed, "sizes", drawn_as)
            standing = arrivals.uniform(0, archetype.standing_within_s, archetype.standing)
            for seconds in np.sort(standing).tolist():
                loop.at(round(seconds * NS), self._begin, archetype, sizes, True)
            rhythm = Rhythm(
                archetype.rate, archetype.burst, archetype.burst_spacing_s, archetype.from_s, archetype.until_s
            )
            self._kinds.append(Kind(archetype, Arrivals(rhythm, arrivals), sizes))
        for kind in self._kinds:
            self._plan_arrival(kind)

    def answered(self, session: Session) -> None:
        """The turn's last token is out: the next turn follows after its pause, if there is one, or those do that it has handed work to."""
        turn = session.turn
        session.tokens += turn.added + turn.output
        session.at += 1
        over_ns = _answered_ns(session.archetype, turn, session.intended_ns, self._loop.now_ns)
        session.parents = () if turn.beside else (session.asked,)
        session.intended_ns, session.awaited = over_ns, len(turn.beside)
        for number, task in enumerate(turn.beside):
            context = Forked(session.context, session.tokens, (session.at << 32) + number)
            context.grow(session.tokens + task.added + task.output)
            other = Session(session.archetype, (task,), context, session.workflow, session)
            other.tokens, other.parents, other.intended_ns = session.tokens, (session.asked,), over_ns
            self._plan_turn(other)
        lead = session.lead
        if lead is not None:
            lead.parents += (session.asked,)
            lead.intended_ns = max(lead.intended_ns, over_ns)
            lead.awaited -= 1
            session = lead
        if not session.awaited and session.at < len(session.turns):
            self._plan_turn(session)

    def _plan_turn(self, session: Session) -> None:
        session.intended_ns += session.turn.pause_ns
        self._loop.at(max(self._loop.now_ns, session.intended_ns), self._ask, session)

    def quicken(self, factor: float) -> None:
        """From now on sessions arrive `factor` times as often as is written; those that are under way go on. Raises LoadError where none do."""
        if not any(kind.archetype.rate > 0 for kind in self._kinds):
            raise LoadError(
                "no session arrives by a rate here: what there is comes from a trace, or stands from the start"
            )
        self.factor = factor
        self._changes += 1
        for kind in self._kinds:
            kind.arrivals.quicken(self._loop.now_ns, factor)
            self._plan_arrival(kind)

    def _plan_arrival(self, kind: Kind) -> None:
        due_ns = kind.arrivals.due_ns()
        if due_ns is not None:
            self._loop.at(max(due_ns, self._loop.now_ns), self._arrive, kind, self._changes)

    def _arrive(self, kind: Kind, changes: int) -> None:
        if changes != self._changes:
            return  # it was planned anew
        kind.arrivals.take()
        self._plan_arrival(kind)
        self._begin(kind.archetype, kind.sizes, False)

    def _begin(self, archetype: Archetype, sizes: np.random.Generator, under_way: bool) -> None:
        turns = draw_turns(archetype, sizes)
        application = int(sizes.integers(archetype.applications))
        own = int(sizes.integers(1 << 63))
        if archetype.like:
            own ^= int(generator(0, "like", archetype.name).integers(1 << 63))
        workflow = None
        if archetype.workflow:
            self._workflows += 1
            workflow = f"w-{self._workflows}"
        context = Context(own, self._prompt(archetype, application))
        context.grow(sum(turn.added + turn.output for turn in turns))
        session = Session(archetype, turns, context, workflow)
        if under_way:
            session.at = int(sizes.integers(len(turns)))
            session.tokens = sum(turn.added + turn.output for turn in turns[: session.at])
        session.intended_ns = self._loop.now_ns
        self._ask(session)

    def _prompt(self, archetype: Archetype, application: int) -> Chain:
        key = archetype.name, application
        if key not in self._prompts:
            content = int(generator(application, "application", archetype.name).integers(1 << 63))
            self._prompts[key] = Chain(content)
            self._prompts[key].grow(archetype.shared_tokens // BLOCK_TOKENS)
        return self._prompts[key]


def _answered_ns(archetype: Archetype, turn: Turn, intended_ns: int, now_ns: int) -> int:
    """When a turn's answer was expected to be out; now, where it has just come and nothing was expected."""
    if archetype.answer_s is None:
        return now_ns
    return intended_ns + round((archetype.answer_s + archetype.answer_token_s * turn.output) * NS)


def draw_turns(archetype: Archetype, rng: np.random.Generator) -> list[Turn]:
    """All turns of a session, at least one; later ones that would pass `most_tokens` are left out."""
    turns: list[Turn] = []
    tokens = 0
    for number in range(archetype.turns.tokens(rng)):
        added = (archetype.next_input if number else archetype.first_input).tokens(rng)
        if turns:
            added += sum(task.output for task in turns[-1].beside)
        output = min(archetype.limit, archetype.output.tokens(rng))
        pause = archetype.pause
        if archetype.away_pause is not None and rng.random() < archetype.away:
            pause = archetype.away_pause
        if not number:
            added += archetype.shared_tokens
        turn = Turn(added, output, round(pause.draw(rng) * NS), _tasks(archetype, rng))
        longest = max((output + task.added for task in turn.beside), default=0)
        if turns and tokens + added + longest + archetype.limit > archetype.most_tokens:
            break
        tokens += added + output
        turns.append(turn)
    # The last turn has none to follow from the answers.
    turns[-1] = replace(turns[-1], beside=())
    return turns


def _tasks(archetype: Archetype, rng: np.random.Generator) -> tuple[Turn, ...]:
    if archetype.fan is None or rng.random() >= archetype.fan_share:
        return ()
    return tuple(
        Turn(
            archetype.next_input.tokens(rng),
            min(archetype.limit, archetype.output.tokens(rng)),
            round(archetype.pause.draw(rng) * NS),
        )
        for _ in range(archetype.fan.tokens(rng))
    )
