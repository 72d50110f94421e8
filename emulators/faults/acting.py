"""How each kind of fault comes about: by the mechanism that it is named after, in the simulated thing that it strikes.

An act finds its target at once (FaultError where there is none) and gives what begins it; that gives what ends it. Nothing here knows of time but what repeats.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Final, TypeVar

from emulators.blocks import Chain, Run
from emulators.faults.fault import Fault, FaultError
from emulators.faults.site import Site, Undo
from emulators.fetching import Index
from emulators.kv import Pool

Begin = Callable[[], Undo]
NS: Final = 1e9
T = TypeVar("T")


def aimed(site: Site, fault: Fault) -> Begin:
    """What begins it. FaultError where its target is not there, or cannot have such a fault."""
    return ACTS[fault.kind](site, fault)


def _straggler(site: Site, fault: Fault) -> Begin:
    dial = site.steps(fault.target).factor
    return lambda: dial.by(fault.number("factor"))


def _thermal_cap(site: Site, fault: Fault) -> Begin:
    dial = site.steps(fault.target).clock
    return lambda: dial.by(fault.number("clock"))


def _link_flap(site: Site, fault: Fault) -> Begin:
    dial = site.rate(fault.target)
    down_ns, every_ns = round(fault.number("down_s") * NS), round(fault.number("every_s") * NS)
    if down_ns >= every_ns:
        raise FaultError(f"{fault.kind}: down_s must be below every_s, or the link never comes up")

    def begin() -> Undo:
        ups: list[Undo] = []

        def up() -> None:
            while ups:
                ups.pop()()

        def down() -> None:
            ups.append(dial.by(0.0))
            site.loop.ahead(site.loop.now_ns + down_ns, up, sooner=True)

        stop = _repeated(site, every_ns, down)

        def end() -> None:
            stop()
            up()

        return end

    return begin


def _flash_stall(site: Site, fault: Fault) -> Begin:
    name = f"{fault.target}.disk"
    if name not in site.links:
        hosts = ", ".join(link.removesuffix(".disk") for link in site.links if link.endswith(".disk"))
        raise FaultError(f"no host {fault.target!r} with flash here; there is {hosts}")
    dial, link, more_ns = site.rate(name), site.link(name), round(fault.number("latency_s") * NS)

    def begin() -> Undo:
        back = dial.by(fault.number("share"))
        link.latency_ns += more_ns

        def end() -> None:
            link.latency_ns -= more_ns
            back()

        return end

    return begin


def _eviction_storm(site: Site, fault: Fault) -> Begin:
    pool, every_ns = site.pool(fault.target), round(fault.number("every_s") * NS)
    return lambda: _repeated(site, every_ns, lambda: pool.shed(site.loop.now_ns, fault.number("share")))


def _memory_cut(site: Site, fault: Fault) -> Begin:
    dial = site.room(fault.target)
    return lambda: dial.by(fault.number("share"))


def _c2c_desync(site: Site, fault: Fault) -> Begin:
    engine, stall_ns = site.lanes(fault.target), round(fault.number("stall_ms") * 1e6)

    return lambda: _repeated(site, round(fault.number("every_s") * NS), lambda: engine.stall(stall_ns))


def _death(site: Site, fault: Fault) -> Begin:
    slot = site.worker(fault.target).slot
    return lambda: site.mover.kill(slot)


def _migration(site: Site, fault: Fault) -> Begin:
    slot = site.worker(fault.target).slot

    def begin() -> Undo:
        open_again = site.router.shut(slot)
        site.mover.empty(slot, fault.number("share"))
        return open_again

    return begin


def _clock_skew(site: Site, fault: Fault) -> Begin:
    process, ahead_s = site.process(fault.target), fault.number("ahead_s")

    def ahead(by_s: float) -> None:
        process.skew_s += by_s

    def begin() -> Undo:
        ahead(ahead_s)
        return lambda: ahead(-ahead_s)

    return begin


def _metrics_hang(site: Site, fault: Fault) -> Begin:
    process, answer_s = site.process(fault.target), fault.number("answer_s")
    return lambda: _listed(process.delays_s, answer_s or math.inf)


def _metrics_lie(site: Site, fault: Fault) -> Begin:
    process, share = site.process(fault.target), fault.number("share")
    if fault.values["how"] == "frozen":
        return lambda: _listed(process.frozen_ns, site.loop.now_ns)
    if process is site.router_process:
        raise FaultError(f"{fault.kind}: the router's page can be frozen only")
    worker = site.worker(fault.target)
    return lambda: _listed(process.without, (deepcopy(worker.counted(site.loop.now_ns)), share))


def _listed(somewhere: list[T], one: T) -> Undo:
    """Puts it there until what is given back is called."""
    somewhere.append(one)

    def end() -> None:
        somewhere[:] = [other for other in somewhere if other is not one]

    return end


def _stale_index(site: Site, fault: Fault) -> Begin:
    if fault.target not in ("", "router"):
        raise FaultError(f"{fault.kind}: the target is router, not {fault.target!r}")
    router = site.router

    def begin() -> Undo:
        heard: dict[int, Index] = {}
        before = [(place, place.index, place.pools) for place in router.places]
        for place, index, pools in before:
            for one in (index, *pools):
                if id(one) not in heard:
                    heard[id(one)] = Heard(one.runs()) if isinstance(one, Pool) else one
            place.index, place.pools = heard[id(index)], tuple(heard[id(pool)] for pool in pools)

        def end() -> None:
            for place, index, pools in before:
                place.index, place.pools = index, pools

        return end

    return begin


class Heard:
    """What a pool held when its last event was heard."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._spans: dict[Chain, list[tuple[int, int]]] = {}
        for chain, lo, hi in runs:
            self._spans.setdefault(chain, []).append((lo, hi))

    def reach(self, chain: Chain, lo: int, hi: int) -> int:
        """Up to and without which of these blocks all from the first on were resident."""
        for first, end in self._spans.get(chain, ()):
            if first <= lo < end:
                lo = end
        return min(lo, hi)

    def prefix(self, runs: Sequence[Run]) -> int:
        """How many of the first blocks were resident without a gap."""
        count = 0
        for chain, lo, hi in runs:
            end = self.reach(chain, lo, hi)
            count += end - lo
            if end < hi:
                break
        return count


def _repeated(site: Site, every_ns: int, call: Callable[[], object]) -> Undo:
    """Calls it now and again and again, until what is given back is called."""
    over: list[bool] = []

    def once() -> None:
        if not over:
            call()
            site.loop.ahead(site.loop.now_ns + every_ns, once)

    once()
    return lambda: over.append(True)


ACTS: Final[Mapping[str, Callable[[Site, Fault], Begin]]] = {
    "death": _death,
    "migration": _migration,
    "clock-skew": _clock_skew,
    "metrics-hang": _metrics_hang,
    "metrics-lie": _metrics_lie,
    "straggler": _straggler,
    "thermal-cap": _thermal_cap,
    "link-flap": _link_flap,
    "eviction-storm": _eviction_storm,
    "memory-cut": _memory_cut,
    "flash-stall": _flash_stall,
    "stale-index": _stale_index,
    "c2c-desync": _c2c_desync,
}
