"""Each kind of fault acts through what it is named after: what moves, by how much, and when it is over; and nothing is lost by it."""

from dataclasses import replace

import numpy as np
import pytest

from emulators.specs import GpuSpec, HostSpec
from tests.emulators.rig import Played, play
from tests.emulators.struck import LPUS, QUIET, TWO, ask, between, gaps, output_tokens, phases, struck


def decoded(*faults: str, output: int = 600) -> Played:
    """One request alone, which decodes on gpu-1/0 for some five seconds."""
    cluster = struck(QUIET, *faults)
    ask(cluster, "one", 0.0, 200, output, "batch")
    return play(cluster, [20.0])


def test_a_straggler_takes_four_times_as_long_for_every_step_while_it_lasts() -> None:
    plain, slow = decoded(), decoded("straggler:gpu-1/0@1s+1s,factor=4")
    usual = float(np.median(gaps(plain)[1]))
    times, gap = gaps(slow)
    assert np.median(between(times, gap, 0.5, 1.0)) == pytest.approx(usual, rel=0.02)
    assert np.median(between(times, gap, 1.05, 2.0)) == pytest.approx(4 * usual, rel=0.02)
    assert np.median(between(times, gap, 2.1, 3.0)) == pytest.approx(usual, rel=0.02)
    assert output_tokens(slow) == output_tokens(plain) == 600


def test_two_stragglers_at_once_multiply_and_end_each_for_itself() -> None:
    times, gap = gaps(decoded("straggler:gpu-1/0@1s+2s,factor=2", "straggler:gpu-1/0@1500ms+500ms,factor=3"))
    usual = float(np.median(between(times, gap, 0.2, 1.0)))
    for begin, end, factor in ((1.05, 1.5, 2), (1.6, 2.0, 6), (2.1, 3.0, 2), (3.1, 4.0, 1)):
        assert np.median(between(times, gap, begin, end)) == pytest.approx(factor * usual, rel=0.02)


def test_a_thermal_cap_slows_what_is_computed_and_not_what_is_read() -> None:
    def prefill_and_gap(*faults: str) -> tuple[float, float]:
        cluster = struck(QUIET, *faults)
        ask(cluster, "one", 0.0, 8_000, 100, "batch")
        played = play(cluster, [20.0])
        assert output_tokens(played) == 100
        return phases(played, "prefill")[0]["duration_ns"], float(np.median(gaps(played)[1]))

    (prefill, gap), (hot_prefill, hot_gap) = prefill_and_gap(), prefill_and_gap("thermal-cap:gpu-1/0@0+9s,clock=0.5")
    assert hot_prefill == pytest.approx(2 * prefill, rel=0.05)
    assert hot_gap == pytest.approx(gap, rel=0.02)


def test_a_flapping_link_holds_up_what_is_under_way_and_the_decoding_that_waits_for_it() -> None:
    def moved(*faults: str) -> Played:
        cluster = struck(LPUS, *faults)
        ask(cluster, "one", 0.0, 2_000, 20)
        return play(cluster, [5.0])

    plain = moved()
    (usual,) = phases(plain, "transfer")
    middle_s = (usual["start_ns"] + usual["duration_ns"] / 2) / 1e9
    flapped = moved(f"link-flap:gpu-0/0.egress@{middle_s:.9f}+900ms,down_s=0.3,every_s=10")
    (held,) = phases(flapped, "transfer")
    assert held["start_ns"] == usual["start_ns"]
    assert held["duration_ns"] - usual["duration_ns"] == pytest.approx(0.3e9, abs=1000)
    first_gap, usual_gap = (gaps(played)[1][0] for played in (flapped, plain))
    assert first_gap - usual_gap == pytest.approx(0.3e9, abs=2e6)
    assert output_tokens(flapped) == output_tokens(plain) == 20


def test_a_link_comes_up_when_its_fault_is_over_and_flaps_again_and_again_until_then() -> None:
    cluster = struck(LPUS, "link-flap:gpu-0/0.egress@1s+2200ms,down_s=0.5,every_s=1")
    for number in range(80):
        ask(cluster, f"r{number}", number * 0.05, 600, 4)
    played = play(cluster, [10.0])
    # Latency comes on top: what has left the link arrives up to a millisecond later.
    ended = np.array([row["start_ns"] + row["duration_ns"] for row in phases(played, "transfer")]) / 1e9
    for down, up in ((1.0, 1.5), (2.0, 2.5), (3.0, 3.2)):
        assert not ((ended > down + 0.002) & (ended < up)).any()
        assert ((ended > up) & (ended < up + 0.3)).any()
    assert len(played.finished) == 80
    assert output_tokens(played) == 320


def test_a_stalled_drive_delays_what_is_fetched_from_flash() -> None:
    small = replace(
        TWO,
        workers=(GpuSpec("gpu-0/0", role="aggregated", chip="H100-SXM", engine="vllm-2025", kv_pool_bytes=300 << 20),),
        host=HostSpec("host-0", dram_bytes=270 << 20, flash_bytes=8 << 30),
    )

    def fetched(*faults: str) -> int:
        cluster = struck(small, *faults)
        ask(cluster, "one", 0.0, 2_000, 4, say="a")
        ask(cluster, "two", 1.0, 2_000, 4, say="b")
        ask(cluster, "three", 2.0, 2_000, 4, say="c")
        ask(cluster, "four", 3.0, 2_000, 4, say="a")
        played = play(cluster, [20.0])
        assert output_tokens(played) == 16
        (row,) = [row for row in phases(played, "fetch", "four") if row["tier"] == "flash"]
        return int(row["duration_ns"])

    plain = fetched()
    assert fetched("flash-stall:host-0@2900ms+9s,share=1,latency_s=0.05") - plain == 50_000_000
    assert fetched("flash-stall:host-0@2900ms+9s,share=0.1,latency_s=0") == pytest.approx(10 * plain, rel=0.1)
    assert fetched("flash-stall:host-0@2s+900ms,share=0.1") == plain


def test_an_eviction_storm_takes_what_nobody_refers_to_and_it_is_computed_again() -> None:
    alone = replace(TWO, host=HostSpec("host-0", dram_bytes=0, flash_bytes=0))

    def again(*faults: str) -> tuple[int, int]:
        cluster = struck(alone, *faults)
        ask(cluster, "one", 0.0, 3_200, 4, say="a")
        ask(cluster, "two", 2.0, 3_200, 4, say="a")
        played = play(cluster, [10.0])
        row = next(row for row in played.rows("admitted") if row["request"] == "two")
        assert row["computed_tokens"] + sum(tokens for _, tokens in row["hits"]) == 3_200
        removed = played.events.blocks[played.events.blocks["op"] == 1]
        return row["computed_tokens"], len(removed[removed["time_ns"] == 10**9])

    assert again() == (16, 0)
    computed, removed = again("eviction-storm:gpu-0/0@1s+0,share=0.5")
    assert removed == 100
    assert computed == 3_200 - 100 * 16
    assert again("eviction-storm:gpu-0/0@1s+0,share=1") == (3_200, 200)


def test_a_pool_that_is_cut_evicts_what_has_no_room_and_takes_in_no_more() -> None:
    """200 blocks of a prompt in a pool that is cut to 250, and to 100, half of them: those are evicted at once, and computed again; cuts multiply, and their end gives the room back."""
    alone = replace(TWO, host=HostSpec("host-0", dram_bytes=0, flash_bytes=0))
    whole = struck(alone).hello()["pools"][0]["capacity_bytes"]
    block_bytes = 16 * 131_072
    share = 250.2 * block_bytes / whole

    def again(*faults: str) -> tuple[int, list[int]]:
        cluster = struck(alone, *faults)
        ask(cluster, "one", 0.0, 3_200, 4, say="a")
        ask(cluster, "two", 2.0, 3_200, 4, say="a")
        played, room = [], []
        for until_s in (0.9, 1.4, 3.5, 10.0):
            played.append(play(cluster, [until_s]))
            room.append(cluster.hello()["pools"][0]["capacity_bytes"] // block_bytes)
            assert (cluster.occupancy()["used_bytes"][0]) <= room[-1] * block_bytes
        row = next(row for one in played for row in one.rows("admitted") if row["request"] == "two")
        return row["computed_tokens"], room

    every = whole // block_bytes
    assert again() == (16, [every] * 4)
    assert again(f"memory-cut:gpu-0/0@1s+2s,share={share}") == (16, [every, 250, every, every])
    assert again(f"memory-cut:gpu-0/0@1s+500ms,share={share * 0.4}") == (1_600, [every, 100, every, every])
    half = f"memory-cut:gpu-0/0@1s+2s,share={share / 2}"
    assert again(half, "memory-cut:gpu-0/0@1s+4s,share=0.5")[1] == [every, 63, every // 2, every]


def test_a_router_with_a_stale_index_expects_what_is_not_there_any_more() -> None:
    alone = replace(TWO, host=HostSpec("host-0", dram_bytes=0, flash_bytes=0))

    def expected_and_found(*faults: str) -> tuple[int, int]:
        cluster = struck(alone, *faults)
        ask(cluster, "one", 0.0, 3_200, 4, say="a")
        ask(cluster, "two", 2.0, 3_200, 4, say="a")
        played = play(cluster, [10.0])
        card = next(row for row in played.events.decisions if row["request"] == "two")
        row = next(row for row in played.rows("admitted") if row["request"] == "two")
        (chosen,) = [one for one in card["candidates"] if one["worker"] == card["chosen"]]
        return chosen["cached_tokens"], sum(tokens for _, tokens in row["hits"])

    storm = "eviction-storm:gpu-0/0@1s+0,share=1"
    assert expected_and_found() == (3_184, 3_184)
    assert expected_and_found(storm) == (0, 0)
    assert expected_and_found(storm, "stale-index:router@900ms+5s") == (3_184, 0)
    assert expected_and_found(storm, "stale-index:router@900ms+500ms") == (0, 0)
    assert expected_and_found("stale-index:router@0+5s") == (0, 3_184)


def test_links_between_lpus_that_lose_step_stall_every_stream_once_by_as_much() -> None:
    def streams(*faults: str) -> Played:
        cluster = struck(LPUS, *faults)
        for number in range(4):
            ask(cluster, f"r{number}", 0.01 * number, 100, 900)
        return play(cluster, [5.0])

    plain, slipped = streams(), streams("c2c-desync:lpu-0/0@500ms+600ms,stall_ms=2,every_s=0.25")
    on = {row["request"]: row["chosen"] for row in plain.events.decisions}
    assert set(on.values()) == {1, 2}
    for number in range(4):
        (times, gap), (_, usual) = gaps(slipped, number), gaps(plain, number)
        assert len(gap) == 899
        late = times[np.flatnonzero(gap - usual > 1_000_000)]
        if on[f"r{number}"] == 2:
            assert not len(late)
            continue
        assert (gap - usual).max() == pytest.approx(2_000_000, abs=2_000)
        assert [round(float(at) / 1e9, 2) for at in late] == [0.5, 0.75, 1.0]
        assert np.abs(np.delete(gap - usual, np.flatnonzero(gap - usual > 1_000_000))).max() < 2_000
    ends = {name: row["time_ns"] for name, row in plain.finished.items()}
    for name, row in slipped.finished.items():
        assert row["time_ns"] - ends[name] == pytest.approx(6_000_000 if on[name] == 1 else 0, abs=4_000)
    assert len(slipped.events.blocks) == len(plain.events.blocks)
