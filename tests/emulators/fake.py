"""A cluster that simulates nothing: a request every 10 ms that lives 25 ms and delivers a token each millisecond, on two stream numbers more than needed."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from emulators.asking import Asked
from emulators.energy import Account, Drawn, Movement
from emulators.events import BLOCK, DELIVERY, OCCUPANCY, Events, Row, Rows
from emulators.faults.site import Site
from emulators.faults.timetable import Timetable
from emulators.loop import Loop
from emulators.mover import Mover
from emulators.process import Counted, Process
from emulators.router import Router, Rule, Weights
from emulators.stats import GAP, PEER, WorkerStats, histograms
from emulators.workload import Workload

MS = 1_000_000
STREAMS = 4
BLOCK_BYTES = 2 << 20


@dataclass
class FakeWorker:
    slot: int
    id: str
    role: str
    device: str
    chip: str
    chips: int
    model: str = "llama-3.1-8b"
    stats: WorkerStats = field(default_factory=WorkerStats)
    process: Process = field(default_factory=Process)

    @property
    def memory_bytes(self) -> tuple[int, int]:
        return self.chips * (80 << 30), self.chips * (41 << 30)

    def account(self, now_ns: int) -> Account:
        busy = "decode" if self.device == "LPU" else "prefill"
        return Account(
            {busy: now_ns / 1e9, "idle": 1.5},
            {busy: Drawn(7.0), "idle": None},
            "HBM",
            {"weights": 10_000, "kv": 200},
            {"weights": Movement(2.5), "kv": None},
            350.0,
        )

    def counted(self, now_ns: int) -> Counted:
        return Counted(self.stats, self.account(now_ns), 0)


def fake_workers() -> list[FakeWorker]:
    gpu = FakeWorker(0, "gpu-0/0", "aggregated", "GPU", "H100-SXM", 1)
    gpu.stats = WorkerStats(
        running=3,
        waiting=2,
        deferred=1,
        prompt_tokens=1_000,
        computed_tokens=600,
        hit_tokens={"HBM": 300, "DRAM": 100},
        generation_tokens=77,
        preemptions=1,
        finished={"stop": 4, "length": 5, "abort": 0, "error": 0},
        kv_used_blocks=80,
        kv_active_blocks=25,
        kv_total_blocks=100,
    )
    gpu.stats.moved.fetched("DRAM", 3_000_000, 250 * MS)
    gpu.stats.moved.fetched("flash", 6_000_000, 500 * MS)
    gpu.stats.moved.fetched(PEER, 4_096, 2 * MS)
    gpu.stats.moved.stored_bytes, gpu.stats.moved.stored_s = 64_000_000, 0.001
    gpu.stats.histograms[GAP].add([9 * MS, 10 * MS, 11 * MS, 200_000 * MS])
    lpu = FakeWorker(
        1, "lpu-0/0", "decode", "LPU", 'LPU "v1"', 64, stats=WorkerStats(histograms=histograms(fast_gaps=True))
    )
    lpu.stats.histograms[GAP].add([1_330_000] * 10)
    return [gpu, lpu]


class FakeCluster:
    """`tokens_per_delivery` makes rows without making time; `fail_at_ns` raises when the clock gets there."""

    def __init__(self, *, tokens_per_ms: int = 1, fail_at_ns: int | None = None) -> None:
        self.now_ns = 0
        self.workers = fake_workers()
        self.advances: list[int] = []
        self.flash = False
        self._rows_per_ms = tokens_per_ms
        self._fail_at_ns = fail_at_ns
        self._tokens = 0
        self._live: dict[str, Row] = {}
        nobody = Router((), (Rule("all", frozenset(), frozenset({"decode"})),), Weights())
        mover = Mover(Loop(), nobody, (), {}, 0, lambda _: False, lambda _: None)
        self.router_process = Process()
        self.workload = Workload(Loop(), 0, (), lambda _: None)
        self.faults = Timetable(Site(Loop(), nobody, mover, {}, {}, {}, self.router_process), ())

    def hello(self) -> Row:
        named = ("slot", "id", "role", "device", "chip", "chips", "model")
        pools = [(0, "HBM", "gpu-0/0", 0), (1, "SRAM", "lpu-0/0", 1), (2, "DRAM", "host-0", None)]
        pools += [(3, "flash", "host-0", None)] if self.flash else []
        return {
            "block_tokens": 16,
            "workers": [{name: getattr(worker, name) for name in named} for worker in self.workers],
            "pools": [
                {"slot": slot, "tier": tier, "owner": owner, "worker": worker, "capacity_bytes": 100 * BLOCK_BYTES}
                for slot, tier, owner, worker in pools
            ],
        }

    def advance(self, until_ns: int) -> Events:
        if self._fail_at_ns is not None and until_ns >= self._fail_at_ns:
            raise RuntimeError("the simulation broke")
        self.advances.append(until_ns)
        events = Events()
        deliveries: list[tuple[int, int, int]] = []
        for time in range(-(-self.now_ns // MS) * MS, until_ns, MS):
            self._millisecond(time, events, deliveries)
        events.deliveries = np.zeros(len(deliveries), DELIVERY)
        for row, (time, stream, first) in zip(events.deliveries, deliveries, strict=True):
            row["time_ns"], row["stream"], row["first_token"] = time, stream, first
            row["tokens"], row["worker"], row["tier"], row["stage"] = 1, 1, 1, 2
        self._tokens += len(deliveries)
        events.blocks = np.zeros(1 if deliveries else 0, BLOCK)
        self.now_ns = until_ns
        return events

    def _millisecond(self, time: int, events: Events, deliveries: list[tuple[int, int, int]]) -> None:
        if time % (10 * MS) == 0:
            number = time // (10 * MS)
            name, stream = f"r-{number}", number % STREAMS
            received = {"event": "received", "time_ns": time, "request": name, "stream": stream, "prompt_tokens": 32}
            self._live[name] = received
            events.requests += [
                received,
                {
                    "event": "admitted",
                    "time_ns": time,
                    "request": name,
                    "worker": 1,
                    "computed_tokens": 0,
                    "hits": [[2, 32]],
                },
            ]
            rule = "even" if number % 2 == 0 else "odd"
            events.decisions.append(
                {"time_ns": time, "request": name, "rule": rule, "chosen": 1, "tie": number % 3 == 0}
            )
        for row in list(self._live.values()):
            age = (time - row["time_ns"]) // MS
            if 0 < age <= 25:
                deliveries += [(time, row["stream"], age - 1)] * self._rows_per_ms
            if age == 25:
                del self._live[row["request"]]
                end = {
                    "event": "finished",
                    "time_ns": time,
                    "request": row["request"],
                    "reason": "stop",
                    "output_tokens": 25,
                }
                events.requests.append(end)

    def live_requests(self) -> list[Row]:
        return list(self._live.values())

    def occupancy(self) -> Rows:
        pools = [(self.now_ns, slot, (slot + 1) * 10 * BLOCK_BYTES, slot * BLOCK_BYTES) for slot in range(3)]
        return np.array(pools, OCCUPANCY)

    def residents(self) -> dict[int, list[int]]:
        return {slot: [] for slot in range(3)}

    def ask(self, at_ns: int, asked: Asked) -> None:
        """Nothing is answered here."""

    def due_ns(self, asked: Iterable[Asked]) -> int | None:
        return None

    def give_up(self, at_ns: int, asked: Asked) -> None:
        asked.end()

    def requested(self) -> Row:
        return {"request": []}

    def truth(self) -> Row:
        return {"now_ns": self.now_ns, "tokens": self._tokens}
