"""Measured rows out of CSV files of three layouts, each with what is to be simulated for it; no simulation here.

A row that cannot be simulated is a `Skipped` with the reason, never dropped in silence. A file that is none of the three layouts is an error.
"""

import csv
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emulators import catalogue
from emulators.catalogue import CatalogueError, GpuChip, LpuChip

SILICON: Final = frozenset({"model_path", "system", "mode", "backend", "isl", "osl", "concurrency", "tp_size"})
SPLITWISE: Final = frozenset({"model", "hardware", "tensor_parallel", "prompt_size", "batch_size", "token_size"})
LPU: Final = frozenset({"model", "hardware", "chips", "context", "tokens_per_s"})
MAX_FILE_BYTES: Final = 16 << 20
MAX_ROWS: Final = 20_000
MOST_CLIENTS: Final = 20_000
MOST_TOKENS: Final = 1 << 20
MOST_GENERATED: Final = 50_000_000
"""Clients × output tokens: a bound on how long one row may take."""

INFERENCEX: Final = frozenset({(1024, 1024), (1024, 8192), (8192, 1024)})
"""Prompt and output of SemiAnalysisAI/InferenceX's scenarios. Its scripts draw lengths (`--random-range-ratio 0.8`) and keep KV in 8 bits where the weights are in 8 or
fewer (`kv-cache-dtype: fp8`; gpt-oss keeps 16). Other rows have fixed lengths, and KV as the checkpoint says: 16 bits, 8 in NVIDIA's quantised ones."""
INFERENCEX_RATIO: Final = 0.8
FIXED_RATIO: Final = 0.97
"""Fixed lengths differ by some tokens, as a prompt is text that is tokenised again; how much is an assumption."""

GATED_CHIPS: Final = ("H100-SXM", "H200-SXM", "B200-SXM")

_ENGINES: Final = {"vllm": "vllm-2025", "trtllm": "trtllm-2025", "sglang": "sglang-2025"}
_LATER: Final = {"vllm": ((0, 15), "vllm-2026")}
"""The first version of a later generation, by engine."""


class RowsError(ValueError):
    """A file that cannot be read as measured rows; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row (numbered from 1, the heading not counted) that is not simulated, and why."""

    file: str
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """The engines that do one part of the work: chips per engine, and how many engines there are."""

    chips: int
    engines: int = 1


@dataclass(frozen=True, slots=True)
class GpuRow:
    """One measured configuration. `prefill` is None where one engine does both. Times in seconds, None if not measured.

    `static`: a batch that begins together and is not refilled, timed inside of the engine, instead of clients in a closed loop. `range_ratio`: the
    shortest lengths as a share of the nominal. `kv_value_bytes`: of a key's or value's element.
    """

    file: str
    number: int
    group: str
    model: str
    chip: str
    engine: str
    precision: str
    prompt: int
    output: int
    clients: int
    static: bool
    range_ratio: float
    kv_value_bytes: int
    decode: Part
    prefill: Part | None
    ttft_s: float | None
    tpot_s: float | None
    gated: bool


@dataclass(frozen=True, slots=True)
class LpuRow:
    """A published speed of one stream. `context` in tokens; `gated`: a dense model without speculation."""

    file: str
    number: int
    group: str
    model: str
    chip: str
    chips: int
    context: int
    tokens_per_s: float
    gated: bool


Row = GpuRow | LpuRow | Skipped


def read(path: Path) -> list[Row]:
    """All rows of a file. RowsError if it cannot be read, is too large, or has none of the three layouts."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise RowsError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = frozenset(reader.fieldnames or ())
            parse = _layout(path, columns)
            records = []
            for record in reader:
                records.append(record)
                if len(records) > MAX_ROWS:
                    raise RowsError(f"{path}: more than {MAX_ROWS} rows")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RowsError(f"{path}: {error}") from None
    rows: list[Row] = []
    for number, record in enumerate(records, 1):
        try:
            rows.append(parse(path.name, number, _Record(record)))
        except (CatalogueError, _BadRowError) as error:
            rows.append(Skipped(path.name, number, str(error)))
    return rows


class _BadRowError(ValueError):
    """A value of a row that is not what it should be."""


class _Record:
    """Values of a row by column, checked as they are taken."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def text(self, column: str) -> str:
        value = self._values.get(column)
        return value.strip() if isinstance(value, str) else ""

    def given(self, column: str) -> str:
        text = self.text(column)
        if not text:
            raise _BadRowError(f"{column} is missing")
        return text

    def number(self, column: str) -> float | None:
        text = self.text(column)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            raise _BadRowError(f"{column} is {text[:40]!r}, not a number") from None
        if not math.isfinite(value) or value < 0:
            raise _BadRowError(f"{column} is {text[:40]!r}, must be finite and not negative")
        return value

    def count(self, column: str, most: int) -> int:
        value = self.number(column)
        if value is None:
            raise _BadRowError(f"{column} is missing")
        if value != int(value) or not 1 <= value <= most:
            raise _BadRowError(f"{column} is {value:g}, must be a whole number from 1 to {most}")
        return int(value)

    def seconds(self, column: str) -> float | None:
        """A measured time in milliseconds, as seconds; None where it is absent or 0."""
        value = self.number(column)
        return value / 1000 if value else None


def _layout(path: Path, columns: frozenset[str]) -> Callable[[str, int, _Record], GpuRow | LpuRow]:
    layouts = ((SILICON, _silicon), (SPLITWISE, _splitwise), (LPU, _lpu))
    for needed, parse in layouts:
        if needed <= columns:
            return parse
    nearest = max((needed for needed, _ in layouts), key=lambda needed: len(needed & columns))
    if len(nearest & columns) > 1:
        raise RowsError(f"{path}: the first line lacks the columns {', '.join(sorted(nearest - columns))}")
    known = "; ".join(", ".join(sorted(needed)) for needed, _ in layouts)
    raise RowsError(f"{path}: the first line names none of these sets of columns: {known}")


def _silicon(file: str, number: int, record: _Record) -> GpuRow:
    """Columns of ai-dynamo/aiconfigurator's silicon_sample.csv."""
    model = _model(record.given("model_path"))
    chip = _gpu(record.given("system"))
    backend = record.text("backend").lower()
    if backend not in _ENGINES:
        raise _BadRowError(f"unknown engine {backend!r}; known: {', '.join(_ENGINES)}")
    precision = record.text("precision").lower() or "bf16"
    if precision not in catalogue.BYTES_PER_WEIGHT:
        raise _BadRowError(f"unknown precision {precision!r}; known: {', '.join(catalogue.BYTES_PER_WEIGHT)}")
    mode = record.text("mode").lower()
    if mode not in {"agg", "disagg"}:
        raise _BadRowError(f"mode is {mode!r}, neither agg nor disagg")
    if (record.number("pp_size") or 1) > 1:
        raise _BadRowError("pipeline parallelism is not simulated")
    prefill = None
    if mode == "disagg":
        prefill = Part(record.count("prefill_tp_size", 1024), _engines(record, "prefill_num_workers"))
        decode = Part(record.count("decode_tp_size", 1024), _engines(record, "decode_num_workers"))
        clients = record.number("concurrency") or (record.number("decode_batch_size") or 0) * decode.engines
    else:
        replicas = max(1, int(record.number("attention_dp_size") or 1))
        decode = Part(record.count("tp_size", 1024) * replicas)
        clients = record.number("concurrency") or 0
    if not 1 <= clients <= MOST_CLIENTS or clients != int(clients):
        raise _BadRowError(f"concurrency is {clients:g}; whole numbers from 1 to {MOST_CLIENTS} are simulated")
    gated = (model, precision, backend, mode) == ("llama-3.1-70b", "fp8", "vllm", "agg")
    prompt, output = record.count("isl", MOST_TOKENS), record.count("osl", MOST_TOKENS)
    ratio = record.number("random_range_ratio")
    if ratio is None:
        ratio = INFERENCEX_RATIO if (prompt, output) in INFERENCEX else FIXED_RATIO
    elif not 0 < ratio <= 1:
        raise _BadRowError(f"random_range_ratio is {ratio:g}, must be above 0 and at most 1")
    quantised = (prompt, output) in INFERENCEX or record.text("model_path").startswith("nvidia/")
    wide = precision == "bf16" or model.startswith("gpt-oss") or not quantised
    return _bounded(
        GpuRow(
            file=file,
            number=number,
            group=f"{model} {precision} {backend} {mode}",
            model=model,
            chip=chip,
            engine=_generation(backend, record.text("backend_version")),
            precision=precision,
            prompt=prompt,
            output=output,
            clients=int(clients),
            static=False,
            range_ratio=ratio,
            kv_value_bytes=2 if wide else 1,
            decode=decode,
            prefill=prefill,
            ttft_s=record.seconds("silicon_ttft_ms"),
            tpot_s=record.seconds("silicon_tpot_ms"),
            gated=gated and chip in GATED_CHIPS,
        )
    )


def _splitwise(file: str, number: int, record: _Record) -> GpuRow:
    """Columns of Mutinifni/splitwise-sim's perf_model.csv: 16-bit weights, a batch that begins together."""
    model = _model(record.given("model"))
    chip = _gpu(record.given("hardware"))
    chips = record.count("tensor_parallel", 1024)
    return _bounded(
        GpuRow(
            file=file,
            number=number,
            group=f"2023 stack TP{chips}",
            model=model,
            chip=chip,
            engine="vllm-2023",
            precision="bf16",
            prompt=record.count("prompt_size", MOST_TOKENS),
            output=record.count("token_size", MOST_TOKENS),
            clients=record.count("batch_size", MOST_CLIENTS),
            static=True,
            range_ratio=1.0,
            kv_value_bytes=2,
            decode=Part(chips),
            prefill=None,
            ttft_s=record.seconds("prompt_ms_median"),
            tpot_s=record.seconds("token_ms_median"),
            gated=chips == 8,
        )
    )


def _lpu(file: str, number: int, record: _Record) -> LpuRow:
    """Columns of this repository's calib_lpu.csv."""
    model = _model(record.given("model"))
    name = catalogue.named(catalogue.chips(), record.given("hardware"), "chip")
    if not isinstance(catalogue.chips()[name], LpuChip):
        raise _BadRowError(f"chip {name!r} is not an LPU; rows of GPUs have other columns")
    rate = record.number("tokens_per_s")
    if not rate:
        raise _BadRowError("tokens_per_s is missing")
    kind = record.text("dense").lower() or ("no" if catalogue.models()[model].experts else "yes")
    return LpuRow(
        file=file,
        number=number,
        group={"yes": "LPU dense", "no": "LPU mixture of experts"}.get(kind, "LPU with speculation"),
        model=model,
        chip=name,
        chips=record.count("chips", 1 << 20),
        context=record.count("context", 1 << 24),
        tokens_per_s=rate,
        gated=kind == "yes",
    )


def _bounded(row: GpuRow) -> GpuRow:
    if row.ttft_s is None and row.tpot_s is None:
        raise _BadRowError("neither TTFT nor TPOT was measured")
    if row.clients * row.output > MOST_GENERATED:
        raise _BadRowError(f"{row.clients} × {row.output} output tokens are more than {MOST_GENERATED}")
    return row


def _generation(backend: str, version: str) -> str:
    """The engine's table; a version that is not given, or not a number, is of the earlier generation."""
    later = _LATER.get(backend)
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if later and numbers and (int(numbers[1]), int(numbers[2])) >= later[0]:
        return later[1]
    return _ENGINES[backend]


def _engines(record: _Record, column: str) -> int:
    """How many workers; one where the file does not say."""
    return record.count(column, 4096) if record.number(column) else 1


def _model(name: str) -> str:
    return catalogue.named(catalogue.models(), name, "model")


def _gpu(name: str) -> str:
    known = catalogue.named(catalogue.chips(), name, "chip")
    if not isinstance(catalogue.chips()[known], GpuChip):
        raise _BadRowError(f"chip {known!r} does not go through the roofline; rows of LPUs have other columns")
    return known
