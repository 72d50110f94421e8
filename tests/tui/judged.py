"""The constructed Frame of the default scenario with what it lacks: what the router chose, how requests ended, and a diagnosis."""

from __future__ import annotations

import msgspec

from collectors.diagnose.attainment import Met, objectives, share
from collectors.diagnose.objectives import PROFILES
from collectors.model.figure import Distribution, Figure
from collectors.model.frame import Frame
from collectors.model.memory import ReuseRow
from collectors.model.routing import LabelRow, Routing, RuleRow
from collectors.model.slo import Assumption, Attained, ChipRow, Of, Share, Slo, SloRow
from collectors.model.verdict import Diagnosis, Finding, Hop, Kind, Knows
from collectors.model.vocabulary import Device, Provenance, State
from collectors.stats.figures import absent, figure
from tests.tui import frames

SAID = "prefill bursts stall its decodes"
FIGURES = "p99 gap 193 ms against p50 18.9 ms, n 25,941, 60 s; 71 % of its newest 64 stalls"
KNOB = "cap the chunk of a prompt"
VERDICT = f"gpu-1/0: {SAID} ({FIGURES}) → {KNOB}"
WANTED = objectives(PROFILES["chat"])


def known(value: float, n: int | None = None) -> Figure:
    return figure(value, Provenance.REPORTED, emulated=True, heard_ns=0, n=n if n is not None else msgspec.UNSET)


def times(n: int, middle_s: float, what: str) -> Distribution:
    """The p99 of fewer than 100 is not known."""
    p99 = frames.sketched(8 * middle_s) if n >= 100 else frames.no_quantile(State.TOO_FEW)
    return frames.distribution(n, frames.sketched(middle_s), p99, None, f"{what} that ended in the window")


def label(name: str, worker: str, decided: int, ttft_s: float, tpot_s: float) -> LabelRow:
    ttft, tpot = times(decided, ttft_s, "requests with a first token"), times(decided, tpot_s, "completed requests")
    return LabelRow(name, worker, known(decided), ttft, tpot)


def routing(workers: tuple[str, str, str] = ("gpu-1/0", "lpu-0/0", "lpu-1/0")) -> Routing:
    gpu, one, two = workers
    table = {
        "interactive": (41, 329, 321),
        "batch": (125, 0, 0),
        "prefill-heavy": (86, 25, 43),
        "decode-heavy": (80, 304, 278),
        "short-context": (113, 305, 282),
        "long-context": (53, 24, 39),
        "edge": (0, 3, 1),
    }
    rows = [
        label(name, worker, count, 0.19 if worker == gpu else 0.045, 0.0164 if worker == gpu else 0.00141)
        for name, counts in table.items()
        for worker, count in zip((gpu, one, two), counts, strict=True)
        if count
    ]
    rules = (
        RuleRow("interactive-to-lpu", known(587), known(2), known(0), (2, 2, 29, 282, 272, 0, 0, 0)),
        RuleRow("batch-to-aggregated", known(125), known(0), known(125), (0,) * 8),
        RuleRow("long-context-by-score", known(105), known(0), known(0), (0, 0, 0, 7, 96, 2, 0, 0)),
    )
    return Routing(tuple(rows), rules)


def reuse() -> ReuseRow:
    return ReuseRow(
        "router",
        60.0,
        known(3_926_048),
        known(3_230_528),
        known(3_104_064),
        known(3_146_832),
        frames.nothing("requests that the router placed"),
        known(12_400, 817),
        known(55_168, 817),
    )


def row(
    of: Of, name: str, device: Device, met: tuple[int, int, int], *, ttft: int | None = None, tokens: float = 1_000.0
) -> SloRow:
    def part(least: int, most: int) -> Share | None:
        return share(Met(least, most, met[2]), 0.99)

    return SloRow(
        of,
        name,
        device,
        "" if of is Of.ALL else "meta-llama/llama-3.1-8b",
        part(met[0], met[1]),
        part(met[0] if ttft is None else ttft, met[1] if ttft is None else ttft),
        part(met[2], met[2]),
        None,
        known(met[0] / 60),
        known(tokens),
        known(0.31) if device is Device.GPU else absent(emulated=True),
        figure(0.659, Provenance.ASSUMED, emulated=True)
        if device is Device.GPU and of is Of.WORKER
        else absent(emulated=True),
    )


def slo() -> Slo:
    rows = (
        row(Of.ALL, "all", Device.UNKNOWN, (737, 737, 817), tokens=4_584.6),
        row(Of.KIND, "GPU", Device.GPU, (97, 97, 167), tokens=1_255.0),
        row(Of.KIND, "LPU", Device.LPU, (640, 640, 650), tokens=3_329.6),
        row(Of.WORKER, "gpu-1/0", Device.GPU, (90, 104, 167), tokens=1_244.1),
        row(Of.WORKER, "lpu-0/0", Device.LPU, (325, 325, 329), tokens=1_658.9),
        row(Of.WORKER, "lpu-1/0", Device.LPU, (9, 9, 9), tokens=1_670.7),
    )
    chips = (
        ChipRow("H100-SXM", Device.GPU, Assumption(2.95, "public offer", "median of 37 providers", "2026-05"), None),
        ChipRow("Groq-LPU-v1", Device.LPU, None, Assumption(300.0, "config", "", "")),
        ChipRow("TPU-v5e", Device.TPU, None, None),
    )
    return Slo("chat", PROFILES["chat"].source, WANTED, Attained.VIOLATED, 60.0, 3, 1, 0, rows, chips)


def frame(tick: int = 3600) -> Frame:
    finding = Finding(Kind.PREFILL_BURSTS, Hop.DECODE, "gpu-1/0", VERDICT, KNOB, 840.0, said=SAID, figures=FIGURES)
    return msgspec.structs.replace(
        frames.emulated(tick),
        routing=routing(),
        slo=slo(),
        reuse=(reuse(),),
        verdict=VERDICT,
        diagnosis=Diagnosis(Knows.TROUBLE, (finding,)),
    )


def silent(tick: int = 3600) -> Frame:
    """A router that reports nothing, and a source that tells no request."""
    nobody = SloRow(Of.ALL, "all", Device.UNKNOWN, "", None, None, None, None, *[absent(emulated=True)] * 4)
    nothing = Slo("chat", "GuideLLM docs", WANTED, Attained.INDETERMINATE, 60.0, 0, 0, 0, (nobody,))
    return msgspec.structs.replace(
        frame(tick), routing=Routing(), slo=nothing, reuse=(), verdict=None, diagnosis=Diagnosis(Knows.QUIET)
    )
