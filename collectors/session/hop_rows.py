"""How long requests waited for the KV of their context, hop by hop, and what computing it took in energy. Pure."""

from collections.abc import Iterable
from typing import Final

from collectors.model.figure import Figure
from collectors.model.memory import HopRow
from collectors.model.signals import Signal
from collectors.model.vocabulary import Phase, Provenance
from collectors.session.fleet import Worker
from collectors.stats.columns import Key
from collectors.stats.figures import about, absent, figure, rate, ratio
from collectors.stats.hops import Hop, Waited

PROMPTS: Final = "prefill"
"""Label of the energy of steps with prompts in them."""
JOULES: Final = "mean power counted for steps with prompts in them ÷ prompt tokens computed a second: two windows, of a page and of a stream"


def hop_rows(workers: Iterable[Worker], tick_ns: int, window_ns: int) -> tuple[HopRow, ...]:
    """In the order of the workers; at each by phase and tier."""
    rows = []
    for worker in workers:
        source = worker.placed
        if source is not None and source.summary is not None:
            for hop, it in source.summary.waited.get(worker.row, ()):
                joules = absent(emulated=worker.emulated)
                if hop.phase is Phase.PREFILL:
                    joules = _joules(worker, it, source.summary.window_s, tick_ns, window_ns)
                rows.append(source.dated(_row(worker, hop, it, source.heard_ns, joules)))
    return tuple(rows)


def _row(worker: Worker, hop: Hop, it: Waited, heard_ns: int | None, joules: Figure) -> HopRow:
    emulated = worker.emulated

    def derived(value: float | None) -> Figure:
        return figure(value, Provenance.DERIVED, emulated=emulated, heard_ns=heard_ns, n=it.spans)

    return HopRow(
        worker=worker.info.id,
        phase=hop.phase,
        tier=hop.tier,
        tokens=figure(it.tokens, Provenance.REPORTED, emulated=emulated, heard_ns=heard_ns, n=it.spans),
        s_per_token=derived(it.duration_ns / 1e9 / it.tokens),
        bytes_per_token=derived(None if it.bytes is None else it.bytes / it.tokens),
        joules_per_token=joules,
    )


def _joules(worker: Worker, it: Waited, window_s: float, tick_ns: int, window_ns: int) -> Figure:
    stats = None if worker.scraped is None else worker.scraped.scraped
    key = Key(worker.info.id, Signal.ENERGY, label=PROMPTS)
    if stats is None or not window_s or key not in stats.keys_of(worker.info.id, Signal.ENERGY):
        return absent(emulated=worker.emulated)
    watts = rate(stats.increase(tick_ns, window_ns, key), emulated=worker.emulated)
    per_s = figure(it.tokens / window_s, Provenance.DERIVED, emulated=worker.emulated, heard_ns=watts.heard_ns)
    made = ratio(watts, per_s)
    return made if made.value is None else about(made, JOULES)
