"""What was stored of several workers, added up as a Frame would."""

import numpy as np
import pytest

from collectors.model.batch import WorkerInfo
from collectors.model.vocabulary import Role
from collectors.session.backfill import backfill
from collectors.session.fleet import Worker
from collectors.stats.earlier import Earlier

S = 1_000_000_000


def stored(worker: str, tokens: int, p99_s: float) -> Earlier:
    """One interval of 30 s before the session."""
    quantiles = np.array([[0.0, 0.01]]), np.array([[p99_s / 2, p99_s]])
    begin, end = np.array([-30 * S]), np.array([0])
    return Earlier(worker, begin, end, np.array([tokens]), np.array([1000]), *quantiles, np.array([], np.int64))


def fleet(**roles: Role) -> dict[str, Worker]:
    return {name: Worker(WorkerInfo(0, name, role), "t") for name, role in roles.items()}


ROUTER, PREFILL, DECODE = stored("router", 3000, 2.0), stored("prefill", 30, 0.5), stored("decode", 3000, 0.1)
KNOWN = fleet(router=Role.ROUTER, prefill=Role.PREFILL, decode=Role.DECODE)


def test_output_tokens_count_once() -> None:
    (row,) = backfill([([ROUTER, PREFILL, DECODE], False)], KNOWN).rows
    assert row.tokens_per_s.value == pytest.approx(100)
    assert row.tokens_per_s.n == 1


def test_a_router_counts_where_no_worker_does_and_has_no_jitter_of_its_own() -> None:
    (row,) = backfill([([ROUTER, PREFILL], False)], KNOWN).rows
    assert row.tokens_per_s.value == pytest.approx(100)
    assert row.worst == "prefill"
    (alone,) = backfill([([ROUTER], False)], KNOWN).rows
    assert alone.worst is None
    assert alone.p99_minus_p50.value is None
