"""Attention and FFN on different devices: attention with the KV on GPUs, the FFN on an LPU group, and the activations of every layer there and back.

    token time = host + layers · max(A + F + 2·X, m · max(A, F, X)) + head + sampling

A, F and X are the times of attention, FFN and one crossing for one micro-batch of a layer; the batch is cut into m of them, which are at different places at the same time: a layer takes what one
micro-batch needs for the whole way, or what the busiest place needs for all of them (the ping-pong pipeline of MegaScale-Infer, Zhu et al., arXiv 2504.02263). NVIDIA describes the split for
Groq 3 LPX (developer.nvidia.com, Inside NVIDIA Groq 3 LPX) without times: what follows for A, F and X is assumed, from the figures of each device alone.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from emulators.catalogue import Engine, Link, LpuChip, Model
from emulators.gpu import ACTIVATION_BYTES, Noise, StepModel, precision
from emulators.lpu import value
from emulators.round_worker import Round
from emulators.stats import Ints

KERNEL_SHARE: Final = 0.5
"""Of an engine's fixed time a layer, and of that for each sequence, what belongs to attention: an assumption."""
MFU: Final = 0.5
"""Share of an LPU's arithmetic that an FFN reaches: an assumption, as the GPUs'."""
CROSSINGS: Final = 2
"""Of the link, a layer."""


def attention_parameters(model: Model) -> int:
    """Of all layers: projections of queries, keys, values and output."""
    return model.layers * 2 * model.hidden * model.head_dim * (model.heads + model.kv_heads)


def ffn_parameters(model: Model) -> int:
    """What is neither attention nor embedding, which stay on the GPU: the FFN of all layers, and the head. ValueError where the figures of the model leave nothing."""
    left = model.parameters - attention_parameters(model) - model.vocabulary * model.hidden
    if left <= 0 or model.latent_dim:
        raise ValueError("the model's figures do not say what of it is attention and what FFN")
    return left


@dataclass(slots=True)
class Afd:
    """A deployment (`emulators.round_worker`). `steps` are those of the GPU with the whole model, of whose figures attention's share is taken."""

    chip: LpuChip
    chips: int
    model: Model
    steps: StepModel
    software: Engine
    noise: Noise
    link: Link
    micro_batches: int
    gpu_bytes_per_weight: float
    lpu_bytes_per_weight: float

    def layer_s(self, sequences: int, attended: float) -> tuple[float, float, float]:
        """A, F and X for one micro-batch of so many sequences that attend to so many tokens in all."""
        model, steps, software = self.model, self.steps, self.software
        weights = attention_parameters(model) / model.layers
        arithmetic = (2 * weights * sequences + 4 * steps.width * attended) / steps.flops_per_s
        kv = steps.kv_bytes_per_token / model.layers * attended
        streaming = (weights * self.gpu_bytes_per_weight + kv) / steps.bytes_per_s
        fixed = KERNEL_SHARE * (value(software.layer_s) + software.sequence_layer_s.value * sequences)
        activations = sequences * model.hidden * ACTIVATION_BYTES
        if steps.chips > 1:
            share = 2 * (steps.chips - 1) / steps.chips
            fixed += steps.sync_s + share * activations / steps.ring_bytes_per_s
        crossing = self.link.latency_s.value + activations / self.link.effective_bytes_per_s.value
        return fixed + max(arithmetic, streaming), self._ffn_s(sequences), crossing

    def plan(self, contexts: Ints, left: Ints) -> Round:
        """One token of every sequence. Counted: crossings of tokens through all layers, and times summed over micro-batches, which overlap."""
        model, sequences = self.model, len(contexts)
        parts = min(self.micro_batches, sequences)
        attended = self.steps.attended(contexts)
        attention, ffn, crossing = self.layer_s(-(-sequences // parts), attended / parts)
        noise = float(self.noise.peek(1)[0])
        self.noise.skip(1)
        attention *= noise
        layer = max(attention + ffn + CROSSINGS * crossing, parts * max(attention, ffn, crossing))
        end = value(self.chip.effective.vocabulary_s) * model.vocabulary + self.chip.effective.sampling_s.value
        crossings = CROSSINGS * model.layers
        host = self.software.host_s.value * noise
        kv = round(self.steps.kv_bytes_per_token * attended)
        weights = math.ceil(attention_parameters(model) * self.gpu_bytes_per_weight) * parts
        return Round(
            duration_ns=round((host + model.layers * layer + end) * 1e9),
            primary_ns=round((model.layers * ffn + end) * 1e9),
            beside_after_ns=0,
            beside_ns=round((host + model.layers * attention) * 1e9),
            tokens=np.ones_like(left),
            reads=(sequences * math.ceil(self._ffn_active() * self.lpu_bytes_per_weight), 0),
            beside_reads=(weights, kv),
            counts={
                "crossings": sequences * crossings,
                "crossing_bytes": sequences * crossings * model.hidden * ACTIVATION_BYTES,
                "attention_ns": round(model.layers * attention * parts * 1e9),
                "ffn_ns": round(model.layers * ffn * parts * 1e9),
                "crossing_ns": round(crossings * crossing * parts * 1e9),
            },
        )

    def _ffn_active(self) -> float:
        """Parameters of head and FFNs that a token is multiplied with."""
        return ffn_parameters(self.model) - (self.model.parameters - self.model.active)

    def _ffn_s(self, sequences: int) -> float:
        """The layer's time, or the arithmetic of all sequences on the chips that hold the layer, where it is published what those can do."""
        model, effective, peak = self.model, self.chip.effective, self.chip.peak
        layer = effective.layer_s.value + value(effective.layer_width_s) * model.hidden
        layer += value(effective.moe_layer_s) * model.moe_layers / model.layers
        flops = peak.flops_bf16 if precision(self.lpu_bytes_per_weight) == "bf16" else peak.flops_fp8 or peak.ops_int8
        if flops is None:
            return layer
        return max(layer, 2 * self._ffn_active() * sequences / (self.chips * flops.value * MFU))
