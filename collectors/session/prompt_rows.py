"""Where prompt tokens came from: computed or found, what does not add up, what had to be computed again, and what a router could have had. Pure."""

from collections.abc import Iterable, Sequence

from collectors.model.figure import Figure
from collectors.model.memory import HitRate, PromptRow, ReuseRow
from collectors.model.signals import Signal, is_formula
from collectors.model.vocabulary import Provenance, Tier
from collectors.session.fleet import Worker
from collectors.session.hit_rates import OF_WORKER, preempted, preemptions_of
from collectors.session.kept import kept
from collectors.session.source_state import SourceState
from collectors.stats.columns import Key
from collectors.stats.figures import absent, figure, histogram, increase, no_distribution, ratio, total
from collectors.stats.scraped import Increase, ScrapedStats
from collectors.stats.summary import Summary

ROUTED = "requests that the router placed"


def prompt_rows(workers: Iterable[Worker], tick_ns: int, window_ns: int) -> tuple[PromptRow, ...]:
    """Of the workers of whose prompts anything is said."""
    rows = []
    streamed: dict[tuple[int, bool], dict[int, PromptRow]] = {}
    for worker in workers:
        source, emulated = worker.placed, worker.emulated
        if source is not None and source.summary is not None:
            if (id(source), emulated) not in streamed:
                streamed[id(source), emulated] = _streamed(source, emulated=emulated)
            row = streamed[id(source), emulated].get(worker.row)
        else:
            row = _scraped(worker, tick_ns, window_ns)
        if row is not None:
            rows.append(row)
    return tuple(rows)


def reuse_rows(
    workers: Iterable[Worker], sources: Iterable[SourceState], tick_ns: int, window_ns: int
) -> tuple[ReuseRow, ...]:
    """Of the routers that tell what they believed: those with a placement stream, then those with a page."""
    rows = [
        source.dated(_told(source, source.summary))
        for source in sources
        if source.summary is not None and source.summary.reused.decisions
    ]
    believed = (_believed(worker, tick_ns, window_ns) for worker in workers if not worker.runs_tokens)
    return (*rows, *(row for row in believed if row is not None))


def _streamed(source: SourceState, *, emulated: bool) -> dict[int, PromptRow]:
    """By row, those of the source's workers of whose prompts anything is said; worked out for all at once."""
    told = source.figures(emulated=emulated)
    if told is None:
        return {}
    of, workers = told.summary.prompted, told.summary.workers
    prompt, computed, hits, lost, preemptions = map(
        told.reported, (of.prompt, of.computed, of.found, of.recomputed, of.preemptions)
    )
    residual = told.derived(of.prompt - of.computed - of.found)
    both = told.reported(of.computed + of.recomputed)
    tiers: dict[int, set[Tier]] = {}
    for row, pool in of.pools:
        tiers.setdefault(row, set()).add(pool.tier)
    made = {}
    for row in ((of.prompt != 0) | (of.preemptions != 0)).nonzero()[0].tolist():
        made[row] = source.dated(
            PromptRow(
                worker=workers[row],
                window_s=told.summary.window_s,
                prompt_tokens=prompt[row],
                computed_tokens=computed[row],
                hit_tokens=hits[row],
                residual_tokens=residual[row],
                hit_rate=HitRate(
                    rate=ratio(hits[row], prompt[row]),
                    hits=hits[row],
                    of=prompt[row],
                    unit="tokens",
                    population=OF_WORKER,
                    tiers=tuple(sorted(tiers.get(row, ()))),
                    window_s=told.summary.window_s,
                    preempted=preempted(preemptions[row]),
                ),
                recomputed_tokens=lost[row],
                recompute_tax=ratio(lost[row], both[row]),
                preemptions=preemptions[row],
            )
        )
    return made


@kept
def _scraped(worker: Worker, tick_ns: int, window_ns: int) -> PromptRow | None:
    emulated, id_ = worker.emulated, worker.info.id
    stats = None if worker.scraped is None else worker.scraped.scraped
    if stats is None:
        return None

    def grown(keys: Sequence[Key]) -> list[Increase]:
        return [stats.increase(tick_ns, window_ns, key) for key in keys]

    def one(signal: Signal) -> Increase:
        return stats.increase(tick_ns, window_ns, Key(id_, signal))

    found_keys = stats.keys_of(id_, Signal.HIT_TOKENS)
    if not any(stats.keys_of(id_, signal) for signal in (Signal.PROMPT_TOKENS, Signal.PROMPT_TOKENS_COMPUTED)):
        return None
    grew, had, found = one(Signal.PROMPT_TOKENS), one(Signal.PROMPT_TOKENS_COMPUTED), grown(found_keys)
    prompt, computed = increase(grew, emulated=emulated), increase(had, emulated=emulated)
    hits = total([increase(one, emulated=emulated) for one in found], emulated=emulated)
    preemptions = preemptions_of(stats, tick_ns, window_ns, id_, emulated=emulated)
    unknown = absent(emulated=emulated)
    together = len({one.seconds for one in (grew, *found)}) == 1
    return PromptRow(
        worker=id_,
        window_s=grew.seconds,
        prompt_tokens=prompt,
        computed_tokens=computed,
        hit_tokens=hits,
        residual_tokens=_residual(stats, id_, found_keys, prompt, computed, hits)
        if together and had.seconds == grew.seconds
        else unknown,
        hit_rate=HitRate(
            rate=ratio(hits, prompt) if together else unknown,
            hits=hits,
            of=prompt,
            unit="tokens",
            population=OF_WORKER,
            tiers=tuple(dict.fromkeys(key.tier or Tier.UNKNOWN for key in found_keys)),
            window_s=grew.seconds,
            preempted=preempted(preemptions),
        ),
        recomputed_tokens=unknown,
        recompute_tax=unknown,
        preemptions=preemptions,
    )


def _residual(
    stats: ScrapedStats, worker: str, found: Sequence[Key], prompt: Figure, computed: Figure, hits: Figure
) -> Figure:
    """Prompt − computed − found. Where one was made of another of the three there is nothing to check."""
    metrics = {stats.metric(key) for key in found}
    for signal in (Signal.PROMPT_TOKENS, Signal.PROMPT_TOKENS_COMPUTED):
        formula = stats.metric(Key(worker, signal))
        if is_formula(formula) and metrics & set(formula.split()):
            return absent(emulated=prompt.emulated)
    if prompt.value is None or computed.value is None or hits.value is None:
        return absent(emulated=prompt.emulated)
    left = prompt.value - computed.value - hits.value
    return figure(left, Provenance.DERIVED, emulated=prompt.emulated, heard_ns=prompt.heard_ns)


def _told(source: SourceState, summary: Summary) -> ReuseRow:
    heard_ns = source.heard_ns
    reused = summary.reused
    prompt, available, captured, delivered = (
        figure(value, Provenance.REPORTED, emulated=source.emulated, heard_ns=heard_ns)
        for value in (reused.prompt, reused.available, reused.captured, reused.delivered)
    )
    predicted = no_distribution(population=ROUTED, emulated=source.emulated, unit="ratio")
    missing, unforeseen = (
        figure(value, Provenance.DERIVED, emulated=source.emulated, heard_ns=heard_ns, n=reused.admitted)
        for value in (reused.missing, reused.unforeseen)
    )
    return ReuseRow(
        source.name, summary.window_s, prompt, available, captured, delivered, predicted, missing, unforeseen
    )


@kept
def _believed(worker: Worker, tick_ns: int, window_ns: int) -> ReuseRow | None:
    id_, emulated = worker.info.id, worker.emulated
    stats = None if worker.scraped is None else worker.scraped.scraped
    if stats is None:
        return None
    believed = (Signal.REUSE_AVAILABLE, Signal.REUSE_CAPTURED, Signal.PREDICTED_HIT_RATIO)
    if not any(stats.keys_of(id_, signal) for signal in believed):
        return None

    whole = stats.increase(tick_ns, window_ns, Key(id_, Signal.PROMPT_TOKENS)).seconds

    def counted(signal: Signal) -> Figure:
        """Absent where it was not counted for as long as the prompts were: it stands beside them."""
        grown = [stats.increase(tick_ns, window_ns, key) for key in stats.keys_of(id_, signal)]
        if whole is not None and any(one.seconds not in (None, whole) for one in grown):
            return absent(emulated=emulated)
        return total([increase(one, emulated=emulated) for one in grown], emulated=emulated)

    predicted = stats.histogram(tick_ns, window_ns, Key(id_, Signal.PREDICTED_HIT_RATIO))
    return ReuseRow(
        router=id_,
        window_s=whole,
        prompt_tokens=counted(Signal.PROMPT_TOKENS),
        available_tokens=counted(Signal.REUSE_AVAILABLE),
        captured_tokens=counted(Signal.REUSE_CAPTURED),
        delivered_tokens=counted(Signal.HIT_TOKENS),
        predicted_ratio=histogram(predicted, population=ROUTED, emulated=emulated, unit="ratio"),
    )
