"""How much of what was looked for each tier had, in the unit in which its page counts. Pure.

Tokens found of an engine's own prompts come first; what a cache, or a router, says of its look-ups counts where there is nothing better.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from collectors.model.figure import Figure
from collectors.model.memory import HitRate, PromptRow, TierRow
from collectors.model.signals import Signal
from collectors.model.vocabulary import Provenance, Tier
from collectors.session.source_state import SourceState
from collectors.stats.columns import Key
from collectors.stats.figures import absent, figure, increase, ratio, reading, total
from collectors.stats.fleet import PoolKey
from collectors.stats.scraped import ScrapedStats

OF_WORKER: Final = "prompt tokens that the worker admitted"


class _Pair(NamedTuple):
    hits: Signal
    of: Signal
    unit: str
    population: str


_PAIRS: Final = (
    _Pair(Signal.HIT_TOKENS, Signal.PROMPT_TOKENS, "tokens", OF_WORKER),
    _Pair(Signal.KV_HITS, Signal.KV_QUERY_TOKENS, "tokens", "tokens that were looked for"),
    _Pair(Signal.HIT_BLOCKS, Signal.KV_QUERY_BLOCKS, "blocks", "blocks that were looked for"),
    _Pair(Signal.HIT_LOOKUPS, Signal.KV_QUERY_LOOKUPS, "lookups", "look-ups"),
)
OWN_WINDOW: Final = "over a window of the back end's own"


class _Counted(NamedTuple):
    """Where a pool's hits are counted, and what they are a part of."""

    pair: _Pair
    hits: Key
    of: Key


def scraped_rate(
    stats: ScrapedStats,
    tick_ns: int,
    window_ns: int,
    pool: tuple[str, Tier, str],
    again: bool | None,
    *,
    emulated: bool,
) -> HitRate | None:
    """Of the pool (worker, tier, owner) as its page counts; None where it says nothing of hits there. `again`: whether the worker preempted any."""
    _, tier, _ = pool
    where = stats.of_layout(_where, pool)
    if where is None:
        return None
    if isinstance(where, Key):
        said, unknown = reading(stats.gauge(tick_ns, where), emulated=emulated), absent(emulated=emulated)
        return HitRate(said, unknown, unknown, "", OWN_WINDOW, (tier,), None, again)
    found = stats.increase(tick_ns, window_ns, where.hits)
    sought = stats.increase(tick_ns, window_ns, where.of)
    hits, of = increase(found, emulated=emulated), increase(sought, emulated=emulated)
    together = found.seconds == sought.seconds
    rate = ratio(hits, of) if together else absent(emulated=emulated, heard_ns=found.heard_ns)
    return HitRate(rate, hits, of, where.pair.unit, where.pair.population, (tier,), sought.seconds, again)


def hit_anything(stats: ScrapedStats, tick_ns: int, window_ns: int, pool: tuple[str, Tier, str]) -> bool:
    """Whether the rate of the pool, as `scraped_rate` tells it, is known to be above 0."""
    where = stats.of_layout(_where, pool)
    if where is None:
        return False
    if isinstance(where, Key):
        return bool(stats.gauge(tick_ns, where).value)
    return bool(stats.increase(tick_ns, window_ns, where.hits).value)


def _where(stats: ScrapedStats, pool: tuple[str, Tier, str]) -> _Counted | Key | None:
    """The first pair that the page counts of the pool, else the gauge of its hit rate."""
    worker, tier, owner = pool
    for pair in _PAIRS:
        hits = Key(worker, pair.hits, tier, owner)
        asked = (Key(worker, pair.of, one_tier, one_owner) for one_tier in (tier, None) for one_owner in (owner, ""))
        of = next((key for key in asked if key in stats.keys_of(worker, pair.of)), None)
        if of is not None and hits in stats.keys_of(worker, pair.hits):
            return _Counted(pair, hits, of)
    rate = Key(worker, Signal.KV_HIT_RATE, tier, owner)
    return rate if rate in stats.keys_of(worker, Signal.KV_HIT_RATE) else None


def with_hit_rates(
    rows: Iterable[TierRow], prompts: Iterable[PromptRow], sources: Iterable[SourceState]
) -> tuple[TierRow, ...]:
    """Rows of the pools of placement streams get their share of the prompts' tokens.

    A worker's pool is measured by its own prompts; one that workers share, or whose worker admits none, by all, as it is not known whose could use it.
    """
    streamed: dict[PoolKey, dict[str, int]] = {}
    workers: set[str] = set()
    for source in sources:
        if source.summary is not None:
            workers |= set(source.summary.workers)
            for pool in source.inventory.pools:
                streamed.setdefault(PoolKey(pool.owner, pool.tier), {})
            for (row, key), tokens in source.summary.prompted.pools.items():
                streamed.setdefault(key, {})[source.summary.workers[row]] = tokens
    if not streamed:
        return tuple(rows)
    by_worker = {row.worker: row for row in prompts if row.worker in workers}
    whole = _together(list(by_worker.values()))
    return tuple(_rated(row, by_worker, streamed.get(PoolKey(row.owner, row.tier)), whole) for row in rows)


def preemptions_of(stats: ScrapedStats, tick_ns: int, window_ns: int, worker: str, *, emulated: bool) -> Figure:
    """Requests of the worker that its page says were preempted in the window."""
    grown = [stats.increase(tick_ns, window_ns, key) for key in stats.keys_of(worker, Signal.PREEMPTIONS)]
    return total([increase(one, emulated=emulated) for one in grown], emulated=emulated)


def preempted(preemptions: Figure) -> bool | None:
    """Whether there were any; None where that is not known."""
    return None if preemptions.value is None else preemptions.value > 0


def _rated(
    row: TierRow, prompts: Mapping[str, PromptRow], found: Mapping[str, int] | None, whole: HitRate | None
) -> TierRow:
    prompt = prompts.get(row.worker or "")
    of = whole if prompt is None else prompt.hit_rate
    if of is None or found is None or row.hit_tokens.value is None:
        return row
    hits = row.hit_tokens
    if prompt is not None:
        mine = found.get(prompt.worker, 0)
        hits = figure(mine, Provenance.REPORTED, emulated=hits.emulated, heard_ns=hits.heard_ns)
    made = msgspec.structs.replace(of, rate=ratio(hits, of.of), hits=hits, tiers=(row.tier,))
    return msgspec.structs.replace(row, hit_rate=made)


def _together(prompts: list[PromptRow]) -> HitRate | None:
    """The prompts of all workers, where all of them are known."""
    if not prompts:
        return None
    emulated = any(row.prompt_tokens.emulated for row in prompts)
    of, hits = (
        total(told, emulated=emulated)
        for told in ([row.prompt_tokens for row in prompts], [row.hit_tokens for row in prompts])
    )
    flags = [row.hit_rate.preempted for row in prompts]
    return HitRate(
        rate=ratio(hits, of),
        hits=hits,
        of=of,
        unit="tokens",
        population="prompt tokens that all workers admitted",
        tiers=tuple(dict.fromkeys(tier for row in prompts for tier in row.hit_rate.tiers)),
        window_s=max((row.window_s for row in prompts if row.window_s is not None), default=None),
        preempted=True if True in flags else None if None in flags else False,
    )
