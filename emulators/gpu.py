"""How long one scheduler step takes on a group of GPUs: a roofline with five global constants, and the noise on it.

Not the scheduler (`emulators.gpu_worker`): tails come from what it puts together in a step, not from here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from emulators.catalogue import Engine, GpuChip, Model

ACTIVATION_BYTES: Final = 2

_DRAWN: Final = 1024


@dataclass(frozen=True, slots=True)
class StepModel:
    """t = host + s·D + max(F / (chips·peak·MFU), B / (chips·bandwidth·η)) + [chips > 1] · 2·layers·(sync + ring).

    With D decoding sequences that attend to K tokens in all, and prefill chunks of c tokens after a prefix of p each:
    F = 2·P·(D + Σc) + 4·layers·d·(K + Σ c·(p + c/2)), B = weights + KV bytes·(K + Σp); the ring term is the 2·(n−1)/n shares of the step's activations
    that an all-reduce moves per chip. `max`, as a small chunk hides under the streaming of the weights. A roofline in the
    manner of Williams et al. 2009; the constants are the catalogue's.
    """

    chips: int
    layers: int
    width: int
    parameters: int
    weight_bytes: int
    kv_bytes_per_token: int
    flops_per_s: float
    bytes_per_s: float
    ring_bytes_per_s: float
    host_s: float
    sequence_s: float
    sync_s: float

    @classmethod
    def of(
        cls, chip: GpuChip, chips: int, model: Model, engine: Engine, *, bytes_per_weight: int, bytes_per_kv_value: int
    ) -> "StepModel":
        """Weights and KV of the given precision; arithmetic and activations are 16-bit."""
        return cls(
            chips=chips,
            layers=model.layers,
            width=model.heads * model.head_dim,
            parameters=model.parameters,
            weight_bytes=model.parameters * bytes_per_weight,
            kv_bytes_per_token=model.kv_bytes_per_token(bytes_per_kv_value),
            flops_per_s=chips * chip.peak.flops_bf16.value * chip.effective.mfu.value,
            bytes_per_s=chips * chip.peak.memory_bytes_per_s.value * chip.effective.memory_efficiency.value,
            ring_bytes_per_s=chip.peak.scale_up_bytes_per_s.value,
            host_s=engine.host_s.value,
            sequence_s=engine.sequence_s.value,
            sync_s=engine.sync_s.value,
        )

    def seconds(self, decoding: int, attended: int, chunks: Sequence[tuple[int, int]] = ()) -> float:
        """Time of a step: `attended` tokens are the K above; each chunk is (tokens, prefix tokens)."""
        tokens, pairs, prefixes = decoding, float(attended), attended
        for chunk, prefix in chunks:
            tokens += chunk
            pairs += chunk * (prefix + chunk / 2)
            prefixes += prefix
        flops = 2 * self.parameters * tokens + 4 * self.layers * self.width * pairs
        size = self.weight_bytes + self.kv_bytes_per_token * prefixes
        time = self.host_s + self.sequence_s * decoding + max(flops / self.flops_per_s, size / self.bytes_per_s)
        if self.chips > 1:
            share = 2 * (self.chips - 1) / self.chips
            ring = share * tokens * self.width * ACTIVATION_BYTES / self.ring_bytes_per_s
            time += 2 * self.layers * (self.sync_s + ring)
        return time

    def prefill_seconds(self, tokens: int) -> float:
        """Time to compute so many prompt tokens, steps and attention left out: what a router can estimate."""
        return 2 * self.parameters * tokens / self.flops_per_s


class StepNoise:
    """Factors on step times: lognormal with median 1, and now and then a spike of the host, at a stated rate per step."""

    __slots__ = ("_at", "_engine", "_factors", "_rng")

    def __init__(self, rng: np.random.Generator, engine: Engine) -> None:
        self._rng = rng
        self._engine = engine
        self._factors: list[float] = []
        self._at = 0

    def factor(self) -> float:
        if self._at == len(self._factors):
            self._draw()
        self._at += 1
        return self._factors[self._at - 1]

    def _draw(self) -> None:
        engine, rng = self._engine, self._rng
        factors = rng.lognormal(0.0, engine.noise_sigma.value, _DRAWN)
        spikes = rng.random(_DRAWN) < engine.spike_rate.value
        factors[spikes] *= rng.uniform(engine.spike_low.value, engine.spike_high.value, _DRAWN)[spikes]
        self._factors, self._at = factors.tolist(), 0


def pool_bytes(chip: GpuChip, chips: int, weight_bytes: int, engine: Engine) -> int:
    """Memory left for KV: the share that the engine takes, less the weights."""
    left = math.floor(chips * chip.peak.memory_bytes.value * engine.memory_share.value) - weight_bytes
    if left <= 0:
        raise ValueError(f"{weight_bytes} bytes of weights leave no room for KV on {chips} chips")
    return left
