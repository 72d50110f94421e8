"""What the emulator says of a measured row: the clients that the benchmark had, on the engines that the row names.

Clients of closed loops are those of the benchmark behind the rows (SemiAnalysisAI/InferenceX benchmarks/*.sh, kimbochen/bench_serving): ten requests a client,
lengths uniform from a share of the nominal up to it, room for as many sequences as clients.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from emulators import catalogue
from emulators.calibration.closed_loop import DoesNotFitError, Engines, Load, run
from emulators.calibration.rows import GpuRow, LpuRow, Part
from emulators.catalogue import BYTES_PER_WEIGHT, Engine, Figure
from emulators.gpu import StepModel, pool_bytes
from emulators.lpu import token_gap_ns

REQUESTS_PER_CLIENT: Final = 10
FEWER_BEYOND: Final = 2_560
"""Requests beyond which each client sends two only: enough for the first burst and what follows it."""
KV_LINK: Final = "rdma-400g"


class CannotSimulateError(ValueError):
    """A configuration that the emulator refuses; the message says why."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """Seconds, means over the requests of a row; None where the row has no such figure."""

    ttft_s: float | None
    tpot_s: float | None
    preemptions: int = 0


def gpu_row(row: GpuRow) -> Simulated:
    """CannotSimulateError if weights or a request do not fit."""
    engine = catalogue.engines()[row.engine]
    if engine.max_sequences.value < row.clients:
        engine = msgspec.structs.replace(engine, max_sequences=_set(engine.max_sequences, row.clients))
    each = REQUESTS_PER_CLIENT if row.clients * REQUESTS_PER_CLIENT <= FEWER_BEYOND else 2
    load = Load(row.prompt, row.output, row.clients, row.clients * (1 if row.static else each), row.range_ratio)
    try:
        decode = _engines(row, row.decode, engine)
        prefill = _engines(row, row.prefill, engine) if row.prefill else None
        timed = run(engine, load, decode, prefill, catalogue.links()[KV_LINK])
    except (DoesNotFitError, ValueError) as error:
        raise CannotSimulateError(str(error)) from None
    return Simulated(timed.ttft_s, timed.tpot_s, timed.preemptions)


def lpu_row(row: LpuRow) -> Simulated:
    """One stream: its time per token is that of a pass."""
    gap = token_gap_ns(catalogue.lpu(row.chip), row.chips, catalogue.models()[row.model], row.context, 2)
    return Simulated(None, gap / 1e9)


def _engines(row: GpuRow, part: Part, engine: Engine) -> Engines:
    chip = catalogue.gpu(row.chip)
    steps = StepModel.of(
        chip,
        part.chips,
        catalogue.models()[row.model],
        engine,
        bytes_per_weight=BYTES_PER_WEIGHT[row.precision],
        bytes_per_kv_value=row.kv_value_bytes,
    )
    return Engines(steps, pool_bytes(chip, part.chips, steps.weight_bytes, engine), part.engines)


def _set(figure: Figure, value: float) -> Figure:
    return msgspec.structs.replace(figure, value=float(value), source="as many as there are clients")
