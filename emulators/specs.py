"""What a scenario says of its cluster: workers, the memory of their host, and what is asked of them."""

from dataclasses import dataclass
from typing import Final

from emulators.chapters import Chapter, Side, opposed
from emulators.deployment_specs import AssistantSpec, RoundSpec
from emulators.faults.fault import Fault
from emulators.router import Rule, Weights
from emulators.traces import Trace
from emulators.workload import Archetype

GPU_ROLES: Final = ("prefill", "aggregated", "decode")


@dataclass(frozen=True, slots=True)
class GpuSpec:
    """A GPU engine, which computes prompts, generates (`decode`: what a prefill worker hands on), or both. `kv_pool_bytes`: a setting, where it is not to take all the memory that weights leave."""

    id: str
    role: str
    chip: str
    engine: str
    chips: int = 1
    kv_pool_bytes: int | None = None
    bytes_per_weight: float = 2
    tags: frozenset[str] = frozenset()
    """What rules of the router may ask of it."""
    model: str | None = None
    """Another than the scenario's: its KV fits no other's, so it has no part in the host's memory."""

    def __post_init__(self) -> None:
        if self.role not in GPU_ROLES:
            raise ValueError(f"worker {self.id!r}: a GPU's role is one of {', '.join(GPU_ROLES)}, not {self.role!r}")
        if self.model is not None and self.role != "aggregated":
            raise ValueError(f"worker {self.id!r}: one with a model of its own is aggregated, not {self.role}")


@dataclass(frozen=True, slots=True)
class LpuSpec:
    """An LPU group that decodes. `slots`, requests in its pipeline at most, and 8-bit weights are assumptions: neither is published for it.

    `context_tokens`: what its program is compiled for; longer requests take one for the next power of two.
    """

    id: str
    chip: str
    chips: int
    slots: int
    bytes_per_weight: float = 1
    context_tokens: int = 4_096
    role: str = "decode"
    tags: frozenset[str] = frozenset()
    """What rules of the router may ask of it."""


Spec = GpuSpec | LpuSpec | AssistantSpec | RoundSpec


@dataclass(frozen=True, slots=True)
class HostSpec:
    """Memory that the GPUs of one host share, behind their own.

    `policy`: order of eviction of DRAM and flash, one of `emulators.policy.POLICIES`; `ttl_s` goes with `ttl`. `write_through`: GPUs copy blocks to DRAM as
    soon as no request refers to them, instead of when they are evicted. `object_bytes`: an object store below flash; 0 for none.
    """

    owner: str
    dram_bytes: int
    flash_bytes: int
    policy: str = "lru"
    ttl_s: float | None = None
    write_through: bool = False
    object_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    about: str
    model: str
    workers: tuple[Spec, ...]
    host: HostSpec
    rules: tuple[Rule, ...]
    weights: Weights
    load: tuple[Archetype, ...]
    bytes_per_kv_value: int = 2
    trace: Trace | None = None
    """Replayed beside the load."""
    faults: tuple[Fault, ...] = ()
    migration_limit: int = 0
    """How often a request is sent once more whose worker is lost, before it fails; as Dynamo has it, and its default."""
    chapters: tuple[Chapter, ...] = ()
    length_s: float = 0.0
    """Of the show that the chapters make."""
    sides: tuple[Side, ...] = ()
    """Two groups of workers that the show sets against each other, if it does."""

    def __post_init__(self) -> None:
        opposed(self.sides, [worker.id for worker in self.workers])
