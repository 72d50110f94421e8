"""Each rule names what it should, and nothing where another thing explains it as well. Against emulated faults: `tests/e2e/test_verdicts.py`, `bench/verdicts.py`."""

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.diagnose.beats import RECENT_S, Beats
from collectors.diagnose.rules import bursts, devices, memory, paths, routing, targets
from collectors.diagnose.scene import Scene, Suspicion, middle, middles, quarter, quarters
from collectors.diagnose.stalls import PREFILL, UNKNOWN
from collectors.diagnose.verdict import HOLD_S, RULES, SURE, Verdict
from collectors.diagnose.work import Job, Path, Work, speed, usual_speed
from collectors.model.frame import StallRow
from collectors.model.memory import HitRate, PromptRow, ReuseRow
from collectors.model.requests import ClockRow, MigrationRow, RequestRow
from collectors.model.verdict import Hop, Kind, Knows
from collectors.model.vocabulary import Device, Role, State, TargetStatus, Tier
from collectors.stats.figures import absent, no_distribution
from collectors.stats.fleet import PoolKey
from collectors.stats.steps import ROWS, whole
from tests.diagnose.scenes import GIB, NOW, S, beats, handover, known, pool, quantile, scene, target, work, worker

SOME = st.lists(st.sampled_from([np.nan, 0.0, 1.5, 2.0, 7.0]), min_size=6, max_size=6)
GPUS = [worker("a"), worker("b"), worker("c")]
Rule = Callable[[Scene], Iterator[Suspicion | None]]


def suspected(rule: Rule, it: Scene) -> list[Suspicion]:
    return [one for one in rule(it) if one is not None]


def said(rule: Rule, it: Scene) -> list[tuple[Kind, str]]:
    return [(one.kind, one.worker) for one in suspected(rule, it)]


@given(st.lists(SOME, min_size=1, max_size=5), st.sampled_from([0.25, 0.5, 0.75]))
def test_quartiles_and_medians_of_all_are_those_of_each(rows: list[list[float]], q: float) -> None:
    values = np.array(rows)
    np.testing.assert_array_equal(quarters(values, q), [quarter(row, q) for row in values])
    np.testing.assert_array_equal(middles(values), [middle(row) for row in values])


def test_nothing_is_wrong_with_a_fleet_with_which_nothing_is_wrong() -> None:
    it = scene([*GPUS, worker("l", Role.DECODE, Device.LPU, p50=0.0014, p99=0.0014)])
    assert [one for rule in RULES for one in suspected(rule, it)] == []
    assert Verdict().of(it).knows is Knows.QUIET


# Devices


def test_a_worker_slower_than_its_peers_is_a_straggler() -> None:
    it = scene(GPUS, beats=beats(GPUS, {"b": {"fast": 0.04}}))
    assert said(devices.stragglers, it) == [(Kind.STRAGGLER, "b")]
    (one,) = suspected(devices.stragglers, it)
    assert "×2.0" in one.said
    assert [round(fact.figure.value or 0, 3) for fact in one.evidence] == [0.04, 0.02]


def test_a_larger_batch_explains_longer_steps() -> None:
    it = scene(GPUS, beats=beats(GPUS, {"b": {"fast": 0.04, "running": 17.0}}))
    assert said(devices.stragglers, it) == []
    it = scene(GPUS, beats=beats(GPUS, {"b": {"fast": 0.04, "active": 2.1 * GIB}}))
    assert said(devices.stragglers, it) == []


def test_peers_are_of_the_same_chip_role_and_model() -> None:
    others = [
        worker("b", Role.DECODE),
        msgspec.structs.replace(worker("c"), chip="H200-SXM"),
        worker("d", Role.PREFILL),
    ]
    assert [len(rows) for rows in scene([worker("a"), *others]).kinds().values()] == [1] * 4
    assert scene([msgspec.structs.replace(worker("a"), chip="")]).kinds() == {}


def test_without_peers_a_worker_is_held_against_itself() -> None:
    alone = [worker("a")]
    assert said(devices.stragglers, scene(alone, beats=beats(alone, {"a": {"fast": 0.05}}))) == [(Kind.STRAGGLER, "a")]
    assert said(devices.stragglers, scene(alone, beats=beats(alone, {"a": {"fast": 0.05}}, seconds=12))) == []


def test_of_pages_only_intervals_that_do_not_touch_tell_a_straggler() -> None:
    slow = worker("b", p50=0.05)
    quiet = beats([worker("a"), slow], {name: {"fast": float("nan"), "n": float("nan")} for name in "ab"})
    assert said(devices.stragglers, scene([worker("a"), slow], beats=quiet)) == [(Kind.STRAGGLER, "b")]
    wide = msgspec.structs.replace(
        slow, gap=msgspec.structs.replace(slow.gap, p50=msgspec.structs.replace(quantile(0.05), low=0.025))
    )
    assert said(devices.stragglers, scene([worker("a"), wide], beats=quiet)) == []


@pytest.mark.parametrize(("now_s", "found"), [(0.1, []), (0.2, [(Kind.SLOW_PREFILL, "a")])])
def test_prompts_that_are_computed_slower_than_before(now_s: float, found: list[tuple[Kind, str]]) -> None:
    path = Path(Hop.PREFILL, "a", "a")
    it = scene(GPUS, work=work(path, (6, now_s, 2_000), (30, 0.1, 2_000)))
    assert said(devices.slow_prompts, it) == found
    if found:
        (one,) = suspected(devices.slow_prompts, it)
        assert "arithmetic is slower, memory is not" in one.said
    small = scene(GPUS, work=work(path, (6, now_s, 200), (30, 0.1, 200)))
    assert said(devices.slow_prompts, small) == []


@pytest.mark.parametrize("slow_s", [10, 12, 14])
def test_decode_steps_that_have_been_slow_for_most_of_the_time_are_not_told_as_fast(slow_s: int) -> None:
    it = Beats()
    steps = [0.01] * 6 + [0.04] * (slow_s + RECENT_S)
    for step in steps:
        it.put(["a"], {"fast": np.array([step]), "n": np.array([400.0])})
    slow = scene([worker("a")], beats=it, work=work(Path(Hop.PREFILL, "a", "a"), (6, 0.2, 2_000), (30, 0.1, 2_000)))
    (one,) = suspected(devices.slow_prompts, slow)
    assert one.said == "computes prompts ×2.0 slower than before"


def test_an_lpu_off_its_period() -> None:
    lpu = worker("l", Role.DECODE, Device.LPU, p50=0.0014)
    gaps = {"median": 0.0014, "slow": 8.0}
    assert said(devices.off_period, scene([lpu], beats=beats([lpu], {"l": gaps}))) == [(Kind.DESYNC, "l")]
    # As many requests came from elsewhere: their first gap is long by itself.
    came = work(handover("l"), (80, 0.001, 1), (1, 0.001, 1))
    assert said(devices.off_period, scene([lpu], beats=beats([lpu], {"l": gaps}), work=came)) == []
    # What an observer timed has its own way in it.
    assert said(devices.off_period, scene([lpu], beats=beats([lpu], {"l": gaps}), measured=frozenset({"l"}))) == []
    gpu = worker("l")
    assert said(devices.off_period, scene([gpu], beats=beats([gpu], {"l": gaps}))) == []


# Paths


@pytest.mark.parametrize(("seconds", "found"), [(0.01, []), (0.03, []), (0.05, [(Kind.SLOW_LINK, "p")])])
def test_a_link_that_moves_less_while_it_is_busy(seconds: float, found: list[tuple[Kind, str]]) -> None:
    it = scene(GPUS, work=work(handover(), (20, seconds, 10**8), (100, 0.01, 10**8)))
    assert said(paths.slow_links, it) == found


def test_small_pieces_are_not_held_against_large_ones() -> None:
    """1 ms of latency and 50 GB/s, now and before: 2 MB at a time are 1.9 GB/s, 200 MB were 40 GB/s. Beside small ones of before they are as fast as ever."""

    def took(size: int) -> float:
        return 0.001 + size / 50e9

    small, large = 2 * 10**6, 200 * 10**6
    moved = work(handover(), (30, took(small), small), (100, took(large), large))
    assert said(paths.slow_links, scene(GPUS, work=moved)) == []
    for number in range(40):
        start_ns = (NOW - 40) * S + number * S // 2
        end_ns = start_ns + round(took(small) * S)
        moved.add(handover(), Job(end_ns // S, start_ns, end_ns, small))
    assert said(paths.slow_links, scene(GPUS, work=moved)) == []


def test_a_link_that_stands_still_again_and_again() -> None:
    moved = work(handover(), (20, 0.004, 10**8), (100, 0.01, 10**8))
    assert said(paths.slow_links, scene(GPUS, work=moved)) == []
    for number in range(6):  # one after the other, each half a second for what takes 10 ms
        start_ns = (NOW - 9 + number) * S
        moved.add(handover(), Job(NOW - 9 + number, start_ns, start_ns + S // 2, 10**8))
    (one,) = suspected(paths.slow_links, scene(GPUS, work=moved))
    assert "6 of them stood still on the way" in one.figures


def test_many_that_share_a_link_do_not_stand_still() -> None:
    moved = work(handover(), (1, 0.004, 10**8), (100, 0.01, 10**8))
    for _ in range(30):  # all at once: each takes as long as all of them
        moved.add(handover(), Job(NOW - 5, (NOW - 5) * S, (NOW - 5) * S + 3 * S // 10, 10**8))
    assert said(paths.slow_links, scene(GPUS, work=moved)) == []


def test_a_tier_that_takes_long_is_named_after_a_few_pieces() -> None:
    path = Path(Hop.TIER, "host-0", "a", Tier.FLASH)
    assert said(paths.slow_tiers, scene(GPUS, work=work(path, (2, 2.0, 10**8), (40, 0.03, 10**8)))) == [
        (Kind.SLOW_TIER, "host-0")
    ]
    assert said(paths.slow_tiers, scene(GPUS, work=work(path, (1, 2.0, 10**8), (40, 0.03, 10**8)))) == []
    assert said(paths.slow_tiers, scene(GPUS, work=work(path, (9, 2.0, 10**8), (4, 0.03, 10**8)))) == []


def test_what_is_shared_is_measured_while_anything_is_under_way() -> None:
    at_once = [Job(0, 0, 2 * S, 100), Job(0, 0, 2 * S, 100), Job(0, 5 * S, 6 * S, 100)]
    found = speed(at_once)
    assert found is not None
    assert (found.per_s, found.n, found.busy_s) == (100.0, 3, 3.0)
    assert speed([]) is None
    usual = usual_speed(
        [Job(second, second * S, second * S + S // (4 if second < 30 else 1), 100) for second in range(80)], 3
    )
    assert usual is not None
    assert usual.per_s == pytest.approx(400)  # though most of it was slower


# Memory


def test_a_pool_that_shrinks_again_and_again() -> None:
    row = pool("a")

    def found(drops: list[float]) -> list[tuple[Kind, str]]:
        return said(memory.thrash, scene(GPUS, tiers=[row], dropped={PoolKey("a", Tier.HBM): drops}))

    assert found([0.0] * 50 + [0.1] * 10) == [(Kind.THRASH, "a")]
    assert found([0.1] * 50 + [0.0] * 10) == []
    assert found([0.0] * 59 + [0.9]) == []  # once: somebody cleared it


def prompts(again: int) -> PromptRow:
    nothing = absent(emulated=False)
    rate = HitRate(nothing, nothing, nothing, "tokens", "", (), 60.0, None)
    return PromptRow(
        "a", 60.0, known(9_000), known(9_000), known(0), known(0), rate, known(3_000), known(0.3), known(again)
    )


@pytest.mark.parametrize(
    ("again", "active", "found"), [(5, 0.95, [(Kind.POOL_FULL, "a")]), (5, 0.4, []), (0, 0.95, [])]
)
def test_preemptions_of_a_full_pool(again: int, active: float, found: list[tuple[Kind, str]]) -> None:
    it = scene(GPUS, tiers=[pool("a", active=active)], prompts=[prompts(again)])
    assert said(memory.memory_full, it) == found


# The router


def reuse(missing: int | None, delivered: int = 500) -> ReuseRow:
    predicted = msgspec.structs.replace(no_distribution(population="", emulated=False), n=100)
    row = ReuseRow("r", 60.0, known(1_000), known(600), known(550), known(delivered), predicted)
    return (
        row
        if missing is None
        else msgspec.structs.replace(row, missing_tokens=known(missing, n=100), unforeseen_tokens=known(400, n=100))
    )


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (reuse(100), [(Kind.STALE_INDEX, "r")]),
        (reuse(10), []),
        (reuse(None), [(Kind.STALE_INDEX, "r")]),
        (reuse(None, 560), []),
    ],
)
def test_a_router_that_believes_what_is_not_so(row: ReuseRow, found: list[tuple[Kind, str]]) -> None:
    assert said(routing.stale_index, scene(GPUS, reuse=[row])) == found


def test_waiting_while_others_have_room() -> None:
    it = scene(GPUS, beats=beats(GPUS, {"b": {"waiting": 6.0}, "c": {"running": 2.0}}))
    assert said(routing.imbalance, it) == [(Kind.IMBALANCE, "b")]
    assert said(routing.imbalance, scene(GPUS, beats=beats(GPUS, {"b": {"waiting": 6.0}}))) == []


def test_a_queue_that_all_have_is_load() -> None:
    long = msgspec.structs.replace(no_distribution(population="", emulated=False), n=50, p50=quantile(2.0, 50))
    full = [msgspec.structs.replace(row, queue=long) for row in GPUS]
    it = scene(full, beats=beats(full, {name: {"waiting": 9.0} for name in "abc"}))
    assert said(routing.imbalance, it) == [(Kind.QUEUE, name) for name in "abc"]


def test_requests_that_were_taken_from_a_worker() -> None:
    moved = RequestRow("x", (), None, NOW * S, True, (), False, migrations=(MigrationRow("a", "b", 12, ("t",)),))
    it = scene(GPUS, requests=[moved, msgspec.structs.replace(moved, probe=True)])
    (one,) = suspected(routing.migrations, it)
    assert (one.kind, one.worker, one.figures) == (Kind.MIGRATION, "a", "1 in 60 s")
    assert "went on at b" in one.said
    old = msgspec.structs.replace(moved, heard_ns=(NOW - 90) * S)
    assert said(routing.migrations, scene(GPUS, requests=[old])) == []


# Prefill bursts


def stalls(causes: tuple[str, ...], count: int = 20) -> list[StallRow]:
    return [StallRow(NOW - 5.0, f"r{number}", "a", known(0.2), known(0.02), causes) for number in range(count)]


def test_prompts_that_stall_decodes() -> None:
    wide = [worker("a", p99=0.2), *GPUS[1:]]
    assert said(bursts.prefill_bursts, scene(wide, stalls=stalls((PREFILL,)))) == [(Kind.PREFILL_BURSTS, "a")]
    assert said(bursts.prefill_bursts, scene(wide, stalls=stalls((UNKNOWN,)))) == []
    assert said(bursts.prefill_bursts, scene(GPUS, stalls=stalls((PREFILL,)))) == []  # its p99 is near its p50
    assert said(bursts.prefill_bursts, scene(wide, stalls=stalls((PREFILL,)), window_s=9.0)) == []


# Targets


def test_targets_that_cannot_be_heard() -> None:
    lost = target("a", status=TargetStatus.DOWN, reason="refused", heard_ns=(NOW - 10) * S)
    assert said(targets.down, scene(GPUS, targets=[lost])) == [(Kind.DOWN, "a")]
    assert said(targets.down, scene(GPUS, targets=[msgspec.structs.replace(lost, heard_ns=NOW * S)])) == []
    assert said(targets.down, scene(GPUS, targets=[msgspec.structs.replace(lost, status=TargetStatus.GONE)])) == []


def test_counters_that_begin_anew_after_a_rest_were_a_restart() -> None:
    again = target("a", resets=1, reset_at=NOW - 5.0)
    stopped = beats(GPUS, {"a": {"tokens": 0.0}})
    assert said(targets.restarted, scene(GPUS, targets=[again], beats=stopped)) == [(Kind.RESTARTED, "a")]
    assert said(targets.restarted, scene(GPUS, targets=[again])) == [(Kind.BACKWARDS, "a")]  # it never stopped
    often = target("a", resets=4, reset_at=NOW - 5.0)
    assert said(targets.restarted, scene(GPUS, targets=[often], beats=stopped)) == [(Kind.BACKWARDS, "a")]
    assert said(targets.restarted, scene(GPUS, targets=[target("a", resets=1, reset_at=NOW - 80.0)])) == []


def test_a_page_that_stands_still_while_tokens_come() -> None:
    assert said(targets.frozen, scene(GPUS, beats=beats(GPUS, {"b": {"page_tokens": 5.0}}))) == [(Kind.FROZEN, "b")]
    idle = beats(GPUS, {"b": {"page_tokens": 5.0, "tokens": 0.0}})
    assert said(targets.frozen, scene(GPUS, beats=idle)) == []


def test_a_clock_that_was_set() -> None:
    rows = [ClockRow("x", "y", 0.1, 0.2, 9, 0), ClockRow("z", "y", 0.1, 0.2, 9, 1)]
    assert said(targets.clock_set, scene(GPUS, clocks=rows)) == [(Kind.CLOCK, "z")]


# The verdict


def at(second: int, slow: bool) -> Scene:
    it = beats(GPUS, {"b": {"fast": 0.05}} if slow else {})
    heard = [target(row.target, heard_ns=second * S) for row in GPUS]
    return scene(GPUS, now=second, beats=it, targets=heard)


def test_it_is_told_once_it_is_sure_and_for_a_while_after() -> None:
    verdict = Verdict()
    told = [verdict.of(at(second, slow=10 <= second - 100 < 20)) for second in range(100, 140)]
    trouble = [100 + index for index, one in enumerate(told) if one.knows is Knows.TROUBLE]
    assert trouble == list(range(110 + SURE - 1, 120 + HOLD_S))
    (finding,) = told[15].findings
    assert finding.since == 110.0
    assert finding.line.startswith(
        "b: every step takes ×2.5 as long as those of 2 like it (fast gaps 50.0 ms against 20.0 ms, n 4,000, 10 s) → "
    )
    assert {one.knows for one in told[:10]} == {Knows.QUIET}


def test_what_makes_figures_untrue_comes_before_causes_and_these_before_what_follows() -> None:
    verdict = Verdict()
    lost = target("a", status=TargetStatus.DOWN, reason="refused", heard_ns=0)
    wide = [worker("a"), worker("b", p99=0.2), worker("c")]
    it = scene(wide, targets=[lost, target("b")], beats=beats(wide, {"b": {"fast": 0.05}}), stalls=[msgspec.structs.replace(one, worker="b") for one in stalls((PREFILL,))])  # fmt: skip
    for _ in range(SURE):
        told = verdict.of(it)
    assert [one.kind for one in told.findings] == [Kind.DOWN, Kind.STRAGGLER, Kind.PREFILL_BURSTS]


def test_not_enough_data_is_an_answer() -> None:
    assert Verdict().of(scene(GPUS, now=4)).missing == "observed for 4 s of 20"
    assert Verdict().of(scene([], targets=[target("a")])).missing == "no target tells of a worker"
    assert Verdict().of(scene([], targets=[])).knows is Knows.TOO_LITTLE
    silent = msgspec.structs.replace(GPUS[0], gap=no_distribution(population="", emulated=False, state=State.ABSENT))
    assert "no worker tells of gaps" in Verdict().of(scene([silent])).missing


@pytest.mark.parametrize("rule", [devices.stragglers, devices.slow_prompts, devices.off_period])
def test_a_rule_that_takes_long_for_many_workers_gives_way(rule: Rule) -> None:
    many = [worker(f"w{number}") for number in range(3 * ROWS)]
    pieces = Work()
    for row in many:
        pieces.add(Path(Hop.PREFILL, row.id, row.id), Job(NOW - 1, 0, S, 2_000))
    assert list(rule(scene(many, work=pieces))) == [None] * 3


def test_a_verdict_in_steps_is_the_same() -> None:
    slow = {f"w{number}": {"fast": 0.08} for number in (7, 70, 140)}
    many = [worker(f"w{number}") for number in range(3 * ROWS)]
    it = scene(many, beats=beats(many, slow))
    at_once, stepped = Verdict(), Verdict()
    for _ in range(4):
        thinking = stepped.thinking(it)
        for _ in range(len(RULES) + 3):
            next(thinking)
        assert whole(thinking) == at_once.of(it)
