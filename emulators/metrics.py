"""The `/metrics` pages: vLLM's families for GPU workers, our own for other devices and for the router. Every page says that it is emulated.

A page is made when it is asked for, by prometheus_client's encoder out of a custom collector; nothing is observed token by token.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from emulators import stats, vllm
from emulators.emulation import Emulation, SimulatedWorker
from emulators.energy import Account
from emulators.events import Row
from emulators.histogram import histogram
from emulators.stats import WorkerStats

_POOL_LABELS: Final = ("tier", "owner")


def worker_page(emulation: Emulation, worker: SimulatedWorker) -> bytes:
    """The page of one worker, in the Prometheus text format."""
    return generate_latest(_Page(_worker_families(emulation, worker)))


def router_page(emulation: Emulation) -> bytes:
    """The router's page: its decisions, the requests in flight, and the memory that no single worker owns."""
    return generate_latest(_Page(_router_families(emulation)))


@dataclass(slots=True)
class _Page(Collector):
    """What the encoder asks for: something that can be collected."""

    families: Iterator[Metric]

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("tokenyard_emulated", "1 if the numbers on this page are simulated.", 1)
        yield from self.families


def _worker_families(emulation: Emulation, worker: SimulatedWorker) -> Iterator[Metric]:
    counted = worker.process.shown(worker.counted(emulation.cluster.now_ns))
    created = worker.process.created(emulation.created)
    yield _worker_info(worker)
    yield GaugeMetricFamily(
        "process_start_time_seconds", "Start time of the process since unix epoch in seconds.", created
    )
    if worker.device == "GPU":
        block_tokens: int = emulation.inventory["block_tokens"]
        shared = {pool["tier"] for pool in emulation.inventory["pools"] if pool["worker"] is None}
        yield from vllm.families(
            counted.stats, model=worker.model, block_tokens=block_tokens, shared=shared, created=created
        )
    else:
        yield from _own_families(counted.stats, created)
        yield from _pools(emulation, worker.slot, {worker.slot: counted.hit_tokens})
    yield from _energy(counted.account)


def _worker_info(worker: SimulatedWorker) -> Metric:
    labels = {
        "worker": worker.id,
        "role": worker.role,
        "device": worker.device,
        "chip": worker.chip,
        "chips": str(worker.chips),
        "model": worker.model,
    }
    family = GaugeMetricFamily("tokenyard_worker_info", "What this worker is.", labels=tuple(labels))
    family.add_metric(list(labels.values()), 1)
    return family


def _own_families(counted: WorkerStats, created: float) -> Iterator[Metric]:
    yield GaugeMetricFamily("tokenyard_requests_running", "Requests that are being generated.", counted.running)
    yield GaugeMetricFamily(
        "tokenyard_requests_waiting", "Requests that wait for a slot or for memory.", counted.waiting
    )
    yield CounterMetricFamily("tokenyard_generation_tokens", "Output tokens sampled here.", counted.generation_tokens)
    yield CounterMetricFamily(
        "tokenyard_prompt_tokens", "Prompt tokens of the requests admitted here.", counted.prompt_tokens
    )
    finished = CounterMetricFamily(
        "tokenyard_requests_finished", "Requests finished here, by reason.", labels=("reason",)
    )
    for reason, count in counted.finished.items():
        finished.add_metric((reason,), count)
    yield finished
    text = "Time between consecutive deliveries of a request."
    yield histogram("tokenyard_gap_seconds", text, {}, counted.histograms[stats.GAP], created)


def _energy(account: Account) -> Iterator[Metric]:
    """Joules of two kinds, in families of their own. What is not known has no sample."""
    seconds = CounterMetricFamily("tokenyard_phase_seconds", "Time of this worker by phase.", labels=("phase",))
    drawn = CounterMetricFamily(
        "tokenyard_drawn_joules",
        "Energy that the chips of this worker drew, by phase; hosts and cooling apart.",
        labels=("phase",),
    )
    for phase, time in account.seconds.items():
        seconds.add_metric((phase,), time)
        if (joules := account.drawn[phase]) is not None:
            drawn.add_metric((phase,), joules)
    yield seconds
    yield drawn
    read = CounterMetricFamily(
        "tokenyard_step_read_bytes", "Bytes that steps read from this worker's memory.", labels=("tier", "what")
    )
    moved = CounterMetricFamily(
        "tokenyard_step_movement_joules",
        "Energy of that reading at the memory itself: part of what is drawn.",
        labels=("tier", "what"),
    )
    for what, size in account.read.items():
        read.add_metric((account.tier, what), size)
        if (moving := account.movement[what]) is not None:
            moved.add_metric((account.tier, what), moving)
    yield read
    yield moved


def _router_families(emulation: Emulation) -> Iterator[Metric]:
    tally = emulation.tally
    decisions = CounterMetricFamily(
        "tokenyard_decisions", "Routing decisions, by the rule that made them.", labels=("rule",)
    )
    for rule, count in sorted(tally.decisions.items()):
        decisions.add_metric((rule,), count)
    yield decisions
    yield CounterMetricFamily("tokenyard_decision_ties", "Routing decisions between equal scores.", tally.ties)
    yield GaugeMetricFamily(
        "tokenyard_requests_live", "Requests received and not finished.", emulation.stream.live_requests
    )
    yield from _pools(emulation, None, emulation.tally.hit_tokens)


def _pools(emulation: Emulation, worker: int | None, hit_tokens: Mapping[int, int]) -> Iterator[Metric]:
    """The pools that one worker owns, or, for None, those that are shared."""
    pools: list[Row] = [pool for pool in emulation.inventory["pools"] if pool["worker"] == worker]
    rows = emulation.cluster.occupancy()
    used = dict(zip(rows["pool"].tolist(), rows["used_bytes"].tolist(), strict=True))
    active = dict(zip(rows["pool"].tolist(), rows["active_bytes"].tolist(), strict=True))
    columns: tuple[tuple[type[GaugeMetricFamily | CounterMetricFamily], str, str, Mapping[int, int]], ...] = (
        (GaugeMetricFamily, "used_bytes", "Distinct resident KV blocks.", used),
        (GaugeMetricFamily, "active_bytes", "KV blocks that running requests refer to.", active),
        (
            GaugeMetricFamily,
            "capacity_bytes",
            "Size of the KV pool, weights apart.",
            {pool["slot"]: pool["capacity_bytes"] for pool in pools},
        ),
        (CounterMetricFamily, "hit_tokens", "Prompt tokens found here at admission.", hit_tokens),
    )
    for kind, name, text, values in columns:
        family = kind(f"tokenyard_tier_{name}", text, labels=_POOL_LABELS)
        for pool in pools:
            family.add_metric((pool["tier"], pool["owner"]), values[pool["slot"]])
        yield family
