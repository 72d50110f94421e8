"""Where the window's tokens ran, and what decided it: placements, decisions, stalls and the river."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from heapq import nlargest

import msgspec
import numpy as np

from collectors.diagnose.stalls import UNKNOWN, Unexplained, shared_causes
from collectors.model.figure import Figure
from collectors.model.frame import DecisionSummary, PlacementRow, RiverRow, RuleCount, StallRow
from collectors.model.signals import Signal
from collectors.model.vocabulary import PRIMARY, STAGES, TIERS, Device, Provenance, Stage, Tier
from collectors.session.fleet import Worker
from collectors.session.kept import kept
from collectors.session.row_figures import RowFigures
from collectors.session.source_state import SourceState
from collectors.stats.columns import Key
from collectors.stats.elsewhere import disputed
from collectors.stats.figures import absent, counted, figure, increase, outdated
from collectors.stats.stalls import Stall
from collectors.stats.streams import UNSEEN
from collectors.stats.summary import Summary

_STAGE = {stage: place for place, stage in enumerate(STAGES)}
_TIER = {tier: place for place, tier in enumerate(TIERS)}
MAX_STALLS = 64
MAX_LONG = 16


def placement_rows(
    workers: dict[str, Worker], sources: Iterable[SourceState], tick_ns: int, window_ns: int
) -> tuple[PlacementRow, ...]:
    """Output tokens by their primary stage, then what ran beside them; workers in the fleet's order, tokens of nobody known last."""
    rows = [
        row
        for source in sources
        if not source.twice and (streamed := source.figures(emulated=source.emulated)) is not None
        for row in map(source.dated, _placed(source, streamed, workers))
    ]
    paged = [worker for worker in workers.values() if worker.placed is None and worker.scraped is not None]
    for worker in paged:
        if worker.runs_tokens:
            rows.extend(_scraped(worker, tick_ns, window_ns))
    told = {row.stage for row in rows}
    if any(row.primary for row in rows):
        told |= PRIMARY  # an output token has one primary stage, whatever a tap and a router call it
    for worker in paged:
        if not worker.runs_tokens:
            rows.extend(_elsewhere(row) for row in _scraped(worker, tick_ns, window_ns) if row.stage not in told)
    order = {name: place for place, name in enumerate(workers)}
    return tuple(
        sorted(
            rows,
            key=lambda row: (
                not row.primary,
                order.get(row.worker or "", len(order)),
                _STAGE[row.stage],
                _TIER[row.tier],
            ),
        )
    )


def decision_summary(sources: Iterable[SourceState], tick_ns: int) -> DecisionSummary:
    """Of all routers that report decisions; absent where none does."""
    routers = [(source, source.summary) for source in sources if source.summary is not None]
    if not routers:
        nothing = absent(emulated=False)
        return DecisionSummary(nothing, nothing, ())
    emulated = any(source.emulated for source, _ in routers)
    heard_ns = min((source.heard_ns for source, _ in routers if source.heard_ns is not None), default=None)

    def of_routers(value: int) -> Figure:
        return figure(value, Provenance.REPORTED, emulated=emulated, heard_ns=heard_ns)

    rules: Counter[str] = Counter()
    for _, summary in routers:
        rules.update(summary.rules)
    made = DecisionSummary(
        total=of_routers(sum(summary.decisions for _, summary in routers)),
        ties=of_routers(sum(summary.ties for _, summary in routers)),
        by_rule=tuple(
            RuleCount(rule, of_routers(count))
            for rule, count in sorted(rules.items(), key=lambda item: (-item[1], item[0]))
        ),
    )
    return made if any(source.connected for source, _ in routers) else outdated(made)


def stall_rows(sources: Iterable[SourceState], tick_ns: int) -> tuple[tuple[StallRow, ...], tuple[StallRow, ...]]:
    """The newest ones, and of the window's longest those that are older; with what the phases at that time say of their causes."""
    rows: list[StallRow] = []
    for source in sources:
        if source.summary is None:
            continue
        for stall, causes in _explained(source, source.summary):
            known = partial(figure, provenance=Provenance.DERIVED, emulated=source.emulated, heard_ns=stall.at_ns)
            rows.append(
                StallRow(
                    at=stall.at_ns / 1e9,
                    request=stall.request,
                    worker=source.summary.workers[stall.row] or None,
                    gap_s=known(stall.gap_ns / 1e9),
                    median_s=known(stall.median_ns / 1e9),
                    causes=causes,
                    token=None if stall.token == UNSEEN else stall.token,
                    tokens=None if stall.tokens == UNSEEN else stall.tokens,
                )
            )
    rows.sort(key=lambda row: (-row.at, row.request))
    long = {id(row) for row in nlargest(MAX_LONG, rows, key=lambda row: row.gap_s.value or 0)}
    return tuple(rows[:MAX_STALLS]), tuple(row for row in rows[MAX_STALLS:] if id(row) in long)


def _explained(source: SourceState, summary: Summary) -> list[tuple[Stall, tuple[str, ...]]]:
    """The newest and the longest stalls of a source with their causes: by the phases that overlap each, else by what several of them have in common."""
    slots = {worker.id: worker.slot for worker in source.inventory.workers}
    stalls = list(dict.fromkeys((*summary.stalls[:MAX_STALLS], *summary.longest_stalls)))
    causes = [
        source.evidence.causes(
            slots.get(summary.workers[stall.row], -1), stall.request, stall.time_ns, stall.gap_ns, stall.median_ns
        )
        for stall in stalls
    ]
    open_ = [index for index, found in enumerate(causes) if found == (UNKNOWN,)]
    unexplained = [
        Unexplained(stalls[at].row, stalls[at].time_ns - stalls[at].gap_ns, stalls[at].time_ns) for at in open_
    ]
    for index, found in zip(open_, shared_causes(unexplained, measured=source.inventory.measured), strict=True):
        causes[index] = found
    return list(zip(stalls, causes, strict=True))


def river_rows(workers: Iterable[Worker]) -> tuple[RiverRow, ...]:
    """Of the workers whose deliveries are seen."""
    return tuple(
        RiverRow(
            worker=worker.info.id,
            device=worker.info.device,
            role=worker.info.role,
            tokens=worker.placed.summary.river_tokens[worker.row].tobytes(),
            late=worker.placed.summary.river_late[worker.row].tobytes(),
        )
        for worker in workers
        if worker.placed is not None and worker.placed.summary is not None
    )


def _placed(source: SourceState, told: RowFigures, workers: dict[str, Worker]) -> Iterator[PlacementRow]:
    summary, placed = told.summary, told.summary.placed
    devices = [workers[name].info.device if name in workers else Device.UNKNOWN for name in summary.workers]

    def row(number: int, stage: Stage, tier: int, primary: bool, tokens: Figure) -> PlacementRow:
        return PlacementRow(stage, primary, summary.workers[number] or None, devices[number], TIERS[tier], tokens)

    cells = (placed.tokens + placed.uncounted).nonzero()
    of_cells = zip(*map(np.ndarray.tolist, cells), told.reported(placed.tokens[cells]), strict=True)
    for (number, tier, stage, made), uncounted in zip(of_cells, placed.uncounted[cells].tolist(), strict=True):
        tokens = disputed(counted(made, uncounted), summary.disputed.get(number, 0))
        yield row(number, STAGES[stage], tier, True, tokens)
    cells = placed.beside.nonzero()
    for number, tier, stage, made in zip(
        *map(np.ndarray.tolist, cells), told.reported(placed.beside[cells]), strict=True
    ):
        yield row(number, STAGES[stage], tier, False, made)
    cells = placed.prompt.nonzero()
    for number, tier, made in zip(*map(np.ndarray.tolist, cells), told.reported(placed.prompt[cells]), strict=True):
        yield row(number, Stage.PREFILL, tier, False, made)


@kept
def _scraped(worker: Worker, tick_ns: int, window_ns: int) -> tuple[PlacementRow, ...]:
    """A page counts the tokens of its own worker; in which memory they ran it does not say."""
    assert worker.scraped is not None
    stats = worker.scraped.scraped
    if stats is None:
        return ()
    rows = []
    for signal, stage in ((Signal.GENERATION_TOKENS, Stage.DECODE), (Signal.PROMPT_TOKENS_COMPUTED, Stage.PREFILL)):
        if stage is Stage.DECODE and worker.runs_tokens and not worker.makes_output:
            continue
        grown = increase(stats.increase(tick_ns, window_ns, Key(worker.info.id, signal)), emulated=worker.emulated)
        if grown.value:
            rows.append(PlacementRow(stage, stage in PRIMARY, worker.info.id, worker.info.device, Tier.UNKNOWN, grown))
    return tuple(rows)


def _elsewhere(row: PlacementRow) -> PlacementRow:
    """Tokens that passed a router, where nobody says who made them."""
    return msgspec.structs.replace(row, worker=None, device=Device.UNKNOWN)
