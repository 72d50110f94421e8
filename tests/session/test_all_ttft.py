"""The headline TTFT where some workers are seen request by request and others only through their pages."""

import numpy as np
import pytest

from collectors.model.batch import Batch, Inventory, Layout, Received, Requests, Samples, Status, Watermark, WorkerInfo
from collectors.model.figure import Distribution
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import Provenance, Role, State, TargetStatus
from collectors.session.session import Session
from tests.session.test_session import WORKERS, S, deliveries, rows, up


def stream(session: Session, ttfts_ns: list[int]) -> None:
    """Requests with these TTFTs, all within the first seconds."""
    made = rows(len(ttfts_ns))
    received = tuple(Received(S, f"r{number}", number) for number in range(len(ttfts_ns)))
    made["stream"], made["first_token"], made["time_ns"] = np.arange(len(ttfts_ns)), 0, S + np.array(ttfts_ns)
    made = made[made["time_ns"].argsort(kind="stable")]
    session.feed(Batch("router", S, (up("router"), Inventory(WORKERS), Requests(received))))
    session.feed(Batch("router", 3 * S - 1, (deliveries(made), Watermark(3 * S - 1))))


def page(session: Session, name: str, bounds: tuple[float, ...], observed: list[int], role: Role = Role.DECODE) -> None:
    """Nothing at first, then cumulative counts."""
    known = Inventory((WorkerInfo(0, f"{name}/0", role),))
    layout = Layout(tuple(Series(Signal.TTFT, Kind.BUCKET, f"{name}/0", "ttft_bucket", le=le) for le in bounds))
    for second, values in ((1, [0] * len(bounds)), (2, observed)):
        session.feed(Batch(name, second * S, (up(name), known, layout, Samples(np.array(values, float)))))


def ttft(session: Session) -> Distribution:
    return session.tick(3 * S).ttft


def interval(it: Distribution) -> tuple[object, object]:
    return it.p50.low, it.p50.high


BOUNDS = (0.1, 0.2, np.inf)


def test_what_only_pages_tell_is_part_of_all() -> None:
    session = Session("virtual")
    stream(session, [50_000_000] * 40)
    page(session, "vllm", BOUNDS, [0, 60, 60])
    found = ttft(session)
    assert found.n == 100
    assert found.p50.provenance is Provenance.DERIVED
    assert interval(found) == (pytest.approx(0.1, rel=1 / 500), 0.2)
    assert found.p50.low is not None
    assert found.p50.low < 0.1
    assert found.p99.high == 0.2


def test_quantiles_hold_what_lies_next_to_a_bound() -> None:
    """99.95 ms is at most 100 ms, and in the sketch not told from a little more than that."""
    session = Session("virtual")
    stream(session, [99_950_000] * 99)
    page(session, "vllm", BOUNDS, [0, 1, 1])
    found = ttft(session)
    assert found.n == 100
    assert found.p50.low is not None
    assert found.p50.low < 0.09995


def test_a_page_that_counts_nothing_leaves_the_streams_as_exact_as_they_are() -> None:
    session = Session("virtual")
    stream(session, [50_000_000] * 40)
    page(session, "vllm", BOUNDS, [0, 0, 0])
    found = ttft(session)
    assert (found.n, found.population) == (40, "requests with a first token")
    assert found.p50.value == pytest.approx(0.05, rel=1e-3)


def test_the_page_of_a_worker_whose_deliveries_are_seen_adds_nothing() -> None:
    session = Session("virtual")
    stream(session, [50_000_000] * 40)
    page(session, "gpu-0", BOUNDS, [60, 60, 60])
    assert ttft(session).n == 40


def test_a_router_counts_for_the_workers_behind_it() -> None:
    session = Session("virtual")
    stream(session, [50_000_000] * 40)
    page(session, "vllm", BOUNDS, [60, 60, 60])
    page(session, "front", BOUNDS, [50, 50, 50], Role.ROUTER)
    assert ttft(session).n == 90


def test_pages_that_cannot_be_added_are_left_out_and_it_says_so() -> None:
    session = Session("virtual")
    stream(session, [50_000_000] * 40)
    page(session, "vllm", BOUNDS, [0, 60, 60])
    page(session, "other", (0.3, np.inf), [60, 60])
    found = ttft(session)
    assert (found.n, found.population) == (40, "requests with a first token, as far as they were seen one by one")


def test_a_lost_stream_beside_a_page_that_is_heard_is_not_stale_as_a_whole() -> None:
    session = Session("virtual")
    stream(session, [50_000_000] * 40)
    page(session, "vllm", BOUNDS, [0, 60, 60])
    session.feed(Batch("router", 3 * S - 1, (Status("http://router", "any", TargetStatus.DOWN, "refused"),)))
    found = ttft(session)
    assert (found.n, found.p50.state) == (100, State.OK)
