"""Workers whose process ends, or that are emptied: what was in flight goes on elsewhere or fails, whole; KV and counters are lost, and nothing is left behind."""

import contextlib
from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.cluster import Cluster
from emulators.events import REMOVED, STORED
from emulators.faults.fault import FaultError
from emulators.faults.kinds import KINDS
from emulators.router import Rule
from emulators.scenarios import SCENARIOS, build
from tests.emulators.rig import Played, digest, play
from tests.emulators.struck import LPUS, QUIET, SECOND, TWO, ask, gaps, output_tokens, phases, struck

MOVING = replace(TWO, migration_limit=3)
ALL = {name: replace(one, migration_limit=3) for name, one in SCENARIOS.items()}


def check(played: Played) -> None:
    """What holds whatever happens: tokens of a request come once, in order and all; pools hold what was stored and not removed."""
    events, cluster = played.events, played.cluster
    on: defaultdict[int, list[str]] = defaultdict(list)
    for name, row in played.received.items():
        on[row["stream"]].append(name)
    ends = {name: row["time_ns"] for name, row in played.finished.items()}
    made: Counter[str] = Counter()
    for stream, first, tokens, time_ns in events.deliveries[["stream", "first_token", "tokens", "time_ns"]].tolist():
        while ends.get(on[stream][0], 1 << 62) < time_ns:
            on[stream].pop(0)
        name = on[stream][0]
        assert first == made[name]
        made[name] += tokens
    for name, row in played.finished.items():
        assert row["output_tokens"] == made[name]
    held: defaultdict[int, set[int]] = defaultdict(set)
    for pool, op, block in events.blocks[["pool", "op", "hash"]].tolist():
        if op == STORED:
            assert block not in held[pool]
            held[pool].add(block)
        else:
            held[pool].remove(block)
    for pool, names in cluster.residents().items():
        assert held[pool] == set(names)
    truth = cluster.truth()
    for row in truth["prompts"]:
        assert row["prompt_tokens"] == row["computed_tokens"] + sum(row["hit_tokens"].values())
    assert sum(row["tokens"] for row in truth["placements"] if row["primary"]) == output_tokens(played)
    assert truth["requests"]["live"] == len(cluster.live_requests()) == len(played.received) - len(played.finished)


def left(cluster: Cluster) -> tuple[int, int, int]:
    """Requests at workers, blocks that they refer to, and what the router believes to be there."""
    pools = [row["active_bytes"] for row in cluster.truth()["pools"]]
    places = cluster._router.places
    return (
        sum(worker.stats.running + worker.stats.waiting for worker in cluster.workers),
        sum(pools) + sum(worker.engine.pool.reserved for worker in cluster.workers),
        sum(place.assigned + place.pending_tokens + place.shut for place in places),
    )


def test_what_was_decoding_goes_on_elsewhere_and_is_computed_again_with_what_it_had() -> None:
    cluster = struck(MOVING, "death:gpu-0/0@2s+1s")
    ask(cluster, "one", 0.0, 2_000, 600)
    played = play(cluster, [20.0])
    check(played)
    assert played.finished["one"]["reason"] == "length"
    assert output_tokens(played) == 600
    rows = played.events.deliveries
    assert rows["worker"][rows["time_ns"] < 2 * SECOND].tolist().count(0) == (rows["time_ns"] < 2 * SECOND).sum()
    assert set(rows["worker"][rows["time_ns"] >= 2 * SECOND].tolist()) == {1}
    first, second = played.events.decisions
    assert (first["chosen"], first.get("attempt"), second["chosen"], second["attempt"]) == (0, None, 1, 2)
    assert {row["worker"] for row in second["candidates"]} == {1}
    made = int((rows["time_ns"] < 2 * SECOND).sum())
    admitted = played.rows("admitted")
    assert [row.get("again", False) for row in admitted] == [False, True]
    assert admitted[1]["computed_tokens"] + sum(tokens for _, tokens in admitted[1]["hits"]) == 2_000 + made
    times, gap = gaps(played)
    longest = int(gap.argmax())
    assert times[longest] > 2 * SECOND
    waited = cluster.workers[1].engine.front_end_ns + phases(played, "prefill")[-1]["duration_ns"]  # type: ignore[union-attr]
    assert gap[longest] == pytest.approx(waited, abs=30e6)
    truth = cluster.truth()
    assert truth["migrations"] == {"moved": {"ongoing_request": 1, "new_request": 0}, "failed": 0}
    assert left(cluster) == (0, 0, 0)


def test_kv_is_lost_and_the_worker_comes_back_with_nothing() -> None:
    cluster = struck(MOVING, "death:gpu-0/0@2s+1s")
    ask(cluster, "one", 0.0, 2_000, 10, say="a")
    ask(cluster, "two", 2.5, 2_000, 10, say="b")
    ask(cluster, "three", 4.0, 2_000, 10, say="c")
    played = play(cluster, [2.0, 2.1, 20.0])
    check(played)
    blocks = played.events.blocks
    gone = blocks[(blocks["op"] == REMOVED) & (blocks["pool"] == 0) & (blocks["time_ns"] == 2 * SECOND)]
    assert len(gone) == (2_000 + 9) // 16
    assert [row["chosen"] for row in played.events.decisions] == [0, 1, 0]


def test_without_migration_they_fail_with_what_they_had() -> None:
    cluster = struck(TWO, "death:gpu-0/0@2s+1s")
    ended = ask(cluster, "one", 0.0, 2_000, 600)
    waiting = ask(cluster, "two", 1.999, 2_000, 600)
    played = play(cluster, [20.0])
    check(played)
    row = played.finished["one"]
    assert (row["reason"], row["time_ns"]) == ("error", 2 * SECOND)
    assert 0 < row["output_tokens"] < 600
    assert ended.ended
    assert waiting.ended
    assert cluster.truth()["migrations"]["failed"] == sum(row["reason"] == "error" for row in played.finished.values())
    assert left(cluster) == (0, 0, 0)


def test_where_nobody_else_is_they_fail_and_new_ones_too_until_it_is_back() -> None:
    alone = replace(MOVING, workers=MOVING.workers[:1])
    cluster = struck(alone, "death:gpu-0/0@1s+1s")
    for number, at_s in enumerate((0.5, 1.5, 2.5)):
        ask(cluster, f"r{number}", at_s, 500, 200)
    played = play(cluster, [20.0])
    check(played)
    assert [played.finished[f"r{number}"]["reason"] for number in range(3)] == ["error", "error", "length"]
    assert left(cluster) == (0, 0, 0)


def test_a_page_counts_anew_after_a_restart_and_the_truth_goes_on() -> None:
    cluster = struck(MOVING, "death:gpu-0/0@2s+1s")
    ask(cluster, "one", 0.0, 2_000, 20)
    ask(cluster, "two", 4.0, 1_000, 10)
    worker = cluster.workers[0]

    def there() -> bool:
        return worker.process.up

    def shown() -> tuple[int, int, int]:
        counted = worker.process.shown(worker.counted(cluster.now_ns))
        gaps = counted.stats.histograms["inter_token_latency_seconds"].count
        return counted.stats.prompt_tokens, counted.stats.generation_tokens, gaps

    cluster.advance(2 * SECOND - 1)
    assert there()
    assert shown() == (2_000, 20, 19)
    cluster.advance(2 * SECOND + 1)
    assert not there()
    cluster.advance(3 * SECOND + 1)
    assert there()
    assert shown() == (0, 0, 0)
    assert worker.process.created(1e9) == 1e9 + 3.0
    account = worker.process.shown(worker.counted(cluster.now_ns)).account
    assert sum(account.seconds.values()) == pytest.approx(0.0, abs=1e-6)
    cluster.advance(9 * SECOND)
    assert shown() == (1_000, 10, 9)
    assert cluster.truth()["prompts"][0]["prompt_tokens"] == 3_000


@pytest.mark.parametrize("victim", ["gpu-0/0", "lpu-0/0", "lpu-1/0"])
@pytest.mark.parametrize("at_ms", [30, 45, 60, 75, 300, 900])
def test_each_worker_of_a_disaggregated_group_may_die_at_any_stage(victim: str, at_ms: int) -> None:
    cluster = struck(replace(LPUS, migration_limit=5), f"death:{victim}@{at_ms}ms+200ms")
    for number in range(12):
        ask(cluster, f"r{number}", 0.02 * number, 1_500, 200, say=f"s{number % 3}")
    played = play(cluster, [20.0])
    check(played)
    reasons = Counter(row["reason"] for row in played.finished.values())
    # Without its only prefill worker nothing can be computed again.
    assert reasons["length"] == 12 if victim != "gpu-0/0" else reasons["length"] + reasons["error"] == 12
    assert left(cluster) == (0, 0, 0)


def test_kv_that_was_to_come_from_a_worker_that_died_is_computed_after_all() -> None:
    group = replace(LPUS, workers=LPUS.workers[:2], migration_limit=5)

    def second(*faults: str) -> tuple[Played, int]:
        cluster = struck(group, *faults)
        ask(cluster, "one", 0.0, 4_000, 20, say="a")
        # What the prefill worker holds goes, so that only the decoder has it.
        ask(cluster, "two", 2.0, 4_000, 20, say="a")
        played = play(cluster, [20.0])
        check(played)
        assert output_tokens(played) == 40
        assert left(cluster) == (0, 0, 0)
        truth = cluster.truth()["prompts"][0]
        computed = sum(row["tokens"] for row in phases(played, "prefill"))
        assert computed == truth["computed_tokens"] + truth["recomputed_tokens"]
        return played, truth["recomputed_tokens"]

    storm = (
        "eviction-storm:gpu-0/0@1s+0,share=1",
        "eviction-storm:host-0.DRAM@1001ms+0,share=1",
        "eviction-storm:host-0.flash@1002ms+0,share=1",
    )
    played, recomputed = second(*storm)
    assert recomputed == 0
    (fetch,) = phases(played, "fetch", "two")
    assert fetch["duration_ns"] > 2_000_000
    middle_s = (fetch["start_ns"] + fetch["duration_ns"] // 2) / 1e9
    _, recomputed = second(*storm, f"death:lpu-0/0@{middle_s:.9f}+1ms")
    assert recomputed == 3_984


def test_a_bad_day_loses_nothing_and_ends_well() -> None:
    cluster = struck(ALL["bad-day"], seed=7)
    played = play(cluster, [60.0, 240.0])
    check(played)
    assert {row["state"] for row in cluster.faults.rows()} == {"over"}
    reasons = Counter(row["reason"] for row in played.finished.values())
    assert reasons.keys() == {"stop", "length"}
    account = cluster.truth()["migrations"]
    assert account["moved"]["ongoing_request"] >= 10
    assert account["failed"] == 0


@pytest.mark.parametrize("name", sorted(ALL))
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_nothing_is_lost_in_any_deployment_whoever_dies_when(name: str, data: st.DataObject) -> None:
    targets = build(name, 3).faults.targets()
    faults = []
    for _ in range(data.draw(st.integers(1, 6))):
        kind = data.draw(st.sampled_from(["death", "death", "migration", *KINDS]))
        target = data.draw(st.sampled_from(targets["worker" if KINDS[kind].strikes == "page" else KINDS[kind].strikes]))
        fault = f"{kind}:{target}@{data.draw(st.integers(0, 2_500))}ms+{data.draw(st.integers(1, 1_200))}ms"
        with contextlib.suppress(FaultError):  # some workers cannot have some faults
            struck(ALL[name], fault)
            faults.append(fault)
    played = play(struck(ALL[name], *faults, seed=3), [3.5])
    check(played)
    whole = play(struck(ALL[name], *faults, seed=3), [1.1, 2.2, 3.5])
    assert digest(whole.events) == digest(played.events)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_nothing_is_left_behind_by_faults_of_all_kinds(data: st.DataObject) -> None:
    group = replace(
        QUIET,
        migration_limit=2,
        rules=(Rule("batch", frozenset({"batch"}), frozenset({"aggregated"})), *QUIET.rules[1:]),
    )
    ids = [spec.id for spec in group.workers]
    cluster = struck(group)
    for number in range(30):
        ask(
            cluster,
            f"r{number}",
            0.05 * number,
            data.draw(st.integers(20, 3_000)),
            data.draw(st.integers(1, 300)),
            data.draw(st.sampled_from(["batch", "interactive"])),
            say=f"s{number % 5}",
        )
    for _ in range(data.draw(st.integers(1, 8))):
        kind, target, values = data.draw(
            st.sampled_from(
                [
                    *(("death", one, {}) for one in ids),
                    *(("migration", one, {"share": 0.6}) for one in ids),
                    ("straggler", "gpu-1/0", {}),
                    ("thermal-cap", "gpu-0/0", {}),
                    ("link-flap", "gpu-0/0.egress", {"down_s": 0.05, "every_s": 0.1}),
                    ("eviction-storm", "lpu-0/0", {}),
                    ("eviction-storm", "gpu-1/0", {}),
                    ("memory-cut", "gpu-1/0", {"share": 0.05}),
                    ("memory-cut", "lpu-0/0", {"share": 0.3}),
                    ("flash-stall", "host-0", {}),
                    ("stale-index", "router", {}),
                    ("c2c-desync", "lpu-1/0", {}),
                ]
            )
        )
        start, lasting = data.draw(st.integers(0, 3_000)), data.draw(st.integers(1, 1_000))
        cluster.faults.give(
            {"kind": kind, "target": target, "start_s": start / 1e3, "duration_s": lasting / 1e3, **values}
        )
    played = play(cluster, [1.3, 60.0])
    check(played)
    assert len(played.finished) == 30
    assert left(cluster) == (0, 0, 0)
