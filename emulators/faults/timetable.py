"""When each fault of a cluster begins and ends, and what has been: planned by a scenario, or given while it runs.

A fault that is given at a simulated time does what one does that was planned for that time: both begin before anything else of their nanosecond.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from emulators.events import Row
from emulators.faults.acting import Begin, aimed
from emulators.faults.fault import Fault, FaultError, of_table
from emulators.faults.kinds import KINDS
from emulators.faults.site import Site, Undo

NS: Final = 1e9
MOST: Final = 10_000
"""Faults in one run."""


@dataclass(slots=True)
class _Given:
    fault: Fault
    begin: Begin
    begins_ns: int
    end: Undo | None = None
    ends_ns: int | None = None
    """When it ends, as far as that is known; of one that is over, when it did."""
    state: str = "planned"


class Timetable:
    """All faults of one run, by id: `f-1`, `f-2`, …"""

    def __init__(self, site: Site, faults: Iterable[Fault]) -> None:
        """FaultError if one of them cannot be here."""
        self._site, self._loop = site, site.loop
        self._given: dict[str, _Given] = {}
        for fault in faults:
            self.plan(fault)

    @property
    def cut_pools(self) -> bool:
        """Whether the room of a pool may have changed."""
        return self._site.cut_pools

    def give(self, table: Mapping[str, object]) -> str:
        """Plans one out of a table as in a scenario's file, by default for now; its id. FaultError if it cannot be."""
        return self.plan(of_table(table, self._loop.now_ns / NS))

    def plan(self, fault: Fault) -> str:
        """Its id. FaultError if its target is not here, or it would have begun before now."""
        if len(self._given) >= MOST:
            raise FaultError(f"{MOST} faults have been given, which is the limit")
        begins = round(fault.start_s * NS)
        if begins < self._loop.now_ns:
            raise FaultError(f"start_s {fault.start_s:g} is before now, {self._loop.now_ns / NS:g}")
        ends = None if fault.duration_s is None else begins + round(fault.duration_s * NS)
        given = _Given(fault, aimed(self._site, fault), begins, ends_ns=ends)
        self._loop.ahead(begins, self._begin, given)
        name = f"f-{len(self._given) + 1}"
        self._given[name] = given
        return name

    def take_back(self, name: str) -> bool:
        """Ends one now, or has it never begin. False if there is none of that id that is not over."""
        given = self._given.get(name)
        if given is None or given.state in ("over", "taken back"):
            return False
        if given.state == "planned":
            given.state, given.ends_ns = "taken back", None
        else:
            given.ends_ns = self._loop.now_ns
            self._loop.ahead(self._loop.now_ns, self._end, given, sooner=True)
        return True

    def rows(self) -> list[Row]:
        """All of them, in the order in which they were given: `state` is planned, active, over or taken back."""
        return [
            {
                "id": name,
                "kind": given.fault.kind,
                "target": given.fault.target,
                **given.fault.values,
                "begins_ns": given.begins_ns,
                "ends_ns": given.ends_ns,
                "state": given.state,
            }
            for name, given in self._given.items()
        ]

    def targets(self) -> Row:
        """What there is to strike, by what kinds say that they strike."""
        site = self._site
        return {
            "worker": list(site.workers),
            "link": list(site.links),
            "pool": list(site.pools),
            "host": [name.removesuffix(".disk") for name in site.links if name.endswith(".disk")],
            "router": ["router"],
        }

    def kinds(self) -> list[Row]:
        return [
            {
                "kind": name,
                "about": kind.about,
                "strikes": kind.strikes,
                "parameters": {key: one.default for key, one in kind.parameters.items()},
            }
            for name, kind in KINDS.items()
        ]

    def _begin(self, given: _Given) -> None:
        if given.state != "planned":
            return
        given.state, given.end = "active", given.begin()
        if given.ends_ns is not None:
            self._loop.ahead(given.ends_ns, self._end, given, sooner=True)

    def _end(self, given: _Given) -> None:
        if given.end is None or given.ends_ns != self._loop.now_ns:
            return
        end, given.end, given.state = given.end, None, "over"
        end()
