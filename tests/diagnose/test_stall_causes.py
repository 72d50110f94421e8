"""A stall's causes are the phases that explain most of it, and nothing else."""

from collectors.diagnose.stalls import HOST, NETWORK, UNKNOWN, Evidence, Unexplained, shared_causes
from collectors.model.batch import Span
from collectors.model.vocabulary import Phase

MS = 1_000_000


def causes(*spans: Span, gap_ms: int = 200, median_ms: float = 20.0) -> tuple[str, ...]:
    """Of a gap of request `r` on worker 1 that ended at 1,000 ms."""
    evidence = Evidence()
    evidence.add(spans)
    return evidence.causes(1, "r", 1_000 * MS, gap_ms * MS, median_ms * MS)


def span(phase: Phase, request: str, start_ms: int, end_ms: int, worker: int = 1) -> Span:
    return Span(request, phase, start_ms * MS, (end_ms - start_ms) * MS, worker)


def test_another_request_s_prefill_shares_the_step() -> None:
    assert causes(span(Phase.PREFILL, "other", 810, 1_000)) == ("prefill shares the step",)


def test_chunks_of_several_prefills_add_up() -> None:
    assert causes(span(Phase.PREFILL, "a", 800, 860), span(Phase.PREFILL, "b", 900, 960)) == (
        "prefill shares the step",
    )


def test_what_stops_the_request_itself() -> None:
    assert causes(span(Phase.PREEMPTED, "r", 805, 1_000)) == ("preemption",)
    assert causes(span(Phase.FETCH, "r", 805, 1_000)) == ("tier fetch",)
    assert causes(span(Phase.TRANSFER, "r", 805, 1_000)) == ("transfer",)


def test_another_request_s_transfer_or_another_worker_s_prefill_is_no_cause() -> None:
    assert causes(span(Phase.TRANSFER, "other", 805, 1_000)) == ("unknown",)
    assert causes(span(Phase.PREFILL, "other", 805, 1_000, worker=2)) == ("unknown",)


def test_a_phase_that_explains_too_little_is_no_cause() -> None:
    assert causes(span(Phase.PREFILL, "other", 960, 1_000)) == ("unknown",)


def test_what_covers_more_comes_first() -> None:
    found = causes(span(Phase.PREEMPTED, "r", 800, 920), span(Phase.PREFILL, "other", 800, 1_000))
    assert found == ("prefill shares the step", "preemption")


def test_a_long_phase_that_ended_late_is_found_behind_short_ones() -> None:
    shorts = [span(Phase.PREFILL, "x", 1_000 + i, 1_001 + i) for i in range(500)]
    assert causes(span(Phase.PREFILL, "other", 800, 1_000), *shorts) == ("prefill shares the step",)


def test_what_is_forgotten_is_no_evidence() -> None:
    evidence = Evidence()
    evidence.add([span(Phase.PREFILL, "other", 800, 1_000)])
    evidence.forget(1_001 * MS)
    assert evidence.causes(1, "r", 1_000 * MS, 200 * MS, 20.0 * MS) == ("unknown",)


def test_a_stall_that_is_asked_for_at_every_tick_counts_each_phase_once_however_late_it_came() -> None:
    evidence = Evidence()

    def asked() -> tuple[str, ...]:
        evidence.forget(0)
        return evidence.causes(1, "r", 1_000 * MS, 200 * MS, 20.0 * MS)

    evidence.add([span(Phase.PREFILL, "a", 800, 860)])
    assert [asked(), asked(), asked()] == [("unknown",)] * 3
    evidence.add([span(Phase.PREFILL, "b", 2_000, 2_001), span(Phase.PREFILL, "c", 900, 960)])
    assert [asked(), asked()] == [("prefill shares the step",)] * 2
    assert evidence.causes(1, "other", 1_000 * MS, 200 * MS, 20.0 * MS) == ("prefill shares the step",)


def test_streams_of_one_step_that_took_long_by_itself() -> None:
    stalls = [
        Unexplained(1, 800 * MS, 1_000 * MS),
        Unexplained(1, 790 * MS, 1_000 * MS),
        Unexplained(2, 800 * MS, 1_000 * MS),
    ]
    assert shared_causes(stalls, measured=False) == [(HOST,), (HOST,), (UNKNOWN,)]
    assert shared_causes(stalls[:1], measured=False) == [(UNKNOWN,)]


def test_what_an_observer_sees_of_several_workers_at_once_is_on_the_way() -> None:
    stalls = [
        Unexplained(1, 800 * MS, 1_000 * MS),
        Unexplained(2, 850 * MS, 1_010 * MS),
        Unexplained(1, 100 * MS, 300 * MS),
    ]
    assert shared_causes(stalls, measured=True) == [(NETWORK,), (NETWORK,), (UNKNOWN,)]
    assert shared_causes(stalls[::2], measured=True) == [
        (UNKNOWN,),
        (UNKNOWN,),
    ]  # all of one worker: it may be the worker
