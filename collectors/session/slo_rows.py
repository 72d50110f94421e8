"""Objectives met, by worker, model and kind of device, and what a token takes there. Made of how requests ended, else of the pages' buckets. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Final, NamedTuple

import msgspec
import numpy as np

from collectors.diagnose.attainment import Met, counted, judge, objectives, of_buckets, overall, share, together
from collectors.diagnose.judging import Judging
from collectors.diagnose.prices import Prices, assumption
from collectors.model.frame import WorkerRow
from collectors.model.signals import Signal
from collectors.model.slo import ChipRow, Objective, Of, Slo, SloRow
from collectors.model.vocabulary import Device, Provenance, Role
from collectors.session.economy import Draw, closed, draws, per_token
from collectors.session.fleet import Worker
from collectors.session.source_state import SourceState
from collectors.stats.columns import Key
from collectors.stats.figures import figure
from collectors.stats.outcomes import Ended
from collectors.stats.steps import ROWS, Steps

_SIGNALS: Final = {"ttft": Signal.TTFT, "tpot": Signal.TPOT, "request": Signal.E2E}


class _Told(NamedTuple):
    """Of some requests: how many met each objective and all of them, and how many of those a second, at least."""

    each: tuple[Met, ...]
    all: Met
    per_s: float = 0.0

    def and_(self, other: "_Told") -> "_Told":
        each = tuple(one.and_(two) for one, two in zip(self.each, other.each, strict=True))
        return _Told(each, self.all.and_(other.all), self.per_s + other.per_s)


class _Scope(NamedTuple):
    of: Of
    name: str
    device: Device
    model: str
    workers: tuple[WorkerRow, ...]


def slo(
    fleet: Mapping[str, Worker],
    rows: Sequence[WorkerRow],
    sources: Iterable[SourceState],
    judging: Judging,
    tick_ns: int,
    window_ns: int,
) -> Steps[Slo]:
    """The first row is of all requests, whoever served them. In steps."""
    wanted = objectives(judging.profile)
    streams = [source for source in sources if source.placed is not None and not source.twice]
    told: dict[str, _Told] = {}
    counts = [0, 0, 0]
    for source in streams:
        of_workers, some = yield from _ended(source, wanted)
        counts = [one + two for one, two in zip(counts, some, strict=True)]
        for name, one in of_workers.items():
            told[name] = told[name].and_(one) if name in told else one
        yield
    routers = []
    for name, worker in fleet.items():
        if worker.placed is None and (paged := _paged(worker, wanted, tick_ns, window_ns)) is not None:
            if worker.makes_output:
                told[name] = paged
            elif worker.info.role is Role.ROUTER:
                routers.append(paged)
    everybody = routers if routers and not streams else list(told.values())
    economy = draws(fleet.values(), {row.id: row for row in rows}, judging.prices, tick_ns, window_ns)
    yield
    made: list[SloRow] = []
    for scope in _scopes(rows):
        if len(made) % ROWS == ROWS - 1:
            yield
        parts = everybody if scope.of is Of.ALL else [told[row.id] for row in scope.workers if row.id in told]
        made.append(_row(scope, parts, rows, economy, wanted))
    errors, aborted, unjudged = counts
    return Slo(
        profile=judging.profile.name,
        source=judging.profile.source,
        objectives=wanted,
        state=overall([getattr(made[0], one.what) for one in wanted]),
        window_s=max((one.summary.window_s for one in streams if one.summary is not None), default=window_ns / 1e9),
        errors=errors,
        aborted=aborted,
        unjudged=unjudged,
        rows=tuple(made),
        chips=tuple(_chips(rows, judging.prices)),
    )


def _chips(rows: Sequence[WorkerRow], prices: Prices) -> Iterator[ChipRow]:
    serving = ((row.chip, row.device) for row in rows if row.role is not Role.ROUTER)
    for chip, device in dict.fromkeys(serving):
        if chip or device is not Device.UNKNOWN:
            per_hour = assumption(prices, chip, device, "dollars_per_hour")
            yield ChipRow(chip, device, per_hour, assumption(prices, chip, device, "watts"))


def _ended(source: SourceState, wanted: Sequence[Objective]) -> Steps[tuple[dict[str, _Told], tuple[int, int, int]]]:
    """By worker that generated last (empty: nobody known); and how many ended in an error, were aborted, or are judged by nobody."""
    assert source.placed is not None
    assert source.summary is not None
    outcomes, seconds = source.placed.outcomes(), source.summary.window_s
    judged = judge(outcomes, wanted)
    row_of, ended = outcomes.column("row"), outcomes.column("ended")
    yield
    workers = source.summary.workers
    columns = [counted(known, met, row_of, len(workers)) for known, met in zip(judged.counts, judged.met, strict=True)]
    whole = counted(judged.all_count, judged.all_met, row_of, len(workers))
    found = {
        workers[row]: _Told(
            tuple(each[row] for each in columns), whole[row], whole[row].least / seconds if seconds else 0.0
        )
        for row in np.unique(row_of).tolist()
    }
    aborted = int((ended == Ended.ABORTED).sum())
    unjudged = len(ended) - aborted - int(judged.all_count.sum()) + outcomes.more
    return found, (int((ended == Ended.ERROR).sum()), aborted, unjudged)


def _paged(worker: Worker, wanted: Sequence[Objective], tick_ns: int, window_ns: int) -> _Told | None:
    """Of the page's buckets; None where it has none for one of the objectives."""
    stats = None if worker.scraped is None else worker.scraped.scraped
    if stats is None:
        return None
    found, seconds = [], 0.0
    for one in wanted:
        window = stats.histogram(tick_ns, window_ns, Key(worker.info.id, _SIGNALS[one.what]))
        if window.buckets is None or not window.seconds:
            return None
        found.append(of_buckets(window.buckets, one.seconds))
        seconds = max(seconds, window.seconds)
    whole = together(found)
    return None if whole is None else _Told(tuple(found), whole, whole.least / seconds)


def _scopes(rows: Sequence[WorkerRow]) -> Iterator[_Scope]:
    """All; each model on each kind of device; each model; each worker that makes output."""
    serving = [row for row in rows if row.role is not Role.ROUTER]
    yield _Scope(Of.ALL, "all", Device.UNKNOWN, "", tuple(serving))
    models = list(dict.fromkeys(row.model for row in serving))
    kinds = list(dict.fromkeys((row.model, row.device) for row in serving))
    for model, device in kinds:
        workers = tuple(row for row in serving if (row.model, row.device) == (model, device))
        yield _Scope(Of.KIND, str(device), device, model, workers)
    for model in models:
        workers = tuple(row for row in serving if row.model == model)
        if len(models) > 1:
            yield _Scope(Of.MODEL, model, Device.UNKNOWN, model, workers)
    for row in serving:
        if row.role is not Role.PREFILL:
            yield _Scope(Of.WORKER, row.id, row.device, row.model, (row,))


def _row(
    scope: _Scope,
    parts: Sequence[_Told],
    rows: Sequence[WorkerRow],
    economy: Mapping[str, Draw],
    wanted: Sequence[Objective],
) -> SloRow:
    whole = reduce(_Told.and_, parts) if parts else None
    each = {one.what: share(whole.each[at] if whole else None, one.share) for at, one in enumerate(wanted)}
    emulated = any(row.tokens_per_s.emulated for row in scope.workers)
    known = [row.tokens_per_s.value for row in scope.workers if row.tokens_per_s.value is not None]
    tokens_per_s = float(sum(known))
    joules, dollars = per_token(
        [economy[row.id] for row in scope.workers] if closed(scope.workers, rows) else [],
        tokens_per_s,
        emulated=emulated,
    )
    goodput = figure(whole.per_s if whole else None, Provenance.DERIVED, emulated=emulated)
    return SloRow(
        of=scope.of,
        name=scope.name,
        device=scope.device,
        model=scope.model,
        attained=share(whole.all if whole else None, min((one.share for one in wanted), default=1.0)),
        ttft=each.get("ttft"),
        tpot=each.get("tpot"),
        request=each.get("request"),
        goodput_per_s=msgspec.structs.replace(goodput, at_least=True)
        if whole and whole.all.least < whole.all.most
        else goodput,
        tokens_per_s=figure(tokens_per_s if known else None, Provenance.DERIVED, emulated=emulated),
        joules_per_token=joules,
        dollars_per_mtok=dollars,
    )
