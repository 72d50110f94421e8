"""What really happened, as JSON: the counts against which a dashboard's own can be tested.

Everything is since the start and as of `now_ns`: all that is before it. Nothing is estimated; what was not kept is null.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from emulators.cost import per_million_tokens
from emulators.energy import Account, moved
from emulators.events import Row
from emulators.kv import Pool
from emulators.observed import Observed
from emulators.router import Router
from emulators.samples import Samples

NS: Final = 1e9


def truth(
    now_ns: int,
    workers: Sequence[tuple[str, str, Observed]],
    pools: Iterable[Pool],
    router: Router,
    requests: Mapping[str, int],
    accounts: Sequence[Account],
    dollars_per_hour: float | None,
    deployments: Sequence[Row] = (),
) -> Row:
    """`workers`: id, tier and notes of each, by slot; `requests`: counts, as they are to be said.

    `placements`: tokens by (worker, stage, tier). The primary rows (stage `decode`, `ffn`, `verify`) sum to the output tokens; those of stage `attention` and `draft` count output tokens
    that passed that stage of another worker's delivery; those of stage `prefill` count
    tokens computed in prefill chunks that have ended, as the `prefill` phases do, `recomputed_tokens` of them having been admitted again after a preemption.
    `pools`: bytes since the start between this pool and others, and the energy of moving them at this memory (null without a figure); KV that a step reads or
    writes is not in them, nor what is handed on from prefill to decode. `energy`: by worker, the time and the drawn joules of its chips by phase, and what its steps
    read from its memory with the joules of moving that: two kinds that are never added. `rent`: of all chips, per output token of all workers. `deployments`: of engines of
    two devices, what their rounds have come to (`emulators.round_worker`). `gaps`: a gap is the later delivery's worker's.
    """
    return {
        "now_ns": now_ns,
        "placements": [row for worker in workers for row in _placements(*worker)],
        "pools": [
            {
                "slot": pool.slot,
                "owner": pool.owner,
                "tier": pool.tier,
                "used_bytes": pool.used * pool.block_bytes,
                "active_bytes": pool.active * pool.block_bytes,
                "capacity_bytes": pool.capacity * pool.block_bytes,
                "hit_tokens": pool.hit_tokens,
                "fetched_bytes": pool.fetched_bytes,
                "copied_in_bytes": pool.copied_in_bytes,
                "movement_joules": moved(pool.fetched_bytes + pool.copied_in_bytes, pool.tier),
            }
            for pool in pools
        ],
        "prompts": [
            {
                "worker": name,
                "prompt_tokens": notes.stats.prompt_tokens,
                "computed_tokens": notes.stats.computed_tokens,
                "hit_tokens": dict(notes.stats.hit_tokens),
                "recomputed_tokens": notes.stats.recomputed_tokens,
                "preemptions": notes.stats.preemptions,
            }
            for name, _, notes in workers
        ],
        "energy": [
            {
                "worker": name,
                "output_tokens": notes.stats.generation_tokens,
                "phase_seconds": account.seconds,
                "drawn_joules": account.drawn,
                "tier": account.tier,
                "read_bytes": account.read,
                "movement_joules": account.movement,
            }
            for (name, _, notes), account in zip(workers, accounts, strict=True)
        ],
        "rent": _rent(now_ns, sum(notes.stats.generation_tokens for _, _, notes in workers), dollars_per_hour),
        "gaps": [{"worker": name, **distribution([notes.gaps])} for name, _, notes in workers],
        "ttft": [
            *({"worker": name, **distribution([notes.ttft])} for name, _, notes in workers),
            {"worker": None, **distribution([notes.ttft for _, _, notes in workers])},
        ],
        "requests": dict(requests),
        **({"deployments": list(deployments)} if deployments else {}),
        "decisions": {"total": router.total, "ties": router.ties, "by_rule": dict(router.by_rule)},
    }


def distribution(columns: Sequence[Samples]) -> Row:
    """n, p50, p99 and maximum in seconds of all samples together; null what cannot be said. Quantiles by linear interpolation."""
    if not all(column.complete for column in columns):
        return {"n": None, "p50_s": None, "p99_s": None, "max_s": None}
    values = np.concatenate([column.values for column in columns])
    if not len(values):
        return {"n": 0, "p50_s": None, "p99_s": None, "max_s": None}
    p50, p99 = np.quantile(values, (0.5, 0.99)) / NS
    return {"n": len(values), "p50_s": float(p50), "p99_s": float(p99), "max_s": int(values.max()) / NS}


def _rent(now_ns: int, tokens: int, dollars_per_hour: float | None) -> Row:
    rate = tokens * NS / now_ns if now_ns else 0.0
    return {
        "usd_per_hour": dollars_per_hour,
        "usd_per_million_output_tokens": per_million_tokens(dollars_per_hour, rate),
    }


def _placements(name: str, tier: str, notes: Observed) -> Iterable[Row]:
    counts = (
        (notes.stage, True, notes.stats.generation_tokens),
        ("prefill", False, notes.prefilled_tokens),
        (notes.stage, False, notes.beside_tokens),
    )
    for stage, primary, tokens in counts:
        if tokens:
            yield {"worker": name, "stage": stage, "primary": primary, "tier": tier, "tokens": tokens}
