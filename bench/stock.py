"""What the Overview takes out of our panels and out of Textual's own widgets (`bench.stock_child`): CPU of a frame, on the same Frames, alternating."""

import statistics
from typing import Final

from bench.result import Result
from bench.ui import COLUMNS, KIB, ROWS, watch

WORKERS: Final = 300
HZ: Final = 4
FRAMES: Final = 24
ROUNDS: Final = 3
GOAL: Final = 20.0
KINDS: Final = {
    "ours": ("bench.ui_child", "overview"),
    "stock": ("bench.stock_child", "all"),
    "sight": ("bench.stock_child", "sight"),
}


def run() -> list[Result]:
    ms: dict[str, list[float]] = {kind: [] for kind in KINDS}
    kib: dict[str, float] = {}
    for _ in range(ROUNDS):
        for kind, (module, page) in KINDS.items():
            seen = watch("play", str(WORKERS), str(HZ), str(FRAMES), page, module=module)
            ms[kind].append(1e3 * seen.marks["end"]["cpu_s"] / FRAMES)
            kib[kind] = (seen.bytes_at["end"] - seen.bytes_at["begin"]) / FRAMES / KIB
    ours, stock, sight = (statistics.median(ms[kind]) for kind in KINDS)
    name = f"Overview, {COLUMNS}×{ROWS}, {WORKERS} workers, {HZ} Hz, out of stock widgets"
    measured = f"{stock / ours:.0f}× ({stock:.0f} / {ours:.1f} ms, {kib['stock']:.0f} / {kib['ours']:.0f} KiB)"
    return [
        Result(name, f"≥ {GOAL:g}× our CPU", measured, stock >= GOAL * ours),
        Result(
            "  with rows in sight alone, which nobody can scroll", "", f"{sight / ours:.0f}× ({sight:.0f} ms)", None
        ),
    ]
