"""The default scenario, from the outside: what it says adds up, request by request and block by block, and agrees with its own truth."""

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest

from emulators.events import STAGES, TIERS
from emulators.scenarios import build
from emulators.stats import GAP, QUEUE, TTFT
from tests.emulators.rig import Played, play

SECONDS = 30.0


@pytest.fixture(scope="module")
def played() -> Played:
    return play(build("default", 7), [0.001 + at / 2 for at in range(int(2 * SECONDS))] + [SECONDS])


def test_there_is_something_to_see(played: Played) -> None:
    rows = played.events.deliveries
    tokens = Counter(rows["worker"].tolist())
    assert 3_000 < len(rows) / SECONDS < 10_000
    assert min(tokens[worker] for worker in (1, 2, 3)) / SECONDS > 500
    truth = played.cluster.truth()
    assert {pool["tier"] for pool in truth["pools"] if pool["used_bytes"]} == {"HBM", "SRAM", "DRAM", "flash"}
    assert {pool["tier"] for pool in truth["pools"] if pool["hit_tokens"]} >= {"HBM", "SRAM", "DRAM"}
    assert {row["phase"] for row in played.events.phases} >= {"queue", "prefill", "transfer", "fetch", "decode"}


def test_prompts_are_computed_or_found(played: Played) -> None:
    received = played.received
    seen = set()
    for row in played.rows("admitted"):
        if row.get("again"):
            continue
        request = row["request"]
        assert request not in seen
        seen.add(request)
        found = sum(tokens for _, tokens in row["hits"])
        assert received[request]["prompt_tokens"] == row["computed_tokens"] + found
        assert row["computed_tokens"] > 0
        assert all(tokens > 0 and tokens % 16 == 0 for _, tokens in row["hits"])
    assert len(seen) > 0.9 * len(received)


def test_chunks_compute_what_was_admitted(played: Played) -> None:
    admitted: Counter[str] = Counter()
    computed: Counter[str] = Counter()
    for row in played.rows("admitted"):
        admitted[row["request"]] += row["computed_tokens"]
    for row in played.events.phases:
        if row["phase"] == "prefill":
            computed[row["request"]] += row["tokens"]
            assert row["tokens"] <= 8_192
    preempted = {row["request"] for row in played.rows("admitted") if row.get("again")}
    for request in played.finished.keys() - preempted:
        assert computed[request] == admitted[request]


def test_every_token_is_delivered_once_in_order(played: Played) -> None:
    rows = played.events.deliveries
    assert set(rows["stage"].tolist()) == {STAGES.index("decode")}
    assert np.all(rows["duration_ns"] > 0)
    assert np.all(rows["start_ns"] + rows["duration_ns"] == rows["time_ns"])
    lives: dict[int, str] = {}
    tokens: Counter[str] = Counter()
    last: dict[str, int] = {}
    moments = [(row["time_ns"], 0 if row["event"] == "received" else 2, row) for row in played.events.requests]
    moments += [(int(row["time_ns"]), 1, row) for row in rows]
    for time_ns, kind, row in sorted(moments, key=lambda moment: moment[:2]):
        if kind == 1:
            request = lives[int(row["stream"])]
            assert row["first_token"] == tokens[request]
            assert time_ns > last.get(request, -1)
            last[request] = time_ns
            tokens[request] += int(row["tokens"])
        elif row["event"] == "received":
            assert row["stream"] not in lives
            lives[row["stream"]] = row["request"]
        elif row["event"] == "finished":
            (stream,) = (stream for stream, request in lives.items() if request == row["request"])
            del lives[stream]
            assert row["output_tokens"] == tokens[row["request"]]
            assert row["time_ns"] == last[row["request"]]
    assert {row["request"] for row in played.cluster.live_requests()} == set(lives.values())
    assert max(lives) < 300, "the lowest free number is taken first"


def test_the_first_token_is_the_ingesting_workers(played: Played) -> None:
    ingests = {row["request"]: row["worker"] for row in played.rows("admitted")}
    streams = {row["request"]: row["stream"] for row in played.rows("received")}
    chosen = {row["request"]: row["chosen"] for row in played.events.decisions}
    rows = played.events.deliveries
    tiers = {0: "HBM", 1: "HBM", 2: "SRAM", 3: "SRAM"}
    assert {(int(worker), TIERS[tier]) for worker, tier in set(zip(rows["worker"], rows["tier"], strict=True))} == set(
        tiers.items()
    )
    finish = {request: row["time_ns"] for request, row in played.finished.items()}
    for request in list(finish)[:200]:
        since = played.received[request]["time_ns"]
        mine = rows[
            (rows["stream"] == streams[request]) & (rows["time_ns"] <= finish[request]) & (rows["time_ns"] > since)
        ]
        assert mine["worker"][0] == ingests[request]
        assert set(mine["worker"][1:].tolist()) <= {chosen[request]}
    assert Counter(
        ingests[request] for request, worker in chosen.items() if worker in (2, 3) and request in ingests
    ).keys() == {0}


def test_phases_of_a_request_follow_one_another(played: Played) -> None:
    by_request: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for row in played.events.phases:
        assert row["duration_ns"] >= 0
        by_request[row["request"]].append((row["start_ns"], row["start_ns"] + row["duration_ns"], row["phase"]))
    for request in played.finished:
        spans = sorted(span for span in by_request[request] if span[2] != "fetch")
        assert spans[0][2] == "queue"
        assert spans[-1][2] in ("decode", "prefill")
        assert all(later[0] >= earlier[1] for earlier, later in itertools.pairwise(spans))
        # 30 ms of front end lie before the first queue.
        assert spans[0][0] == played.received[request]["time_ns"] + 30_000_000


def test_occupancy_is_the_recount_of_blocks(played: Played) -> None:
    blocks, rows = played.events.blocks, played.events.occupancy
    capacity = {pool["slot"]: pool["capacity_bytes"] for pool in played.cluster.hello()["pools"]}
    for slot, most in capacity.items():
        mine = blocks[blocks["pool"] == slot]
        level = np.concatenate([[0], np.cumsum(np.where(mine["op"] == 0, 1, -1) * mine["bytes"].astype(np.int64))])
        here = rows[rows["pool"] == slot]
        assert len(here) > 50
        assert np.all(np.diff(here["time_ns"]) > 0), "one row a moment"
        after = np.searchsorted(mine["time_ns"], here["time_ns"], side="right")
        assert np.array_equal(level[after], here["used_bytes"])
        assert np.all(here["active_bytes"] <= here["used_bytes"])
        assert here["used_bytes"].max() <= most
        assert here["used_bytes"][-1] == played.cluster.occupancy()["used_bytes"][slot] == level[-1]
    assert np.all(np.abs(np.diff(blocks["time_ns"])) >= 0)
    held: set[tuple[int, int]] = set()
    for row in blocks:
        key = int(row["pool"]), int(row["hash"])
        assert (key in held) == bool(row["op"])
        held.symmetric_difference_update({key})


def test_decisions_agree_with_their_scores(played: Played) -> None:
    for row in played.events.decisions:
        scores = [candidate["score"] for candidate in row["candidates"]]
        chosen = next(candidate for candidate in row["candidates"] if candidate["worker"] == row["chosen"])
        assert chosen["score"] == max(scores)
        assert all(candidate["score"] == sum(candidate["terms"].values()) for candidate in row["candidates"])
        if len(scores) > 1:
            best, runner_up = sorted(scores, reverse=True)[:2]
            assert row["margin"] == best - runner_up
            assert row["tie"] == (row["margin"] < 1e-9)
        else:
            assert "margin" not in row
    assert len(played.events.decisions) == len(played.received)


def gaps_by_worker(played: Played) -> dict[int, list[int]]:
    """A gap is the later delivery's worker's; a first token has none."""
    last: dict[int, int] = {}
    out: dict[int, list[int]] = defaultdict(list)
    rows = played.events.deliveries
    for time, stream, first, worker in zip(
        *(rows[name].tolist() for name in ("time_ns", "stream", "first_token", "worker")), strict=True
    ):
        if first:
            out[worker].append(time - last[stream])
        last[stream] = time
    return out


def test_truth_is_a_recount_of_events(played: Played) -> None:
    truth = played.cluster.truth()
    ids = [worker.id for worker in played.cluster.workers]
    rows = played.events.deliveries
    placed = {
        (row["worker"], row["stage"], row["tier"]): row["tokens"] for row in truth["placements"] if row["primary"]
    }
    recount = Counter(zip(rows["worker"].tolist(), rows["stage"].tolist(), rows["tier"].tolist(), strict=True))
    assert placed == {(ids[worker], STAGES[stage], TIERS[tier]): n for (worker, stage, tier), n in recount.items()}
    computed: Counter[tuple[str, str]] = Counter()
    for phase in played.events.phases:
        if phase["phase"] == "prefill":
            computed[ids[phase["worker"]], phase["tier"]] += phase["tokens"]
    assert computed == {
        (row["worker"], row["tier"]): row["tokens"] for row in truth["placements"] if row["stage"] == "prefill"
    }
    hits: Counter[int] = Counter()
    for row in played.rows("admitted"):
        hits.update({} if row.get("again") else dict(row["hits"]))
    assert {pool["slot"]: pool["hit_tokens"] for pool in truth["pools"] if pool["hit_tokens"]} == hits
    occupied = played.cluster.occupancy()
    assert [pool["used_bytes"] for pool in truth["pools"]] == occupied["used_bytes"].tolist()
    assert [pool["active_bytes"] for pool in truth["pools"]] == occupied["active_bytes"].tolist()
    for worker, gaps in gaps_by_worker(played).items():
        p50, p99 = np.quantile(np.array(gaps), (0.5, 0.99)) / 1e9
        assert truth["gaps"][worker] == {
            "worker": ids[worker], "n": len(gaps), "p50_s": p50, "p99_s": p99, "max_s": max(gaps) / 1e9,
        }  # fmt: skip
    assert truth["requests"] == {
        "received": len(played.received),
        "finished": len(played.finished),
        "live": len(played.received) - len(played.finished),
    }
    assert truth["decisions"] == {
        "total": len(played.events.decisions),
        "ties": sum(row["tie"] for row in played.events.decisions),
        "by_rule": Counter(row["rule"] for row in played.events.decisions),
    }


def test_ttft_runs_from_received_to_the_first_delivery(played: Played) -> None:
    streams: dict[int, int] = {}
    ttft: dict[int, list[int]] = defaultdict(list)
    moments = [(row["time_ns"], 1, row) for row in played.rows("received")]
    rows = played.events.deliveries
    moments += [(int(row["time_ns"]), 0, row) for row in rows[rows["first_token"] == 0]]
    for time, kind, row in sorted(moments, key=lambda moment: moment[:2]):
        if kind:
            streams[row["stream"]] = time
        else:
            ttft[int(row["worker"])].append(time - streams[int(row["stream"])])
    told = played.cluster.truth()["ttft"]
    assert [row["n"] for row in told[:4]] == [len(ttft[worker]) for worker in range(4)]
    for worker in (0, 1):
        assert told[worker]["p50_s"] == np.quantile(ttft[worker], 0.5) / 1e9
    everything = np.quantile(np.concatenate([ttft[0], ttft[1]]), 0.99) / 1e9
    assert (told[4]["worker"], told[4]["p99_s"]) == (None, everything)
    assert min(ttft[0]) > 30_000_000


def test_counters_are_a_recount_of_events(played: Played) -> None:
    gaps = gaps_by_worker(played)
    queues = Counter(row["worker"] for row in played.events.phases if row["phase"] == "queue")
    for worker in played.cluster.workers:
        stats, rows = worker.stats, played.events.deliveries[played.events.deliveries["worker"] == worker.slot]
        assert stats.generation_tokens == len(rows)
        assert stats.prompt_tokens == stats.computed_tokens + sum(stats.hit_tokens.values())
        note = stats.histograms
        mine = gaps.get(worker.slot, [])
        assert note[GAP].count == len(mine)
        assert note[GAP].sum == sum(mine) / 1e9
        seconds = np.array(mine) / 1e9
        assert note[GAP].cumulative()[:-1].tolist() == [int(np.sum(seconds <= bound)) for bound in note[GAP].bounds]
        assert note[TTFT].count == np.sum(rows["first_token"] == 0)
        assert note[QUEUE].count == queues[worker.slot]
        assert stats.kv_active_blocks <= stats.kv_used_blocks <= stats.kv_total_blocks
        assert stats.kv_used_blocks * (2 << 20) == played.cluster.occupancy()["used_bytes"][worker.slot]
    workers = played.cluster.workers
    assert sum(sum(worker.stats.finished.values()) for worker in workers) == len(played.finished)
    assert "peer" in workers[0].stats.hit_tokens
    live = len(played.cluster.live_requests())
    assert 0 < sum(worker.stats.running + worker.stats.waiting for worker in workers) <= live


def test_what_was_moved_is_a_recount_of_fetches(played: Played) -> None:
    pools = played.cluster.hello()["pools"]
    shared = {pool["tier"] for pool in pools if pool["worker"] is None}
    for worker in played.cluster.workers[:2]:
        fetches = [row for row in played.events.phases if row["phase"] == "fetch" and row["worker"] == worker.slot]
        sizes, times = Counter[str](), Counter[str]()
        for row in fetches:
            tier = row["tier"] if row["tier"] in shared else "peer"
            sizes[tier] += row["bytes"]
            times[tier] += row["duration_ns"]
        moved = worker.stats.moved
        assert (moved.fetched_bytes, moved.fetched_ns) == (sizes, times)
        assert moved.load_sizes.count + moved.peer_times.count == len(fetches) > 0
        assert moved.peer_bytes.sum == sizes["peer"]
    truth = played.cluster.truth()
    stored = sum(worker.stats.moved.stored_bytes for worker in played.cluster.workers)
    assert stored == sum(pool["copied_in_bytes"] for pool in truth["pools"] if pool["tier"] == "DRAM") > 0


def test_lpus_are_steady_and_gpu_decodes_are_stalled(played: Played) -> None:
    gaps = {row["worker"]: row for row in played.cluster.truth()["gaps"]}
    for lpu in ("lpu-0/0", "lpu-1/0"):
        assert gaps[lpu]["p99_s"] - gaps[lpu]["p50_s"] <= 1e-6
        assert gaps[lpu]["max_s"] > 5e-3, "a request's second token waits for its KV"
    assert gaps["gpu-1/0"]["p99_s"] > 10 * gaps["gpu-1/0"]["p50_s"]


def test_hello_names_the_fleet(played: Played) -> None:
    hello = played.cluster.hello()
    assert [(row["slot"], row["id"], row["role"], row["device"], row["chips"]) for row in hello["workers"]] == [
        (0, "gpu-0/0", "prefill", "GPU", 1),
        (1, "gpu-1/0", "aggregated", "GPU", 1),
        (2, "lpu-0/0", "decode", "LPU", 64),
        (3, "lpu-1/0", "decode", "LPU", 64),
    ]
    assert [(row["slot"], row["tier"], row["owner"], row["worker"]) for row in hello["pools"]] == [
        (0, "HBM", "gpu-0/0", 0),
        (1, "HBM", "gpu-1/0", 1),
        (2, "SRAM", "lpu-0/0", 2),
        (3, "SRAM", "lpu-1/0", 3),
        (4, "DRAM", "host-0", None),
        (5, "flash", "host-0", None),
    ]
    # What 8-bit weights leave of 64 × 230 MB, in whole blocks.
    assert hello["pools"][2]["capacity_bytes"] == (64 * 230_000_000 - 8_030_261_248) // (2 << 20) * (2 << 20)
    assert (hello["emulated"], hello["block_tokens"]) == (True, 16)
