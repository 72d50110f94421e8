"""The page that looks like DCGM's exporter, and what our own back end makes of it."""

import re
from dataclasses import replace

import pytest

from collectors.model.signals import Kind, Signal
from emulators.cluster import Cluster
from emulators.dcgm import page
from emulators.emulation import Emulation
from emulators.scenarios import DEFAULT
from emulators.specs import GpuSpec
from tests.backends.pages import read
from tests.emulators.fake import FakeCluster

TWO = GpuSpec("gpu-9/0", role="aggregated", chip="H100-SXM", engine="vllm-2025", chips=2)


def values(text: bytes, name: str) -> list[float]:
    return [float(found) for found in re.findall(rf"(?m)^{name}\{{.*\}} (.*)$", text.decode())]


def test_power_energy_and_memory_are_those_of_the_simulation() -> None:
    cluster = Cluster(replace(DEFAULT, workers=(*DEFAULT.workers[:1], TWO, *DEFAULT.workers[2:])), 7)
    emulation = Emulation(cluster, clock="stepped", clock_id="test")
    for until in (3, 4, 5):
        cluster.advance(until * 10**9)
        text = page(emulation)
        accounts = [worker.account(cluster.now_ns) for worker in cluster.workers[:2]]
        joules = [sum(joules for joules in account.drawn.values() if joules is not None) for account in accounts]
        # A worker of two chips is two GPUs.
        shares = [joules[0] * 1e3, joules[1] * 500, joules[1] * 500]
        assert values(text, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION") == pytest.approx(shares)
        for draws in values(text, "DCGM_FI_DEV_POWER_USAGE"):
            assert 700 * 0.1 < draws <= 700
    used, free = values(text, "DCGM_FI_DEV_FB_USED"), values(text, "DCGM_FI_DEV_FB_FREE")
    assert len(used) == 3
    weights = 2 * 8_030_261_248 / (1 << 20)
    assert used[0] == pytest.approx(weights + 24 * 1024, abs=2)
    assert [u + f for u, f in zip(used, free, strict=True)] == pytest.approx([80 * 1024] * 3)
    assert text.startswith(b"# HELP tokenyard_emulated")


def test_our_back_end_reads_it_and_keeps_the_mark() -> None:
    emulation = Emulation(FakeCluster(), clock="stepped", clock_id="test")
    found = read(page(emulation).decode())
    assert found.mapping.emulated
    (device,) = found.mapping.devices
    assert (device.key, device.chip, device.host) == ("host-0/0", "H100-SXM", "host-0")
    # Energy of a phase whose power is unknown is missing, so there is no sum.
    assert found.values == {
        ("", Signal.POWER, Kind.GAUGE, None, device.key): [350.0],
        ("", Signal.DEVICE_MEMORY_USED, Kind.GAUGE, None, device.key): [float(41 << 30)],
        ("", Signal.DEVICE_MEMORY_TOTAL, Kind.GAUGE, None, device.key): [float(39 << 30), float(41 << 30)],
    }
