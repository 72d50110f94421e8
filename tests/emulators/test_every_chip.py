"""Every chip of the catalogue serves requests in a small cluster: as the engine of a scenario, with a model that it holds."""

from dataclasses import replace

import numpy as np
import pytest

from emulators import catalogue
from emulators.catalogue import GpuChip
from emulators.cluster import Cluster
from emulators.scenarios import DEFAULT
from emulators.specs import GpuSpec, LpuSpec, Scenario

MODEL = "llama-3.2-1b"


def scenario(chip: str) -> Scenario:
    """One engine of the chip that does both, or a GPU that computes prompts for a group of LPUs; chats come three times a second."""
    held = catalogue.chips()[chip]
    if isinstance(held, GpuChip):
        workers: tuple[GpuSpec | LpuSpec, ...] = (
            GpuSpec("e", role="aggregated", chip=chip, engine="vllm-2025", chips=2),
        )
    else:
        chips = 16 if held.peak.memory_bytes.value < 1e9 else 1
        workers = (
            GpuSpec("p", role="prefill", chip="H100-SXM", engine="vllm-2025"),
            LpuSpec("e", chip=chip, chips=chips, slots=8, context_tokens=4_096),
        )
    chat = replace(DEFAULT.load[0], rate=3.0, standing=0, shared_tokens=16)
    return replace(DEFAULT, name=chip, model=MODEL, workers=workers, rules=DEFAULT.rules[-1:], load=(chat,))


@pytest.mark.parametrize("chip", sorted(catalogue.chips()))
def test_it_serves_and_its_gaps_are_its_own(chip: str) -> None:
    cluster = Cluster(scenario(chip), 3)
    cluster.advance(3 * 10**9)
    worker = cluster.workers[-1]
    assert (worker.chip, worker.device) == (chip, catalogue.chips()[chip].device)
    assert worker.stats.generation_tokens > 100
    gap_s = float(np.median(worker.engine.observed.gaps.values)) / 1e9
    # 1.2 billion parameters, 16 layers: between what a wafer takes for 16 layers and what reading 2.5 GB of 16-bit weights takes two TPU v5e, beside 2 ms of software.
    assert 5e-5 < gap_s < 5e-3
    assert (gap_s < 1e-3) == (worker.device in ("LPU", "WSE"))
