"""Workers and pools, made out of what a scenario says of its cluster (`specs`) and the catalogue."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from emulators import catalogue, deploying
from emulators.blocks import BLOCK_TOKENS
from emulators.catalogue import Model
from emulators.channel import Channel
from emulators.deployment_specs import AssistantSpec, AttentionSpec, DraftSpec, RoundSpec
from emulators.energy import Account, account
from emulators.fetching import Source
from emulators.gpu import StepModel, StepNoise, pool_bytes
from emulators.gpu_worker import GpuLimits, GpuWorker, Hooks
from emulators.journal import Journal
from emulators.kv import Pool, Spill
from emulators.loop import Loop
from emulators.lpu import DeviceClock, context_bucket, pass_reads, sram_left, token_gap_ns
from emulators.lpu_worker import LpuWorker
from emulators.observed import Observed
from emulators.policy import Order, Ttl, order
from emulators.process import Counted, Process
from emulators.randomness import generator
from emulators.request import Request
from emulators.round_worker import Assistant, RoundWorker
from emulators.router import Place
from emulators.specs import GpuSpec, HostSpec, LpuSpec, Scenario, Spec
from emulators.stats import WorkerStats
from emulators.stepping import Stepping

HOST_LINK: Final = "pcie5-x16"
DISK_LINK: Final = "nvme"
NETWORK_LINK: Final = "rdma-400g"
OBJECT_LINK: Final = "object-store"


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker as the wire names it, and the engine behind it."""

    slot: int
    id: str
    role: str
    device: str
    chip: str
    chips: int
    model: str
    engine: GpuWorker | LpuWorker | Assistant | RoundWorker
    weight_bytes: int
    process: Process = field(default_factory=Process, compare=False)

    @property
    def memory_bytes(self) -> tuple[int, int]:
        """All memory of its chips, and what weights and the KV pool take of it, which an engine takes when it starts."""
        chip, pool = catalogue.chips()[self.chip], self.engine.pool
        return round(chip.peak.memory_bytes.value) * self.chips, self.weight_bytes + pool.capacity * pool.block_bytes

    @property
    def stats(self) -> WorkerStats:
        return self.engine.observed.stats

    def account(self, now_ns: int) -> Account:
        """Time, energy and reading since the start."""
        return account(catalogue.chips()[self.chip], self.chips, self.engine.pool.tier, self.engine.observed, now_ns)

    def counted(self, now_ns: int) -> Counted:
        """All that its page tells, since the start."""
        self.engine.observed.flush()
        return Counted(self.stats, self.account(now_ns), self.engine.pool.hit_tokens)


class Fleet:
    """All workers and pools of a scenario. Pools are numbered: the workers' own by worker, then the host's."""

    def __init__(
        self, scenario: Scenario, seed: int, loop: Loop, journal: Journal, hooks: Hooks, *, keep_gaps: bool
    ) -> None:
        self.model: Model = catalogue.find(catalogue.models(), scenario.model, "model")
        self._scenario, self._seed, self._loop, self._journal, self._hooks = scenario, seed, loop, journal, hooks
        self._keep_gaps = keep_gaps
        self.block_bytes = self._block_bytes(self.model)
        specs = scenario.workers
        self.links: dict[str, Channel] = {}
        """By name: whose it is and what goes over it."""
        self.flash = self._shared_pool(len(specs) + 1, "flash", scenario.host, scenario.host.flash_bytes)
        self._disk = self.links[f"{scenario.host.owner}.disk"] = _channel(DISK_LINK)
        self.dram = self._shared_pool(len(specs), "DRAM", scenario.host, scenario.host.dram_bytes)
        self.dram.spill = Spill(self.flash, self._disk)
        shared = [self.dram, self.flash]
        if scenario.host.object_bytes:
            self.object = self._shared_pool(len(specs) + 2, "object", scenario.host, scenario.host.object_bytes)
            self.flash.spill = Spill(self.object, _channel(OBJECT_LINK))
            shared.append(self.object)
        self._shared, self._store = tuple(shared), _channel(OBJECT_LINK)
        self._ground = deploying.Ground(
            seed, loop, journal, self.model, scenario.bytes_per_kv_value, keep_gaps, hooks.finished
        )
        self._assistants: dict[str, tuple[AssistantSpec, Assistant]] = {}
        self.places: list[Place] = []
        self.workers: list[Worker] = []
        for slot, spec in enumerate(specs):
            if isinstance(spec, GpuSpec):
                self._add_gpu(slot, spec)
            elif isinstance(spec, LpuSpec):
                self._add_lpu(slot, spec)
            else:
                self._add_part(slot, spec)
        self.pools: tuple[Pool, ...] = (*(worker.engine.pool for worker in self.workers), *self._shared)

    def _model_name(self, spec: Spec) -> str:
        return (spec.model if isinstance(spec, GpuSpec | DraftSpec) else None) or self._scenario.model

    def _model(self, spec: Spec) -> Model:
        return catalogue.find(catalogue.models(), self._model_name(spec), "model")

    def _block_bytes(self, model: Model) -> int:
        return BLOCK_TOKENS * model.kv_bytes_per_token(self._scenario.bytes_per_kv_value)

    def _pool(
        self, slot: int, tier: str, owner: str, worker: int | None, size: int, order: Order | None = None
    ) -> Pool:
        capacity = size // self.block_bytes
        return Pool(slot, tier, owner, worker, capacity, self.block_bytes, self._journal, order=order)

    def _shared_pool(self, slot: int, tier: str, host: HostSpec, size: int) -> Pool:
        evicting = order(host.policy, None if host.ttl_s is None else round(host.ttl_s * 1e9))
        pool = self._pool(slot, tier, host.owner, None, size, evicting)
        if isinstance(evicting, Ttl):
            self._loop.at(evicting.ttl_ns, self._expire, pool, evicting)
        return pool

    def _expire(self, pool: Pool, evicting: Ttl) -> None:
        pool.expire(self._loop.now_ns)
        self._loop.at(evicting.next_expiry_ns(self._loop.now_ns), self._expire, pool, evicting)

    def _observed(self, *, fast_gaps: bool) -> Observed:
        return Observed(fast_gaps=fast_gaps, keep=self._keep_gaps)

    def _add_gpu(self, slot: int, spec: GpuSpec) -> None:
        chip, model = catalogue.gpu(spec.chip), self._model(spec)
        software = catalogue.find(catalogue.engines(), spec.engine, "engine")
        steps = StepModel.of(
            chip,
            spec.chips,
            model,
            software,
            bytes_per_weight=spec.bytes_per_weight,
            bytes_per_kv_value=self._scenario.bytes_per_kv_value,
        )
        size = spec.kv_pool_bytes or pool_bytes(chip, spec.chips, steps.weight_bytes, software)
        block_bytes = self._block_bytes(model)
        pool = Pool(slot, chip.tier, spec.id, slot, size // block_bytes, block_bytes, self._journal)
        down, up, inbound = _channel(HOST_LINK), _channel(HOST_LINK), _channel(NETWORK_LINK)
        egress = _channel(NETWORK_LINK)
        shared = self._shared if model is self.model else ()
        used = {"host-write": down} if shared else {}
        if shared and spec.role != "decode":
            used["host-read"] = up
        if spec.role == "prefill":
            used |= {"ingress": inbound, "egress": egress}
        self.links |= {f"{spec.id}.{name}": link for name, link in used.items()}
        if shared:
            pool.spill = Spill(self.dram, down, self._scenario.host.write_through)
        noise = StepNoise(generator(self._seed, "noise", spec.id), software)
        most = int(software.max_sequences.value)
        if spec.role == "decode":
            decoder = RoundWorker(
                slot,
                loop=self._loop,
                journal=self._journal,
                deployment=Stepping(steps, noise),
                stage="decode",
                places=most,
                pool=pool,
                kv=pool,
                observed=self._observed(fast_gaps=False),
                on_finished=self._hooks.finished,
            )
            self._add(slot, spec, chip.device, decoder)
            self.places.append(Place(slot, spec.role, pool, most, tags=spec.tags))
            return
        paths = ((up,), (self._disk, up), (self._store, up))
        from_shared = tuple(Source(pool, path) for pool, path in zip(shared, paths, strict=False))

        def sources(request: Request) -> Sequence[Source]:
            if request.generate == slot:
                return from_shared
            return *from_shared[:1], Source(self.places[request.generate].pool, (inbound,)), *from_shared[1:]

        engine = GpuWorker(
            slot,
            spec.role,
            loop=self._loop,
            journal=self._journal,
            model=steps,
            noise=noise,
            limits=GpuLimits(int(software.chunk_tokens.value), most, software.prefill_first),
            front_end_ns=round(software.front_end_s.value * 1e9),
            pool=pool,
            sources=sources,
            egress=egress,
            observed=self._observed(fast_gaps=False),
            hooks=self._hooks,
        )
        self._add(slot, spec, chip.device, engine)
        self.places.append(
            Place(
                slot,
                spec.role,
                pool,
                most,
                pools=(pool, *shared),
                prefill_seconds=steps.prefill_seconds,
                front_end_s=software.front_end_s.value,
                tags=spec.tags,
            )
        )

    def _add_lpu(self, slot: int, spec: LpuSpec) -> None:
        chip = catalogue.lpu(spec.chip)
        pool = self._pool(
            slot, chip.tier, spec.id, slot, sram_left(chip, spec.chips, self.model, spec.bytes_per_weight)
        )
        clock = DeviceClock(
            generator(self._seed, "realign", spec.id),
            period_ns=round(chip.effective.realign_every_s.value * 1e9),
            most_ns=round(chip.effective.realign_s.value * 1e9),
        )

        @cache
        def program_gap_ns(context: int) -> int:
            return token_gap_ns(chip, spec.chips, self.model, context, self._scenario.bytes_per_kv_value)

        engine = LpuWorker(
            slot,
            loop=self._loop,
            journal=self._journal,
            gap_ns=lambda tokens: program_gap_ns(context_bucket(tokens, spec.context_tokens)),
            slots=spec.slots,
            clock=clock,
            pool=pool,
            observed=self._observed(fast_gaps=True),
            on_finished=self._hooks.finished,
            reads=pass_reads(self.model, spec.bytes_per_weight, self._scenario.bytes_per_kv_value),
        )
        self._add(slot, spec, chip.device, engine)
        self.places.append(Place(slot, spec.role, pool, spec.slots, tags=spec.tags))

    def _add_part(self, slot: int, spec: AssistantSpec | RoundSpec) -> None:
        chip = catalogue.find(catalogue.chips(), spec.chip, "chip")
        engine: Assistant | RoundWorker
        if isinstance(spec, AttentionSpec | DraftSpec):
            engine = deploying.assistant(self._ground, slot, spec)
            self._assistants[spec.id] = spec, engine
            self.places.append(Place(slot, spec.role, engine.pool, 1, tags=spec.tags))
        else:
            engine = deploying.rounds(self._ground, slot, spec, self._assistants)
            self.places.append(Place(slot, spec.role, engine.kv, spec.slots, tags=spec.tags))
        self._add(slot, spec, chip.device, engine, deploying.weight_bytes(spec, self.model))

    def _add(
        self,
        slot: int,
        spec: Spec,
        device: str,
        engine: GpuWorker | LpuWorker | Assistant | RoundWorker,
        weights: int | None = None,
    ) -> None:
        engine.observed.stats.kv_total_blocks = engine.pool.capacity
        if weights is None:
            weights = math.ceil(self._model(spec).parameters * spec.bytes_per_weight)
        model = self._model_name(spec)
        self.workers.append(Worker(slot, spec.id, spec.role, device, spec.chip, spec.chips, model, engine, weights))


def _channel(link: str) -> Channel:
    return Channel.of(catalogue.find(catalogue.links(), link, "link"))
