"""Devices and hosts as their pages tell them, joined to the workers that run on them. Pure.

Two pages may speak of one device: both are shown, and what it draws counts once.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from collectors.model.devices import DeviceRow, HostRow, Labelled
from collectors.model.figure import Figure
from collectors.model.frame import WorkerRow
from collectors.model.places import host_of, target_of
from collectors.model.signals import DeviceFacts, Signal
from collectors.session.device_join import Users, in_parts
from collectors.session.fleet import Worker
from collectors.session.kept import kept
from collectors.session.source_state import SourceState
from collectors.stats.columns import Key
from collectors.stats.figures import increase, reading, total
from collectors.stats.scraped import ScrapedStats


class Devices:
    """The rows of all devices, the same objects for as long as nothing new is heard."""

    def __init__(self) -> None:
        self._users = Users()
        self._made: dict[int, tuple[DeviceRow, tuple[str, ...], DeviceRow]] = {}
        self._powered: dict[str, tuple[WorkerRow, list[Figure], WorkerRow]] = {}
        self._in_parts: frozenset[str] = frozenset()

    def rows(
        self, fleet: Mapping[str, Worker], sources: Sequence[SourceState], tick_ns: int, window_ns: int
    ) -> tuple[DeviceRow, ...]:
        """In the order of their pages."""
        users = self._users.of(fleet.values(), sources)
        self._in_parts = in_parts(one for source in sources for one in source.inventory.devices)
        known, self._made = self._made, {}
        for place, row in enumerate(row for source in sources for row in _told(source, tick_ns, window_ns)):
            used_by = users.get(row.key, ())
            last = known.get(place)
            same = last is not None and last[0] is row and last[1] == used_by
            self._made[place] = last if same and last else (row, used_by, msgspec.structs.replace(row, workers=used_by))
        return tuple(made for _, _, made in self._made.values())

    def with_power(self, rows: tuple[WorkerRow, ...], devices: Iterable[DeviceRow]) -> tuple[WorkerRow, ...]:
        """Workers with what the devices draw that they alone run on, where that is known of each of them."""
        draws: dict[str, dict[str, Figure]] = {}
        for device in devices:
            if len(device.workers) == 1 and device.key not in self._in_parts:
                of_worker = draws.setdefault(device.workers[0], {})
                name = device.uuid or device.key
                if name not in of_worker or of_worker[name].value is None:
                    of_worker[name] = device.power_watts
        if not draws:
            return rows
        known, self._powered = self._powered, {}
        for row in rows:
            drawn = list(draws.get(row.id, {}).values())
            last = known.get(row.id)
            if last is None or last[0] is not row or last[1] != drawn:
                power = total(drawn, emulated=row.tokens_per_s.emulated) if drawn else msgspec.UNSET
                last = row, drawn, msgspec.structs.replace(row, power_watts=power)
            self._powered[row.id] = last
        return tuple(made for _, _, made in self._powered.values())


@kept
def _told(source: SourceState, tick_ns: int, window_ns: int) -> tuple[DeviceRow, ...]:
    """As the source's page tells them: without their users."""
    if source.scraped is None or not source.inventory.devices:
        return ()
    labelled: dict[tuple[Signal, str], list[Key]] = {}
    for signal in (Signal.DEVICE_ACTIVITY, Signal.DEVICE_TEMPERATURE):
        for key in source.scraped.keys_of("", signal):
            labelled.setdefault((signal, key.owner), []).append(key)
    return tuple(
        _device(source, source.scraped, facts, labelled, tick_ns, window_ns) for facts in source.inventory.devices
    )


def host_rows(sources: Iterable[SourceState], tick_ns: int, window_ns: int) -> tuple[HostRow, ...]:
    """Of every host whose memory a page tells."""
    return tuple(row for source in sources for row in _hosts(source, tick_ns, window_ns))


@kept
def _hosts(source: SourceState, tick_ns: int, window_ns: int) -> tuple[HostRow, ...]:
    stats = source.scraped
    if stats is None:
        return ()
    by_host: dict[str, list[Key]] = {}
    for signal in (Signal.HOST_MEMORY_TOTAL, Signal.HOST_MEMORY_AVAILABLE, Signal.HOST_MEMORY_USED):
        for key in stats.keys_of("", signal):
            by_host.setdefault(key.owner, []).append(key)
    return tuple(_host(source, stats, host, keys, tick_ns) for host, keys in by_host.items())


def _device(
    source: SourceState,
    stats: ScrapedStats,
    facts: DeviceFacts,
    by_label: Mapping[tuple[Signal, str], Sequence[Key]],
    tick_ns: int,
    window_ns: int,
) -> DeviceRow:
    emulated, owner = source.emulated, facts.key

    def now(signal: Signal, label: str = "") -> Figure:
        return reading(stats.gauge(tick_ns, Key("", signal, owner=owner, label=label)), emulated=emulated)

    def labelled(signal: Signal) -> tuple[Labelled, ...]:
        keys = by_label.get((signal, owner), ())
        return tuple(Labelled(key.label, reading(stats.gauge(tick_ns, key), emulated=emulated)) for key in keys)

    energy = stats.increase(tick_ns, window_ns, Key("", Signal.ENERGY, owner=owner))
    return DeviceRow(
        key=owner,
        target=source.name,
        host=facts.host,
        index=facts.index,
        uuid=facts.uuid,
        kind=facts.kind,
        chip=facts.chip,
        workers=(),
        power_watts=now(Signal.POWER),
        energy_joules=increase(energy, emulated=emulated),
        memory_used_bytes=now(Signal.DEVICE_MEMORY_USED),
        memory_total_bytes=now(Signal.DEVICE_MEMORY_TOTAL),
        activity=labelled(Signal.DEVICE_ACTIVITY),
        temperature_celsius=labelled(Signal.DEVICE_TEMPERATURE),
    )


def _host(source: SourceState, stats: ScrapedStats, host: str, keys: Sequence[Key], tick_ns: int) -> HostRow:
    emulated = source.emulated

    def now(signal: Signal) -> Figure:
        return reading(stats.gauge(tick_ns, Key("", signal, owner=host)), emulated=emulated)

    used = tuple(
        Labelled(key.label, reading(stats.gauge(tick_ns, key), emulated=emulated))
        for key in keys
        if key.signal is Signal.HOST_MEMORY_USED
    )
    return HostRow(
        host=host or host_of(target_of(source.name)),
        target=source.name,
        memory_total_bytes=now(Signal.HOST_MEMORY_TOTAL),
        memory_available_bytes=now(Signal.HOST_MEMORY_AVAILABLE),
        memory_used=used,
    )
