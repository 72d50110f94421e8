"""What a table of each kind holds, and what follows from a model's architecture alone: bytes of KV, weights that a step reads, attended tokens."""

import math
from typing import Final

import msgspec

BYTES_PER_WEIGHT: Final = {"bf16": 2.0, "fp8": 1.0, "fp4": 0.6}
"""Bytes of a weight by precision; 4-bit formats carry an 8-bit scale for every 16 values (NVFP4), and leave embeddings and head in 16 bits: 42 GB of
nvidia/Llama-3.1-70B-Instruct-FP4."""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all tables have in common: a field that is not known is an error."""


class Figure(Table, frozen=True):
    """A number, who says so, and when that was published (or read). `assumed`: nobody publishes it."""

    value: float
    source: str
    date: str
    assumed: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value > 0):
            raise ValueError(f"value is {self.value}, must be above 0 (leave out what is not there)")
        if not self.source or not self.date:
            raise ValueError("source and date must say who publishes the figure and when")


class GpuPeak(Table, frozen=True):
    """Bytes, bytes/s, dense FLOP/s (integer operations/s), watts; `scale_up_bytes_per_s` is the link to a peer in the same domain, one direction, as
    are PCIe and NIC. None: not published, or the chip has it not."""

    memory_bytes: Figure
    memory_bytes_per_s: Figure
    flops_bf16: Figure
    scale_up_bytes_per_s: Figure
    flops_fp8: Figure | None = None
    flops_fp4: Figure | None = None
    ops_int8: Figure | None = None
    pcie_bytes_per_s: Figure | None = None
    nic_bytes_per_s: Figure | None = None
    tdp_w: Figure | None = None

    def native(self, precision: str) -> bool:
        """Whether the chip multiplies weights of this precision as they are; else they are widened to 16 bits on the way."""
        return precision == "bf16" or (self.flops_fp4 if precision == "fp4" else self.flops_fp8) is not None

    def flops(self, precision: str) -> float:
        """FLOP/s for weights of this precision; weights narrower than what the chip computes in are widened to bf16.

        4-bit weights are computed at the 8-bit rate: activations stay in 8 bits, or the rest of the step takes so much longer
        (ai-dynamo/aiconfigurator silicon_sample.csv @095f58a5, Llama-3.1-70B FP4 on B200: at the 4-bit rate 11 to 28 % too fast).
        """
        if precision == "bf16" or not self.native(precision):
            return self.flops_bf16.value
        return (self.flops_fp8 or self.flops_bf16).value


class GpuEffective(Table, frozen=True):
    """Shares of the peak that serving reaches: of memory bandwidth and of FLOP/s (in 16 bits `mfu_bf16`, where it is given). `nccl_hop_s`: latency of a small NCCL all-reduce over n chips,
    divided by n − 1; None where nobody measured it."""

    memory_efficiency: Figure
    mfu: Figure
    mfu_bf16: Figure | None = None
    nccl_hop_s: Figure | None = None


class GpuChip(Table, frozen=True, tag="GPU", tag_field="device"):
    """A chip whose step time is a roofline (`emulators.gpu`). `names`: what others call it. `status`: if it is not simply on sale."""

    tier: str
    peak: GpuPeak
    effective: GpuEffective
    names: tuple[str, ...] = ()
    status: str | None = None

    @property
    def device(self) -> str:
        return "GPU"

    def mfu(self, precision: str) -> float:
        """The share of `peak.flops` that serving reaches with weights of this precision."""
        wide = self.effective.mfu_bf16 if precision == "bf16" or not self.peak.native(precision) else None
        return (wide or self.effective.mfu).value


class TpuChip(GpuChip, frozen=True, tag="TPU", tag_field="device"):
    """The same for a TPU."""

    @property
    def device(self) -> str:
        return "TPU"


class TrainiumChip(GpuChip, frozen=True, tag="Trainium", tag_field="device"):
    """The same for Trainium."""

    @property
    def device(self) -> str:
        return "Trainium"


class LpuPeak(Table, frozen=True):
    """Bytes, bytes/s, FLOP/s, watts of what the table calls one chip. None: not published."""

    memory_bytes: Figure
    memory_bytes_per_s: Figure
    flops_bf16: Figure | None = None
    flops_fp8: Figure | None = None
    ops_int8: Figure | None = None
    scale_up_bytes_per_s: Figure | None = None
    tdp_w: Figure | None = None


class LpuEffective(Table, frozen=True):
    """Seconds of a token on its way through the pipeline: a layer, more per unit of the model's width, more if the layer has experts, the head per
    word of the vocabulary, sampling; and the realignment of its clock. None: no such part is known."""

    layer_s: Figure
    sampling_s: Figure
    realign_s: Figure
    realign_every_s: Figure
    layer_width_s: Figure | None = None
    moe_layer_s: Figure | None = None
    vocabulary_s: Figure | None = None
    average_w: Figure | None = None


class LpuChip(Table, frozen=True, tag="LPU", tag_field="device"):
    """A chip whose token time is a sum of layer latencies (`emulators.lpu`)."""

    tier: str
    peak: LpuPeak
    effective: LpuEffective
    names: tuple[str, ...] = ()
    status: str | None = None

    @property
    def device(self) -> str:
        return "LPU"


class WseChip(LpuChip, frozen=True, tag="WSE", tag_field="device"):
    """The same for a wafer."""

    @property
    def device(self) -> str:
        return "WSE"


Chip = GpuChip | TpuChip | TrainiumChip | LpuChip | WseChip


class Model(Table, frozen=True):
    """A transformer; meanings of the fields in models.toml. Dense without `experts`."""

    source: str
    date: str
    parameters: int
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    names: tuple[str, ...] = ()
    latent_dim: int = 0
    active_parameters: int = 0
    experts: int = 0
    experts_per_token: int = 0
    moe_layers: int = 0
    window: int = 0
    window_layers: int = 0

    def __post_init__(self) -> None:
        for name in ("parameters", "layers", "hidden", "heads", "kv_heads", "head_dim", "vocabulary"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be above 0")
        if self.experts and not (
            0 < self.experts_per_token < self.experts
            and 0 < self.active_parameters < self.parameters
            and 0 < self.moe_layers <= self.layers
        ):
            raise ValueError("a model with experts needs active_parameters, experts_per_token < experts and moe_layers")
        if self.window_layers and not (0 < self.window_layers <= self.layers and self.window > 0):
            raise ValueError("window_layers must be at most layers, with a window above 0")

    def kv_bytes_per_token(self, value_bytes: int) -> int:
        """Keys and values (or the latent that stands for both) of one token in all layers."""
        return self.layers * (self.latent_dim or 2 * self.kv_heads * self.head_dim) * value_bytes

    @property
    def active(self) -> int:
        """Parameters that one token is multiplied with."""
        return self.active_parameters or self.parameters

    @property
    def routed_parameters(self) -> float:
        """Parameters in experts that a token may be sent to, from: all − active = (1 − k/E) · routed."""
        if not self.experts:
            return 0.0
        return (self.parameters - self.active) / (1 - self.experts_per_token / self.experts)


class Engine(Table, frozen=True):
    """A generation of serving software; meanings in engines.toml."""

    host_s: Figure
    sequence_layer_s: Figure
    sync_s: Figure
    front_end_s: Figure
    chunk_tokens: Figure
    max_sequences: Figure
    memory_share: Figure
    noise_sigma: Figure
    spike_rate: Figure
    spike_low: Figure
    spike_high: Figure
    names: tuple[str, ...] = ()
    prefill_first: bool = False
    nccl: bool = False
    layer_s: Figure | None = None
    launch_s: Figure | None = None
    memory_factor: Figure | None = None
    arithmetic_factor: Figure | None = None


class Price(Table, frozen=True):
    """US dollars for one chip and hour."""

    per_hour: Figure


class Link(Table, frozen=True):
    """Bytes/s by the standard, bytes/s that transfers of KV get, seconds before the first byte."""

    peak_bytes_per_s: Figure
    effective_bytes_per_s: Figure
    latency_s: Figure
