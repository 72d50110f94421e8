"""All targets of a session while it runs: those that were named, and those that are listed, which come and go. Nothing else restarts when one does.

A target that several list is watched once, like the first says, until none lists it; one that is the same page or stream in other words is refused, as it would
count twice. One that is listed no longer ends visibly: its row says so.
"""

import asyncio
import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Final

from collectors.model.batch import Batch, Status
from collectors.model.vocabulary import Listing, TargetStatus
from collectors.sources.children import GONE, Children
from collectors.sources.source import Clock, Emit
from collectors.sources.target import Places
from collectors.targets.spec import Lister, Opener, TargetSpec
from collectors.wire.safe import safe_text, shown_url

MAX_TARGETS: Final = 8_192
MAX_REASON: Final = 200


class Roster:
    """A source that runs the sources of all targets. `named` are watched from first to last."""

    name = "targets"

    def __init__(
        self, named: Sequence[TargetSpec], listers: Sequence[Lister], opener: Opener, places: Places | None = None
    ) -> None:
        self._listers = tuple(listers)
        self._lists: list[Sequence[TargetSpec]] = [named, *([] for _ in listers)]
        self._looked = 0
        self._opener = opener
        self._places = Places() if places is None else places
        """Kept up to date for whoever shares it."""
        self._children = Children()
        self._specs: dict[Hashable, TargetSpec] = {}
        self._names: dict[Hashable, str] = {}
        self._refused: dict[Hashable, tuple[str, str]] = {}
        """Name and URL of each row that only says why it is not watched."""
        self._taken = {lister.name for lister in listers}
        self._left_out = 0
        self._changing = asyncio.Lock()

    @property
    def expected(self) -> list[str]:
        """Rows of which a first word is to be expected, as far as it is known by now."""
        refused = (name for name, _ in self._refused.values())
        return [*(lister.name for lister in self._listers), *self._names.values(), *refused]

    async def run(self, clock: Clock, emit: Emit) -> None:
        async with self._children.running(clock, emit), asyncio.TaskGroup() as tasks:
            await self._update(clock.now_ns(), emit)
            for index in range(len(self._listers)):
                tasks.create_task(self._follow(index, clock, emit))
            await asyncio.Event().wait()

    async def step(self, until_ns: int, emit: Emit) -> None:
        for index in range(len(self._listers)):
            await self._look(index, until_ns - 1, emit)
        await self._update(until_ns - 1, emit)
        await self._children.step(until_ns, emit)

    async def close(self) -> None:
        await self._children.close()

    async def _follow(self, index: int, clock: Clock, emit: Emit) -> None:
        lister = self._listers[index]
        while True:
            try:
                if await self._look(index, clock.now_ns(), emit):
                    await self._update(clock.now_ns(), emit)
            except Exception as error:  # noqa: BLE001  a task's boundary: it becomes the list's status, and its targets stay
                reason = safe_text(f"internal error: {type(error).__name__}: {error}", MAX_REASON)
                emit(Batch(lister.name, clock.now_ns(), (Status("", Listing.ALL, TargetStatus.REJECTED, reason),)))
            await asyncio.sleep(lister.every_s)

    async def _look(self, index: int, now_ns: int, emit: Emit) -> bool:
        """Whether its list is another one."""
        found = await self._listers[index].look(now_ns, emit)
        if found is None or found == self._lists[index + 1]:
            return False
        self._lists[index + 1] = found
        return True

    async def _update(self, now_ns: int, emit: Emit) -> None:
        """Ends what is no longer listed, opens what is new, and opens anew what is to be watched in another way."""
        async with self._changing:
            wanted: dict[Hashable, TargetSpec] = {}
            for spec in (spec for specs in self._lists for spec in specs):
                wanted.setdefault(spec.key, spec)
            self._say_left_out(len(wanted) - MAX_TARGETS, now_ns, emit)
            wanted = dict(itertools.islice(wanted.items(), MAX_TARGETS))
            twice = _said_twice(wanted)
            wanted = {key: spec for key, spec in wanted.items() if key not in twice}
            self._places.are_of(spec.target for spec in wanted.values())
            for key, spec in list(self._specs.items()):
                if wanted.get(key) == spec:
                    continue
                del self._specs[key]
                if key in wanted:
                    await self._children.end(key, now_ns, emit, reason="")
                else:
                    await self._children.end(key, now_ns, emit)
                    self._taken.discard(self._names.pop(key))
            for key in [key for key in self._refused if key not in twice]:
                self._say_refused(self._refused.pop(key), TargetStatus.GONE, GONE, now_ns, emit)
            for key, spec in wanted.items():
                if key not in self._specs:
                    self._specs[key] = spec
                    name = self._names[key] = self._names.get(key) or self._free(spec.called)
                    self._children.begin(key, self._opener(spec, name))
            for key, (spec, first) in twice.items():
                if key not in self._refused:
                    name = self._free(spec.called)
                    self._refused[key] = name, spec.target.url
                    self._say_refused(
                        self._refused[key],
                        TargetStatus.REJECTED,
                        f"the same as {first}: would count twice",
                        now_ns,
                        emit,
                    )

    def _say_left_out(self, count: int, now_ns: int, emit: Emit) -> None:
        if max(count, 0) != self._left_out:
            self._left_out = max(count, 0)
            reason = f"{self._left_out:,} targets left out: more than {MAX_TARGETS:,}" if count > 0 else ""
            status = TargetStatus.REJECTED if reason else TargetStatus.GONE
            emit(Batch(self.name, now_ns, (Status("", Listing.ALL, status, reason),)))

    def _say_refused(self, row: tuple[str, str], status: TargetStatus, reason: str, now_ns: int, emit: Emit) -> None:
        name, url = row
        if status is TargetStatus.GONE:
            self._taken.discard(name)
        emit(Batch(name, now_ns, (Status(shown_url(url), "", status, safe_text(reason, MAX_REASON)),)))

    def _free(self, name: str) -> str:
        """The name, or that with a number where another target is called so."""
        count, one = 1, name
        while one in self._taken:
            count += 1
            one = f"{name}#{count}"
        self._taken.add(one)
        return one


def _said_twice(wanted: Mapping[Hashable, TargetSpec]) -> dict[Hashable, tuple[TargetSpec, str]]:
    """Those that share a place with one before them, which is called so."""
    twice: dict[Hashable, tuple[TargetSpec, str]] = {}
    known: dict[str, str] = {}
    for key, spec in wanted.items():
        places = spec.target.places
        first = next((known[place] for place in places if place in known), None)
        if first is None:
            known.update(dict.fromkeys(places, spec.called))
        else:
            twice[key] = spec, first
    return twice
