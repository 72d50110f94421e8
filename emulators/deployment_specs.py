"""What a scenario says of workers that are two to an engine: attention and FFN, draft and verification. Data only; `emulators.deploying` makes them."""

from dataclasses import dataclass

from emulators.catalogue import Figure

LINK = "activations"
"""The catalogue's link between two devices of one engine."""


@dataclass(frozen=True, slots=True)
class AttentionSpec:
    """A GPU group with the KV and the attention of all layers, and the embedding. `kv_pool_bytes`: a setting, where it is not to take all that these leave."""

    id: str
    chip: str
    engine: str
    chips: int = 1
    bytes_per_weight: float = 1
    kv_pool_bytes: int | None = None
    role: str = "attention"
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FfnSpec:
    """An LPU group with the FFN of all layers and the head, for the attention worker of that id, which stands before it. `slots`: requests at once; `micro_batches`: parts of them on their way at the same time."""

    id: str
    chip: str
    attention: str
    chips: int = 1
    slots: int = 64
    micro_batches: int = 2
    bytes_per_weight: float = 1
    link: str = LINK
    role: str = "ffn"
    tags: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.slots < 1 or self.micro_batches < 1:
            raise ValueError(f"worker {self.id!r}: slots and micro_batches are 1 or more")


@dataclass(frozen=True, slots=True)
class DraftSpec:
    """An LPU group with a small `model` that drafts, and keeps that model's KV in its SRAM."""

    id: str
    chip: str
    model: str
    chips: int = 1
    context_tokens: int = 4_096
    bytes_per_weight: float = 1
    role: str = "draft"
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class VerifySpec:
    """A GPU engine with the scenario's model that verifies `draft_tokens` a round of the draft worker of that id, which stands before it. `acceptance`: the probability that a drafted token is accepted."""

    id: str
    chip: str
    engine: str
    draft: str
    acceptance: Figure
    chips: int = 1
    slots: int = 32
    draft_tokens: int = 4
    bytes_per_weight: float = 1
    kv_pool_bytes: int | None = None
    link: str = LINK
    role: str = "verify"
    tags: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.slots < 1 or not 1 <= self.draft_tokens <= 32:
            raise ValueError(f"worker {self.id!r}: slots is 1 or more, draft_tokens 1 to 32")
        if not self.acceptance.value < 1:
            raise ValueError(f"worker {self.id!r}: acceptance is a probability below 1")


AssistantSpec = AttentionSpec | DraftSpec
RoundSpec = FfnSpec | VerifySpec
