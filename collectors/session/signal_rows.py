"""Everything that pages say, whatever has a place of its own in a Frame: one row for each thing that can be asked for. Made when it is asked for, not every tick."""

from collections.abc import Iterable, Iterator

import msgspec

from collectors.model.frame import SignalRow
from collectors.model.signals import CAVEATS, Kind, Signal, is_formula, unit_of
from collectors.model.vocabulary import Provenance
from collectors.session.source_state import SourceState
from collectors.stats.columns import Key
from collectors.stats.figures import about, estimated, histogram, increase, rate, reading
from collectors.stats.scraped import ScrapedStats

_NAMES = {Kind.BUCKET: "histogram"}
OBSERVATIONS = "observations"


def signal_rows(sources: Iterable[SourceState], tick_ns: int, window_ns: int) -> tuple[SignalRow, ...]:
    """By source, in the order of its page."""
    rows: list[SignalRow] = []
    for source in sources:
        if source.scraped is not None:
            for key in source.scraped.keys:
                rows += _rows(source, source.scraped, key, tick_ns, window_ns)
    return tuple(rows)


def _rows(source: SourceState, stats: ScrapedStats, key: Key, tick_ns: int, window_ns: int) -> Iterator[SignalRow]:
    emulated, metric = source.emulated, stats.metric(key)
    derived = is_formula(metric)
    for kind in stats.kinds(key):
        row = SignalRow(
            signal=key.signal,
            kind=_NAMES.get(kind, str(kind)),
            target=source.name,
            worker=key.worker,
            owner=key.owner,
            tier=key.tier,
            to=key.to,
            label=key.label,
            metric=metric,
            unit=unit_of(key.signal),
            caveat=CAVEATS.get(key.signal, msgspec.UNSET),
        )
        if kind is Kind.GAUGE:
            value = reading(stats.gauge(tick_ns, key), emulated=emulated)
            made = msgspec.structs.replace(row, value=value)
        elif kind is Kind.COUNTER:
            grown = stats.increase(tick_ns, window_ns, key)
            made = msgspec.structs.replace(
                row,
                value=increase(grown, emulated=emulated),
                per_s=rate(grown, emulated=emulated),
                total=reading(stats.total(tick_ns, key), emulated=emulated),
            )
        else:
            found = histogram(
                stats.histogram(tick_ns, window_ns, key),
                population=OBSERVATIONS,
                emulated=emulated,
                unit="s" if row.unit == "seconds" else row.unit,
            )
            bound = key.signal is Signal.PD_TRANSFER_BOUND
            made = msgspec.structs.replace(row, distribution=estimated(found, CAVEATS[key.signal]) if bound else found)
        made = _worked_out(made) if derived else made
        why = stats.estimate(key)
        yield _about(made, why) if why else made


def _about(row: SignalRow, why: str) -> SignalRow:
    """The same, told to be only about right."""
    figures = {"value": row.value, "per_s": row.per_s, "total": row.total}
    changed = {name: about(one, why) for name, one in figures.items() if not isinstance(one, msgspec.UnsetType)}
    return msgspec.structs.replace(row, caveat=why, **changed)


def _worked_out(row: SignalRow) -> SignalRow:
    """What we made of several values, the page has not reported."""
    if isinstance(row.value, msgspec.UnsetType) or row.value.provenance is None:
        return row
    return msgspec.structs.replace(row, value=msgspec.structs.replace(row.value, provenance=Provenance.DERIVED))
