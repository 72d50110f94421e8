"""Power, energy and memory of the emulated GPUs, as NVIDIA's DCGM exporter would show them: one page for a host, one row for each GPU.

Names, types, units and help texts: NVIDIA/dcgm-exporter `etc/default-counters.csv` (Apache-2.0); labels: its `README.md`. Its counters have no `_total`, so the text is written
here. What the simulation does not know (clocks, temperatures, activity) is left out, and so is the power of a chip for which none is published.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from emulators.emulation import Emulation, SimulatedWorker
from emulators.nvext import number

_MIB: Final = 1 << 20
_MJ: Final = 1e3
_FAMILIES: Final = {
    "DCGM_FI_DEV_POWER_USAGE": ("gauge", "Power draw (in W)."),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("counter", "Total energy consumption since boot (in mJ)."),
    "DCGM_FI_DEV_FB_FREE": ("gauge", "Framebuffer memory free (in MiB)."),
    "DCGM_FI_DEV_FB_USED": ("gauge", "Framebuffer memory used (in MiB)."),
}


def page(emulation: Emulation) -> bytes:
    """The page, in the Prometheus text format. The chips of a worker share equally in what it draws and holds."""
    rows = list(_gpus(emulation))
    lines = [
        "# HELP tokenyard_emulated 1 if the numbers on this page are simulated.",
        "# TYPE tokenyard_emulated gauge",
        "tokenyard_emulated 1.0",
    ]
    for name, (kind, text) in _FAMILIES.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{{{labels}}} {values[name]!r}" for labels, values in rows if name in values]
    return "\n".join([*lines, ""]).encode()


def _gpus(emulation: Emulation) -> Iterator[tuple[str, dict[str, float]]]:
    """Labels and values by name, of each GPU."""
    host = next((pool["owner"] for pool in emulation.inventory["pools"] if pool["worker"] is None), "")
    gpu = 0
    for worker in emulation.cluster.workers:
        if worker.device == "GPU":
            values = _values(emulation.cluster.now_ns, worker)
            for chip in range(worker.chips):
                uuid = f"GPU-{number(f'{worker.id} {chip}'):016x}"
                named = {
                    "gpu": str(gpu),
                    "UUID": uuid,
                    "device": f"nvidia{gpu}",
                    "modelName": worker.chip,
                    "Hostname": host,
                }
                yield ",".join(f'{name}="{_escaped(value)}"' for name, value in named.items()), values
                gpu += 1


def _values(now_ns: int, worker: SimulatedWorker) -> dict[str, float]:
    account = worker.account(now_ns)
    size, used = worker.memory_bytes
    found = {"DCGM_FI_DEV_FB_FREE": (size - used) / _MIB, "DCGM_FI_DEV_FB_USED": used / _MIB}
    if account.watts is not None:
        found["DCGM_FI_DEV_POWER_USAGE"] = account.watts
    joules = _known(account.drawn.values())
    if joules is not None:
        found["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"] = _MJ * sum(joules)
    return {name: value / worker.chips for name, value in found.items()}


def _known(values: Iterable[float | None]) -> Sequence[float] | None:
    """None if one is not known: a sum of the others would be too small."""
    found = list(values)
    return None if None in found else [value for value in found if value is not None]


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
