"""When an LPU group (or a wafer) delivers a token: a fixed time after the one before, whatever else runs, until its pipeline slots are full.

Layer latency, not bandwidth: one token passes layer after layer, group after group of chips. Device jitter is exactly 0 but for steps of less than a
microsecond by which software realigns the clock. Both are assumptions: the rates that vendors publish collapse onto one time per
layer, but nobody publishes jitter. What varies visibly comes from host, queue and transfer (`emulators.lpu_worker`).
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Final

import numpy as np

from emulators.catalogue import Figure, LpuChip, Model
from emulators.phases import grown
from emulators.stats import Ints

_DRAWN: Final = 1024


def context_bucket(tokens: int, least: int) -> int:
    """The context that the program of a request with so many tokens is compiled for: `least`, or the next power of two; an assumption."""
    return max(least, 1 << (tokens - 1).bit_length())


def token_gap_ns(chip: LpuChip, chips: int, model: Model, context: int, bytes_per_kv_value: int) -> int:
    """Time between two tokens of one request whose program is for `context` tokens: layers × time per layer + attention + head + sampling.

    Attention is each layer's KV read at the bandwidth of the chips that hold the layer, one layer after the other; layers are spread evenly.
    """
    effective = chip.effective
    layer = effective.layer_s.value + value(effective.layer_width_s) * model.hidden
    head = value(effective.vocabulary_s) * model.vocabulary
    windowed = model.window_layers / model.layers
    seen = context * (1 - windowed) + min(context, model.window) * windowed
    bandwidth = chips * chip.peak.memory_bytes_per_s.value / model.layers
    attention = model.kv_bytes_per_token(bytes_per_kv_value) * seen / bandwidth
    experts = value(effective.moe_layer_s) * model.moe_layers
    return round((model.layers * layer + experts + attention + head + effective.sampling_s.value) * 1e9)


def pass_reads(model: Model, bytes_per_weight: float, bytes_per_kv_value: int) -> Callable[[int, int], tuple[int, int]]:
    """Bytes of weights and of KV that so many passes of one request read from SRAM, from a context on: every pass the weights that a token is multiplied with, and the KV so far."""
    layer = model.kv_bytes_per_token(bytes_per_kv_value) // model.layers
    windowed = layer * model.window_layers
    weights, kv = math.ceil(model.active * bytes_per_weight), layer * model.layers - windowed

    def reads(context: int, passes: int) -> tuple[int, int]:
        size = kv * grown(context, passes)
        if windowed:
            size += windowed * grown(context, passes, model.window)
        return weights * passes, size

    return reads


def value(figure: Figure | None) -> float:
    """Of a figure, 0 where there is no such part."""
    return figure.value if figure else 0.0


def sram_left(chip: LpuChip, chips: int, model: Model, bytes_per_weight: float) -> int:
    """Bytes of the group's SRAM that weights leave for KV. ValueError if they do not fit."""
    weights = math.ceil(model.parameters * bytes_per_weight)
    left = math.floor(chips * chip.peak.memory_bytes.value) - weights
    if left <= 0:
        raise ValueError(f"{weights} bytes of weights do not fit into the SRAM of {chips} chips")
    return left


class DeviceClock:
    """Program time, which has no jitter, to time on the cluster's clock: behind by the sum of all realignments so far.

    Each period ends with a realignment of 0 or more, less than `most_ns`; whoever lets it slip adds to that.
    """

    __slots__ = ("_behind", "_most_ns", "_period_ns", "_rng", "_slip_sums", "_slips")

    def __init__(self, rng: np.random.Generator, *, period_ns: int, most_ns: int) -> None:
        self._rng = rng
        self._period_ns = period_ns
        self._most_ns = most_ns
        self._behind: Ints = np.zeros(1, np.int64)
        self._slips: list[int] = []
        """From which program times on it slipped; the sums of how far, from 0 on."""
        self._slip_sums = [0]

    def time_ns(self, program_ns: int) -> int:
        period = program_ns // self._period_ns
        self._reach(period)
        return program_ns + int(self._behind[period]) + self._slip_sums[bisect_right(self._slips, program_ns)]

    def slip(self, now_ns: int, by_ns: int) -> None:
        """All that is not over on the cluster's clock comes so much later. Times of slips do not go back."""
        self._reach(now_ns // self._period_ns)
        least = max(0, now_ns - int(self._behind[now_ns // self._period_ns]) - self._slip_sums[-1])
        self._slips.append(bisect_left(range(now_ns + 1), now_ns, least, key=self.time_ns))
        self._slip_sums.append(self._slip_sums[-1] + by_ns)

    def times_ns(self, program_ns: Ints) -> Ints:
        """The same for ascending times."""
        if not len(program_ns):
            return program_ns
        periods = program_ns // self._period_ns
        self._reach(int(periods[-1]))
        times: Ints = program_ns + self._behind[periods]
        if self._slips:
            times += np.array(self._slip_sums)[np.searchsorted(self._slips, program_ns, side="right")]
        return times

    def next_in_phase(self, now_ns: int, phase_ns: int, every_ns: int) -> int:
        """The first program time that is `phase_ns` past a multiple of `every_ns` and not before `now_ns` on the cluster's clock."""
        self._reach(now_ns // self._period_ns)
        behind = int(self._behind[now_ns // self._period_ns]) + self._slip_sums[-1]
        program_ns = phase_ns + max(0, -(-(now_ns - behind - phase_ns) // every_ns)) * every_ns
        # Never too late, as the clock was less behind before; too early if it has been realigned since.
        while self.time_ns(program_ns) < now_ns:
            program_ns += every_ns
        return program_ns

    def _reach(self, period: int) -> None:
        # Always as many at a time: what one draw yields depends on how many it is asked for.
        while period >= len(self._behind):
            steps = self._rng.integers(0, max(1, self._most_ns), _DRAWN)
            self._behind = np.concatenate([self._behind, self._behind[-1] + np.cumsum(steps)])
