"""Each fault as it is seen: through the wire and our own collectors, which figure of a Frame moves, by how much, and when it is over. A Frame comes each quarter of a second."""

from pathlib import Path

import numpy as np
import pytest

from collectors.model.vocabulary import Phase, State, TargetStatus
from collectors.wire.limits import Limits
from tests.doctor.looks import looked
from tests.e2e.watching import GPUS, LPUS, Seen, load, watch
from tui.emulator import Emulator

STEADY = GPUS + load("steady", prompt=200, output=1_500, standing=8)
"""Four requests decode on each of two GPUs for more than eight seconds: 116 or 120 tokens in each quarter of a second."""
GENERATED = "vllm:generation_tokens_total"


def near(values: list[int], expected: float, within: float = 8) -> bool:
    return all(abs(value - expected) <= within for value in values)


async def test_death_and_restart(tmp_path: Path) -> None:
    """Its target is down while it lasts, and has begun anew once afterwards; its requests are told as migrated, and their tokens come from the other; so do new ones until it is back."""
    scenario = GPUS + load("steady", prompt=200, output=600, standing=8) + load("more", prompt=100, output=20, rate=8)
    seen = await watch(tmp_path, scenario, 8, "death:gpu-1/0@3s+2s")
    for at in np.arange(1.0, 8.25, 0.25):
        row = seen.target("gpu-1/0", at)
        down = 3.0 < at <= 5.0
        assert row.status is (TargetStatus.DOWN if down else TargetStatus.UP), at
        assert row.reason == ("refused" if down else "")
        assert row.resets == (at > 5.0)
    assert seen.target("gpu-1/0", 8).reset_at == pytest.approx(5.25, abs=1e-6)
    assert seen.target("gpu-0/0", 8).resets == 0
    dead, other = seen.tokens("gpu-1/0"), seen.tokens("gpu-0/0")
    assert dead[12:20] == [0] * 8
    assert sum(dead[20:]) > 100
    assert np.mean(other[14:20]) > 1.8 * np.mean(other[6:12])
    steady = [row for row in seen.requests() if row.migrations and row.at is not None and row.at < 0.5]
    assert [(one.worker, one.to) for row in steady for one in row.migrations] == [("gpu-1/0", "gpu-0/0")] * 4
    assert all(300 < one.after_tokens < 360 for row in steady for one in row.migrations)
    assert all(frame.window_s and not [row for row in frame.requests if row.disagree] for frame in seen.frames[1:])


async def test_death_of_a_decoder_that_is_handed_its_requests(tmp_path: Path) -> None:
    """They are told as migrated from it, not from who computes their prompts: it does so once more, and hands them to another."""
    scenario = LPUS + load("long", prompt=500, output=1_500, standing=4)
    seen = await watch(tmp_path, scenario, 4, "death:lpu-0/0@1s+1s")
    moved = [one for row in seen.requests() for one in row.migrations]
    assert [(one.worker, one.to) for one in moved] == [("lpu-0/0", "lpu-1/0")] * 2
    assert all(500 < one.after_tokens < 700 for one in moved)
    assert seen.tokens("lpu-0/0")[4:] == [0] * 12


async def test_without_migration_requests_of_the_dead_end_in_errors(tmp_path: Path) -> None:
    scenario = STEADY.replace("migration_limit = 3", "")
    seen = await watch(tmp_path, scenario, 5, "death:gpu-1/0@3s+1s")
    finished = seen.target("router placement", 5).finished
    assert isinstance(finished, dict)
    assert finished == {"error": 4}
    assert not [row for row in seen.requests() if row.migrations]


async def test_migration_in_mid_stream(tmp_path: Path) -> None:
    """Half of its requests go on elsewhere: its tokens halve, the other's are half as many more, each moved request says so, and nobody is down."""
    seen = await watch(tmp_path, STEADY, 6, "migration:gpu-1/0@3s+1s,share=0.5")
    assert near(seen.tokens("gpu-1/0")[4:12], 118)
    assert near(seen.tokens("gpu-1/0")[13:], 60)
    assert near(seen.tokens("gpu-0/0")[13:], 174)
    moved = [one for row in seen.requests() for one in row.migrations]
    assert [(one.worker, one.to) for one in moved] == [("gpu-1/0", "gpu-0/0")] * 2
    assert {row.status for frame in seen.frames for row in frame.targets} == {TargetStatus.UP}


async def test_straggler(tmp_path: Path) -> None:
    """A quarter of the tokens, gaps four times as long, until the quarter of a second after its end; the other is not touched."""
    seen = await watch(tmp_path, STEADY, 7, "straggler:gpu-1/0@3s+2s,factor=4")
    slow = seen.tokens("gpu-1/0")
    assert near(slow[4:12], 118)
    assert near(slow[12:20], 30)
    assert near(slow[21:], 118)
    assert near(seen.tokens("gpu-0/0")[4:], 118)
    late = seen.late("gpu-1/0")
    assert set(late[4:12]) == set(late[21:]) == {1}
    assert set(late[12:20]) == {3}  # of its usual gap from 3 to 5 times


async def test_thermal_cap(tmp_path: Path) -> None:
    """Prompts take twice as long on it, and so does the stall of what decodes beside them; the other is not touched."""
    scenario = (
        GPUS + load("steady", prompt=200, output=1_500, standing=4) + load("docs", prompt=6_000, output=4, rate=4)
    )
    seen = await watch(tmp_path, scenario, 8, "thermal-cap:gpu-1/0@3s+2s,clock=0.5")
    times = {
        worker: [one for one in seen.phases(Phase.PREFILL, worker) if one[1] > 0.1] for worker in ("gpu-0/0", "gpu-1/0")
    }
    usual = float(np.median([took for _, took in times["gpu-0/0"]]))
    assert usual == pytest.approx(0.166, abs=0.01)
    hot = [took for at, took in times["gpu-1/0"] if 3.0 <= at < 5.0]
    cool = [took for at, took in times["gpu-1/0"] if not 2.8 <= at < 5.0]
    assert len(hot) >= 3
    assert np.median(hot) == pytest.approx(2 * usual, rel=0.05)
    assert np.median(cool) == pytest.approx(usual, rel=0.05)
    stalls = [seen.worker("gpu-1/0", at).longest_stall_s.value for at in (3.0, 5.5)]
    assert stalls[0] == pytest.approx(usual, rel=0.1)
    assert stalls[1] == pytest.approx(2 * usual, rel=0.1)


async def test_link_flap(tmp_path: Path) -> None:
    """What is moved while the link is down waits, up to half a second instead of some milliseconds; decoders wait for it with nothing to do, and make up for it when the link is up."""
    scenario = LPUS + load("short", prompt=1_000, output=60, rate=20)
    seen = await watch(tmp_path, scenario, 7, "link-flap:gpu-0/0.egress@3s+2s,down_s=0.5,every_s=1")

    def longest(at: float) -> float:
        (row,) = [row for row in seen.at(at).handovers if row.worker == "lpu-0/0"]
        assert row.duration.max.value is not None
        return row.duration.max.value

    assert longest(3.0) < 0.02
    assert 0.4 < longest(4.0) < 0.52
    tokens = np.array(seen.tokens("lpu-0/0")) + seen.tokens("lpu-1/0")
    assert tokens[13] == tokens[17] == 0
    assert min(tokens[14], tokens[18]) > 1.5 * np.mean(tokens[4:12])
    waiting = [
        sum(seen.worker(name, at).waiting.value or 0 for name in ("lpu-0/0", "lpu-1/0")) for at in (3.0, 3.5, 4.0)
    ]
    assert waiting[1] > waiting[0] + 4
    assert waiting[1] > waiting[2] + 4
    moved = [one for worker in ("lpu-0/0", "lpu-1/0") for one in seen.phases(Phase.TRANSFER, worker)]
    assert max(took for at, took in moved if at > 4.5) < 0.05


async def test_eviction_storm(tmp_path: Path) -> None:
    """Each half second the memory of one worker falls to what its requests refer to; prompts that were there are computed again; the other keeps what it has."""
    scenario = GPUS + load("chat", prompt=400, output=10, rate=1.5, turns=12, pause_s=1.0, shared=640)
    plain = await watch(tmp_path, scenario, 8)
    seen = await watch(tmp_path, scenario, 8, "eviction-storm:gpu-1/0@3990ms+2s,share=1,every_s=0.5")

    def idle(of: Seen, owner: str, at: float) -> int:
        """Bytes of blocks that no request refers to."""
        (row,) = [row for row in of.at(at).tiers if row.owner == owner]
        return int(row.used_bytes.value or 0) - int(row.active_bytes.value or 0)

    def hits(of: Seen, from_s: float, to_s: float) -> float:
        counts = []
        for at in (from_s, to_s):
            (row,) = [row for row in of.at(at).prompts if row.worker == "gpu-1/0"]
            counts.append((row.hit_tokens.value or 0, row.prompt_tokens.value or 0))
        return (counts[1][0] - counts[0][0]) / (counts[1][1] - counts[0][1])

    assert idle(seen, "gpu-1/0", 3.75) == idle(plain, "gpu-1/0", 3.75) > 100 << 20
    for at in (4.0, 4.5, 5.0, 5.5):
        assert idle(seen, "gpu-1/0", at) < 0.1 * idle(plain, "gpu-1/0", at)
    assert idle(seen, "gpu-0/0", 5.5) == idle(plain, "gpu-0/0", 5.5)
    assert hits(seen, 4.0, 6.0) < hits(plain, 4.0, 6.0) - 0.2
    assert idle(seen, "gpu-1/0", 8.0) > 0.5 * idle(plain, "gpu-1/0", 8.0)
    assert hits(seen, 7.0, 8.0) > hits(plain, 7.0, 8.0) - 0.1


async def test_memory_cut(tmp_path: Path) -> None:
    """Its capacity is said to be less from then on, and it holds no more; prompts that were there are computed again; its target has not begun anew. The other is not touched."""
    scenario = GPUS + load("chat", prompt=400, output=10, rate=3, turns=12, pause_s=1.0, shared=640)
    plain = await watch(tmp_path, scenario, 8)
    seen = await watch(tmp_path, scenario, 8, "memory-cut:gpu-1/0@4s+2s,share=0.02")

    def told(of: Seen, owner: str, at: float) -> tuple[int, int]:
        (row,) = [row for row in of.at(at).tiers if row.owner == owner]
        return int(row.capacity_bytes.value or 0), int(row.used_bytes.value or 0)

    whole, used = told(plain, "gpu-1/0", 5.0)
    assert used > 0.02 * whole
    for at in (4.5, 5.0, 5.75):
        capacity, held = told(seen, "gpu-1/0", at)
        assert capacity == pytest.approx(0.02 * whole, rel=0.01)
        assert held <= capacity
        assert told(seen, "gpu-0/0", at)[0] == told(plain, "gpu-0/0", at)[0]
    assert told(seen, "gpu-1/0", 3.75)[0] == told(seen, "gpu-1/0", 6.5)[0] == whole
    assert seen.target("gpu-1/0", 8).resets == 0
    assert {row.status for frame in seen.frames for row in frame.targets} == {TargetStatus.UP}


async def test_flash_stall(tmp_path: Path) -> None:
    """Whatever is fetched from flash takes at least the drive's stall longer, as long as it lasts; tokens wait for it."""
    scenario = GPUS.replace("8_000_000_000", "400_000_000").replace("dram_bytes = 0", "dram_bytes = 300_000_000")
    scenario = scenario.replace("flash_bytes = 0", "flash_bytes = 60_000_000_000")
    scenario += load("chat", prompt=700, output=10, rate=3, turns=12, pause_s=0.5)
    plain = await watch(tmp_path, scenario, 7)
    seen = await watch(tmp_path, scenario, 7, "flash-stall:host-0@4s+1500ms,share=1,latency_s=0.4")

    def fetches(of: Seen, low: float, high: float) -> list[float]:
        both = of.phases(Phase.FETCH, "gpu-0/0") + of.phases(Phase.FETCH, "gpu-1/0")
        return [took for at, took in both if low <= at < high]

    assert max(fetches(plain, 0, 7)) < 0.3
    assert max(fetches(seen, 0, 4)) < 0.3
    stalled = fetches(seen, 4.0, 5.5)
    assert len([took for took in stalled if took > 0.4]) >= 3
    assert max(fetches(seen, 5.5, 7)) < 0.3


async def test_stale_index(tmp_path: Path) -> None:
    """The router goes on expecting what has been evicted: captured is above delivered, by what it expected wrongly, until it hears again."""
    scenario = GPUS + load("chat", prompt=400, output=10, rate=1.5, turns=12, pause_s=1.0, shared=640)
    storms = [f"eviction-storm:{owner}@4s+0,share=1" for owner in ("gpu-0/0", "gpu-1/0")]
    plain = await watch(tmp_path, scenario, 8, *storms)
    seen = await watch(tmp_path, scenario, 8, *storms, "stale-index:router@3900ms+1s")

    def expected_wrongly(of: Seen, at: float) -> float:
        (row,) = of.at(at).reuse
        assert row.captured_tokens.value is not None
        assert row.delivered_tokens.value is not None
        return row.captured_tokens.value - row.delivered_tokens.value

    more = {at: expected_wrongly(seen, at) - expected_wrongly(plain, at) for at in (3.75, 5.0, 6.0, 8.0)}
    assert more[3.75] == 0
    assert more[5.0] >= 640
    assert more[6.0] == more[8.0] >= more[5.0]


async def test_links_between_lpus_that_lose_step(tmp_path: Path) -> None:
    """A gap of 2 ms more for every stream of the group each half second, which its p99.9 shows and nothing of the other; median and p99 stay."""
    scenario = LPUS + load("long", prompt=500, output=5_000, standing=8)
    seen = await watch(tmp_path, scenario, 6, "c2c-desync:lpu-0/0@3s+2s,stall_ms=2,every_s=0.5")
    late = seen.late("lpu-0/0")
    assert [at for at in range(4, 24) if late[at] > 1] == [12, 14, 16, 18]
    assert {late[at] for at in (12, 14, 16, 18)} == {2}
    assert set(seen.late("lpu-1/0")[1:]) == {1}
    tail = {at: seen.worker("lpu-0/0", at).gap for at in (3.0, 5.0)}
    assert tail[3.0].p999.value == pytest.approx(0.001373, abs=1e-5)
    assert tail[5.0].p999.value == pytest.approx(0.00337, abs=1e-4)
    for gap in tail.values():
        assert gap.p50.value == pytest.approx(0.0013718, abs=1e-6)
        assert gap.p99.value == pytest.approx(0.001373, abs=1e-5)
    assert seen.worker("lpu-1/0", 5.0).gap.p999.value == pytest.approx(0.001373, abs=1e-5)


async def test_a_page_that_hangs(tmp_path: Path) -> None:
    """Its target is down for a deadline that ran out, and what the page tells stands still, as old as it is; the stream tells the tokens all the same; it is up with the next answer."""
    limits = Limits(connect_s=0.2, total_s=0.25)
    seen = await watch(tmp_path, STEADY, 4, "metrics-hang:gpu-1/0@2s+1s", limits=limits)
    for at in np.arange(1.0, 4.25, 0.25):
        row = seen.target("gpu-1/0", at)
        hangs = 2.0 < at <= 3.0
        assert row.status is (TargetStatus.DOWN if hangs else TargetStatus.UP), at
        assert row.reason.startswith("timeout" if hangs else "")
        assert row.resets == 0
    before, hung, after = (seen.signal("gpu-1/0", GENERATED, at) for at in (2.0, 3.0, 3.25))
    assert (hung.value, hung.heard_ns) == (before.value, before.heard_ns)
    assert before.value is not None
    assert after.value is not None
    assert near([round(after.value - before.value)], 5 * 118, within=12)
    assert near(seen.tokens("gpu-1/0")[4:], 118)
    assert {seen.worker("gpu-1/0", at).tokens_per_s.state for at in (2.0, 2.5, 3.0, 4.0)} == {State.OK}


async def test_a_page_that_is_frozen(tmp_path: Path) -> None:
    """Its counters stand still while the stream tells of tokens, and are right again with the first answer afterwards; nothing says that it began anew."""
    seen = await watch(tmp_path, STEADY, 5, "metrics-lie:gpu-1/0@2s+2s")
    told = {at: seen.total("gpu-1/0", GENERATED, at) for at in (2.0, 2.25, 4.0, 4.25)}
    assert told[4.0] == told[2.25]
    assert near([round(told[2.25] - told[2.0]), round((told[4.25] - told[4.0]) / 8)], 118, within=12)
    assert near(seen.tokens("gpu-1/0")[4:], 118)
    assert seen.target("gpu-1/0", 5).resets == 0
    assert seen.target("gpu-1/0", 3).status is TargetStatus.UP


async def test_a_page_whose_counters_fall_back(tmp_path: Path) -> None:
    """It is taken for one that began anew, once, and what it had counted before counts twice: half of 995 tokens when it falls, and that much again when it jumps back."""
    plain = await watch(tmp_path, STEADY, 5)
    seen = await watch(tmp_path, STEADY, 5, "metrics-lie:gpu-1/0@2s+2s,how=backwards,share=0.5")
    assert [seen.target("gpu-1/0", at).resets for at in (2.0, 2.25, 5.0)] == [0, 1, 1]
    assert seen.target("gpu-1/0", 5).reset_at == pytest.approx(2.25, abs=1e-6)
    over = {
        at: seen.total("gpu-1/0", GENERATED, at) - plain.total("gpu-1/0", GENERATED, at)
        for at in (2.0, 2.25, 4.0, 4.25)
    }
    assert over[2.0] == 0
    assert over[2.25] == over[4.0] == pytest.approx(437, abs=2)  # what was left of 875 after the fall
    assert over[4.25] == pytest.approx(875, abs=2)
    assert seen.tokens("gpu-1/0") == plain.tokens("gpu-1/0")


async def test_clock_skew() -> None:
    """No figure of a Frame goes by a server's own clock, so none moves; the doctor says how far it is off, and what of it, and no longer when that is over."""
    async with Emulator("default", seed=3, clock="stepped", faults=["clock-skew:gpu-1/0@1s+1s,ahead_s=90"]) as emulator:
        found = []
        for at in (0.5, 1.5, 2.5):
            await emulator.advance(round(at * 1e9))
            looked_at = [await looked(worker.url) for worker in emulator.addresses.workers[:2]]
            found.append([one.clock for one in looked_at])
    for at, (other, skewed) in enumerate(found):
        assert other is not None
        assert skewed is not None
        assert other.low_s <= 0 <= other.high_s
        true = 90 if at == 1 else 0
        assert skewed.low_s <= true <= skewed.high_s
        assert skewed.high_s - skewed.low_s < 3
