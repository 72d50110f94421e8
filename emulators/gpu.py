"""How long one scheduler step takes on a group of GPUs, TPUs or Trainium chips: a roofline with few global constants, and the noise on it.

Not the scheduler (`emulators.gpu_worker`): tails come from what it puts together in a step, not from here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from emulators.catalogue import BYTES_PER_WEIGHT, Engine, GpuChip, Model
from emulators.phases import grown
from emulators.stats import Floats, Ints

ACTIVATION_BYTES: Final = 2
UNPACKED: Final = 0.7
"""What is left of both rates where weights are narrower than what the chip multiplies, and are unpacked on the way: reproduces gpt-oss-120b in 4 bits on H200
(ai-dynamo/aiconfigurator silicon_sample.csv @095f58a5); taken for all chips and precisions."""

_DRAWN: Final = 1024


@dataclass(frozen=True, slots=True)
class StepModel:
    """t = host + s·D + max(F / (chips·peak·MFU), B / (chips·bandwidth·η), launch) + [chips > 1] · 2·layers·(sync + ring).

    With D decoding sequences that attend to K tokens in all, and prefill chunks of c tokens after a prefix of p each:
    F = 2·P·(D + Σc) + 4·layers·d·(K + Σ c·(p + c/2)), B = weights + KV bytes·(K + Σp); the ring term is the 2·(n−1)/n shares of the step's activations
    that an all-reduce moves per chip. `max`, as a small chunk hides under the streaming of the weights, and both under the launching of kernels where
    software does that one by one. A roofline in the
    manner of Williams et al. 2009; the constants are the catalogue's.

    P is what a token is multiplied with (the active parameters of a mixture of experts); of the experts' weights a step reads those that any of its
    tokens is sent to: with T tokens that each choose k of E at random, 1 − (1 − k/E)^T of them. Layers with a window attend to the last `window` tokens only.
    Latent attention has no heads of keys and values to divide, so its sequences are: each chip schedules its own, and s is divided by their number.
    """

    chips: int
    layers: int
    width: int
    hidden: int
    parameters: int
    weight_bytes: int
    kv_bytes_per_token: int
    flops_per_s: float
    bytes_per_s: float
    ring_bytes_per_s: float
    host_s: float
    sequence_s: float
    sync_s: float
    routed_bytes: float = 0.0
    expert_share: float = 1.0
    window: int = 0
    window_share: float = 0.0
    launch_s: float = 0.0

    @classmethod
    def of(
        cls,
        chip: GpuChip,
        chips: int,
        model: Model,
        engine: Engine,
        *,
        bytes_per_weight: float,
        bytes_per_kv_value: int,
    ) -> "StepModel":
        """Weights and KV of the given precision; arithmetic is in the weights' where the chip has it, activations are 16-bit."""
        streaming = engine.memory_factor.value if engine.memory_factor else 1.0
        arithmetic = engine.arithmetic_factor.value if engine.arithmetic_factor else 1.0
        used = precision(bytes_per_weight)
        if not chip.peak.native(used):
            streaming, arithmetic = streaming * UNPACKED, arithmetic * UNPACKED
        hop = chip.effective.nccl_hop_s if engine.nccl else None
        return cls(
            chips=chips,
            layers=model.layers,
            width=model.heads * model.head_dim,
            hidden=model.hidden,
            parameters=model.active,
            weight_bytes=math.ceil(model.parameters * bytes_per_weight),
            kv_bytes_per_token=model.kv_bytes_per_token(bytes_per_kv_value),
            flops_per_s=chips * chip.peak.flops(used) * chip.mfu(used) * arithmetic,
            bytes_per_s=chips * chip.peak.memory_bytes_per_s.value * chip.effective.memory_efficiency.value * streaming,
            ring_bytes_per_s=chip.peak.scale_up_bytes_per_s.value,
            host_s=engine.host_s.value + model.layers * (engine.layer_s.value if engine.layer_s else 0.0),
            sequence_s=model.layers * engine.sequence_layer_s.value / (chips if model.latent_dim else 1),
            sync_s=hop.value * (chips - 1) if hop else engine.sync_s.value,
            routed_bytes=model.routed_parameters * bytes_per_weight,
            expert_share=model.experts_per_token / model.experts if model.experts else 1.0,
            window=model.window,
            window_share=model.window_layers / model.layers,
            launch_s=engine.launch_s.value if engine.launch_s else 0.0,
        )

    def seconds(self, decoding: int, attended: float, chunks: Sequence[tuple[int, int]] = ()) -> float:
        """Time of a step: `attended` tokens are the K above (as `attended` gives it); each chunk is (tokens, prefix tokens)."""
        tokens, pairs, prefixes = decoding, float(attended), float(attended)
        for chunk, prefix in chunks:
            tokens += chunk
            full = prefix + chunk / 2
            pairs += chunk * self.seen(full)
            prefixes += self.seen(prefix)
        arithmetic = self._arithmetic_s(tokens, pairs)
        return self._fixed_s(decoding, tokens) + max(arithmetic, self._streaming_s(tokens, prefixes), self.launch_s)

    def verify_seconds(self, sequences: int, each: int, attended: float) -> float:
        """Time of a step that computes `each` tokens of every sequence: each reads its context once, and all of its tokens attend to it."""
        tokens = sequences * each
        arithmetic = self._arithmetic_s(tokens, attended * each)
        return self._fixed_s(sequences, tokens) + max(arithmetic, self._streaming_s(tokens, attended), self.launch_s)

    def run_seconds(self, contexts: Ints, steps: int) -> Floats:
        """Times of so many steps one after the other that only decode; `contexts` are the sequences' tokens at the start."""
        decoding = len(contexts)
        grown = np.arange(steps)
        attended = np.multiply(grown, float(decoding), dtype=np.float64)
        attended += int(np.add.reduce(contexts))
        if self.window_share:
            within = np.minimum(contexts[:, None] + grown, self.window).sum(axis=0)
            attended = attended * (1 - self.window_share) + within * self.window_share
        times = attended * (4 * self.layers * self.width)
        times += 2 * self.parameters * decoding
        times /= self.flops_per_s
        streaming = attended * self.kv_bytes_per_token
        streaming += self._weights_read(decoding)
        streaming /= self.bytes_per_s
        np.maximum(times, streaming, out=times)
        if self.launch_s:
            np.maximum(times, self.launch_s, out=times)
        times += self._fixed_s(decoding, decoding)
        return times

    def reads(self, tokens: int, attended: float) -> tuple[int, int]:
        """Bytes of weights, and of KV, that a step of `tokens` tokens reads; `attended` is the K above, prefixes included."""
        return round(self._weights_read(tokens)), round(self.kv_bytes_per_token * attended)

    def run_reads(self, contexts: Ints, steps: int) -> tuple[int, int]:
        """The same for so many steps that only decode: in whole bytes, so that it does not depend on how a run is divided."""
        decoding = len(contexts)
        weights = steps * round(self._weights_read(decoding))
        kv = self.kv_bytes_per_token
        within_kv = round(kv * self.window_share)
        size = (kv - within_kv) * (steps * int(np.add.reduce(contexts)) + decoding * (steps * (steps - 1) // 2))
        if within_kv:
            size += within_kv * sum(grown(context, steps, self.window) for context in contexts.tolist())
        return weights, size

    def attended(self, contexts: Ints) -> float:
        """Tokens of context that a step reads for these sequences, a token in all layers counting 1."""
        total = float(np.add.reduce(contexts))
        if not self.window_share:
            return total
        within = float(np.minimum(contexts, self.window).sum())
        return total * (1 - self.window_share) + within * self.window_share

    def prefill_seconds(self, tokens: int) -> float:
        """Time to compute so many prompt tokens, steps and attention left out: what a router can estimate."""
        return 2 * self.parameters * tokens / self.flops_per_s

    def seen(self, context: float) -> float:
        """The same for one sequence."""
        if not self.window_share:
            return context
        return context * (1 - self.window_share) + min(context, self.window) * self.window_share

    def _arithmetic_s(self, tokens: int, pairs: float) -> float:
        return (2 * self.parameters * tokens + 4 * self.layers * self.width * pairs) / self.flops_per_s

    def _streaming_s(self, tokens: int, attended: float) -> float:
        return (self._weights_read(tokens) + self.kv_bytes_per_token * attended) / self.bytes_per_s

    def _weights_read(self, tokens: int) -> float:
        if not self.routed_bytes:
            return self.weight_bytes
        return float(self.weight_bytes - self.routed_bytes * (1 - self.expert_share) ** tokens)

    def _fixed_s(self, decoding: int, tokens: int) -> float:
        time = self.host_s + self.sequence_s * decoding
        if self.chips > 1:
            share = 2 * (self.chips - 1) / self.chips
            ring = share * tokens * self.hidden * ACTIVATION_BYTES / self.ring_bytes_per_s
            time += 2 * self.layers * (self.sync_s + ring)
        return time


def precision(bytes_per_weight: float) -> str:
    """The narrowest precision of `BYTES_PER_WEIGHT` that takes no less than so many bytes."""
    return min((size, name) for name, size in BYTES_PER_WEIGHT.items() if size >= bytes_per_weight)[1]


class Noise(Protocol):
    """Factors on step times."""

    def peek(self, steps: int) -> Floats:
        """Factors of the next steps, which are not over before `skip`."""

    def skip(self, steps: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Slowed:
    """Steps that all take `factor` times as long as they would."""

    noise: Noise
    factor: float

    def peek(self, steps: int) -> Floats:
        return self.noise.peek(steps) * self.factor

    def skip(self, steps: int) -> None:
        self.noise.skip(steps)


class StepNoise:
    """Factors on step times: lognormal with median 1, and now and then a spike of the host, at a stated rate per step."""

    __slots__ = ("_at", "_engine", "_factors", "_rng")

    def __init__(self, rng: np.random.Generator, engine: Engine) -> None:
        self._rng = rng
        self._engine = engine
        self._factors: Floats = np.empty(0)
        self._at = 0
        """Of these, the first that is not over."""

    def peek(self, steps: int) -> Floats:
        """Factors of the next steps, which are not over before `skip`."""
        while self._at + steps > len(self._factors):
            self._factors = np.concatenate([self._factors[self._at :], self._draw()])
            self._at = 0
        return self._factors[self._at : self._at + steps]

    def skip(self, steps: int) -> None:
        self._at += steps

    def _draw(self) -> Floats:
        # Always as many at a time: what one draw yields depends on how many it is asked for.
        engine, rng = self._engine, self._rng
        factors: Floats = rng.lognormal(0.0, engine.noise_sigma.value, _DRAWN)
        spikes = rng.random(_DRAWN) < engine.spike_rate.value
        factors[spikes] *= rng.uniform(engine.spike_low.value, engine.spike_high.value, _DRAWN)[spikes]
        return factors


def pool_bytes(chip: GpuChip, chips: int, weight_bytes: int, engine: Engine) -> int:
    """Memory left for KV: the share that the engine takes, less the weights."""
    left = math.floor(chips * chip.peak.memory_bytes.value * engine.memory_share.value) - weight_bytes
    if left <= 0:
        raise ValueError(f"{weight_bytes} bytes of weights leave no room for KV on {chips} chips")
    return left
