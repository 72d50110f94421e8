"""Errors of simulated rows: each row's, means and bias by group, and whether the gates hold. Plain data for JSON, and the same as text.

An error is simulated / measured − 1. `mape` is the mean of its absolute value, `bias` its mean.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from emulators.calibration.rows import GpuRow, LpuRow, Skipped
from emulators.calibration.simulate import Simulated

SCHEMA: Final = "tokenyard.calibration/1"
HOPPER: Final = ("H100-SXM", "H200-SXM")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """A row, what the emulator says of it, and the errors; None where nothing was measured."""

    row: GpuRow | LpuRow
    simulated: Simulated

    @property
    def measured_tpot_s(self) -> float | None:
        return 1 / self.row.tokens_per_s if isinstance(self.row, LpuRow) else self.row.tpot_s

    @property
    def measured_ttft_s(self) -> float | None:
        return None if isinstance(self.row, LpuRow) else self.row.ttft_s

    @property
    def tpot_error(self) -> float | None:
        return _error(self.simulated.tpot_s, self.measured_tpot_s)

    @property
    def ttft_error(self) -> float | None:
        return _error(self.simulated.ttft_s, self.measured_ttft_s)


@dataclass(frozen=True, slots=True)
class Gate:
    """A bar: the mean absolute error of some rows, or each row's own."""

    name: str
    limit: float
    of: Callable[[Result], float | None]
    member: Callable[[Result], bool]
    each: bool = False


def _gpu_gated(result: Result) -> bool:
    return isinstance(result.row, GpuRow) and result.row.gated and not result.row.static


def _on(chip: str) -> Callable[[Result], bool]:
    return lambda result: _gpu_gated(result) and result.row.chip == chip


def _tpot(result: Result) -> float | None:
    return result.tpot_error


def _ttft(result: Result) -> float | None:
    return result.ttft_error


_GROUP: Final = "llama-3.1-70b fp8 vllm agg"

GATES: Final = (
    Gate(f"{_GROUP}: TPOT", 0.08, _tpot, _gpu_gated),
    *(Gate(f"{_GROUP}, {chip}: TPOT", 0.10, _tpot, _on(chip)) for chip in (*HOPPER, "B200-SXM")),
    *(Gate(f"{_GROUP}, {chip}: TTFT", 0.15, _ttft, _on(chip)) for chip in HOPPER),
    Gate("2023 stack TP8: TPOT", 0.15, _tpot, lambda r: isinstance(r.row, GpuRow) and r.row.gated and r.row.static),
    Gate("LPU dense, each row", 0.10, _tpot, lambda r: isinstance(r.row, LpuRow) and r.row.gated, each=True),
)


def report(results: Sequence[Result], skipped: Sequence[Skipped]) -> Json:
    """The whole report, ready for JSON. Gates that no row bears on are left out."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.row.group, "all"), []).append(result)
        groups.setdefault((result.row.group, result.row.chip), []).append(result)
    order = sorted(groups, key=lambda key: (key[0], key[1] != "all", key[1]))
    return {
        "schema": SCHEMA,
        "gates": [gate for gate in (_gate(gate, results) for gate in GATES) if gate is not None],
        "groups": [_group(group, chip, groups[group, chip]) for group, chip in order],
        "rows": [_row(result) for result in results],
        "skipped": [{"file": row.file, "row": row.number, "reason": row.reason} for row in skipped],
    }


def failed(made: Json) -> bool:
    """Whether any gate of a report does not hold."""
    return any(not gate["passed"] for gate in made["gates"])


def text(made: Json, *, rows: bool = True) -> str:
    """The report for people: rows, groups, gates, what was skipped."""
    lines = [f"{len(made['rows'])} rows simulated, {len(made['skipped'])} skipped", ""]
    if rows:
        lines.append(
            f"{'row':>5} {'group':<36} {'chip':<14} {'prompt':>6} {'out':>5} {'C':>5}  {'TTFT ms':>9} {'measured':>9} {'error':>7}  {'TPOT ms':>8} {'measured':>8} {'error':>7}"
        )
        lines += [_row_line(row) for row in made["rows"]]
        lines.append("")
    lines.append(f"{'group':<36} {'chip':<14} {'rows':>5}  {'TPOT mape':>9} {'bias':>7}  {'TTFT mape':>9} {'bias':>7}")
    for group in made["groups"]:
        figures = f"{_percent(group['tpot_mape']):>9} {_percent(group['tpot_bias'], signed=True):>7}  {_percent(group['ttft_mape']):>9} {_percent(group['ttft_bias'], signed=True):>7}"
        lines.append(f"{group['group']:<36} {group['chip']:<14} {group['rows']:>5}  {figures}")
    if made["skipped"]:
        lines.append("")
        lines += [f"skipped {row['file']} row {row['row']}: {row['reason']}" for row in made["skipped"]]
    if made["gates"]:
        lines.append("")
        for gate in made["gates"]:
            said = "holds" if gate["passed"] else "FAILS"
            limit = f"{gate['limit']:.0%}"
            lines.append(
                f"{said}  {_percent(gate['value']):>7} of at most {limit:>3}  {gate['name']}, {gate['rows']} rows"
            )
    return "\n".join(lines)


def markdown(made: Json) -> str:
    """The gates and the groups as tables for the documentation, and how many rows were skipped for what."""
    lines = ["| gate | rows | error | at most |", "|---|---:|---:|---:|"]
    lines += [
        f"| {gate['name']} | {gate['rows']} | {_percent(gate['value'])} | {gate['limit']:.0%} |"
        for gate in made["gates"]
    ]
    lines += [
        "",
        "| group | chip | rows | TPOT error | bias | TTFT error | bias |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for group in made["groups"]:
        figures = " | ".join(
            _percent(group[name], signed="bias" in name)
            for name in ("tpot_mape", "tpot_bias", "ttft_mape", "ttft_bias")
        )
        lines.append(f"| {group['group']} | {group['chip']} | {group['rows']} | {figures} |")
    reasons = Counter(row["reason"] for row in made["skipped"])
    lines += ["", f"{len(made['rows'])} rows simulated, {len(made['skipped'])} skipped:", ""]
    lines += [f"- {count}: {reason}" for reason, count in reasons.most_common()]
    return "\n".join(lines)


def _gate(gate: Gate, results: Sequence[Result]) -> Json | None:
    errors = [abs(error) for result in results if gate.member(result) and (error := gate.of(result)) is not None]
    if not errors:
        return None
    value = max(errors) if gate.each else math.fsum(errors) / len(errors)
    return {"name": gate.name, "limit": gate.limit, "value": value, "rows": len(errors), "passed": value <= gate.limit}


def _group(group: str, chip: str, results: Sequence[Result]) -> Json:
    made: Json = {"group": group, "chip": chip, "rows": len(results)}
    for name, of in (("tpot", _tpot), ("ttft", _ttft)):
        errors = [error for result in results if (error := of(result)) is not None]
        made[f"{name}_mape"] = math.fsum(map(abs, errors)) / len(errors) if errors else None
        made[f"{name}_bias"] = math.fsum(errors) / len(errors) if errors else None
    made["gated"] = any(result.row.gated for result in results)
    return made


def _row(result: Result) -> Json:
    row = result.row
    made: Json = {"file": row.file, "row": row.number, "group": row.group, "model": row.model, "chip": row.chip}
    if isinstance(row, GpuRow):
        made |= {
            "engine": row.engine,
            "precision": row.precision,
            "chips": row.decode.chips,
            "prompt_tokens": row.prompt,
            "output_tokens": row.output,
            "clients": row.clients,
        }
        if row.prefill:
            made |= {"prefill_chips": row.prefill.chips, "prefill_engines": row.prefill.engines}
            made |= {"decode_engines": row.decode.engines}
    else:
        made |= {"chips": row.chips, "context_tokens": row.context}
    return made | {
        "gated": row.gated,
        "measured_ttft_s": result.measured_ttft_s,
        "simulated_ttft_s": result.simulated.ttft_s,
        "ttft_error": result.ttft_error,
        "measured_tpot_s": result.measured_tpot_s,
        "simulated_tpot_s": result.simulated.tpot_s,
        "tpot_error": result.tpot_error,
        "preemptions": result.simulated.preemptions,
    }


def _row_line(row: Json) -> str:
    lengths = f"{row.get('prompt_tokens', '–'):>6} {row.get('output_tokens', '–'):>5} {row.get('clients', '–'):>5}"
    ttft = f"{_ms(row['simulated_ttft_s'], 1):>9} {_ms(row['measured_ttft_s'], 1):>9} {_percent(row['ttft_error'], signed=True):>7}"
    tpot = f"{_ms(row['simulated_tpot_s'], 3):>8} {_ms(row['measured_tpot_s'], 3):>8} {_percent(row['tpot_error'], signed=True):>7}"
    chip = f"{row['chips']}×{row['chip']}"
    return f"{row['row']:>5} {row['group']:<36} {chip:<14} {lengths}  {ttft}  {tpot}"


def _error(simulated: float | None, measured: float | None) -> float | None:
    if simulated is None or not measured:
        return None
    return simulated / measured - 1


def _ms(seconds: float | None, digits: int) -> str:
    return "–" if seconds is None else f"{seconds * 1e3:.{digits}f}"


def _percent(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "–"
    return f"{value:+.1%}" if signed else f"{value:.1%}"
