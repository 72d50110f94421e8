"""Neuron's exporter: cores and instances, not workers; samples without a type, exponents with a leading zero, ratios that are no percent."""

import pytest

from collectors.model.signals import DeviceFacts, Kind, Signal
from collectors.model.vocabulary import Device
from tests.backends.pages import FIXTURES, Read, read

INSTANCE = "i-09db9b55e0095612f"
ON = 'instance_id="i-1",instance_type="inf2.xlarge"'


def rows(known: Read) -> dict[tuple[str, Signal, Kind, str], list[float]]:
    found: dict[tuple[str, Signal, Kind, str], list[float]] = {}
    for series, value in zip(known.mapping.series, known.found.tolist(), strict=True):
        assert (series.worker, series.tier) == ("", None)
        found.setdefault((series.owner, series.signal, series.kind, series.label), []).append(value)
    return found


def test_the_captured_page() -> None:
    known = read((FIXTURES / "neuron" / "neuron-monitor.prom").read_text(), "host:8000")
    assert known.backend == "neuron"
    assert known.mapping.workers == ()
    assert known.mapping.devices == (
        DeviceFacts(f"{INSTANCE}/0", INSTANCE, "0", kind=Device.TRAINIUM, chip="trn1n.32xlarge"),
    )
    assert rows(known) == {
        (f"{INSTANCE}/0", Signal.DEVICE_ACTIVITY, Kind.GAUGE, "core"): [0.1],  # 10 %, not 0.1 %
        (INSTANCE, Signal.HOST_MEMORY_USED, Kind.GAUGE, "Neuron runtimes"): [9_043_968],
        (INSTANCE, Signal.HOST_MEMORY_TOTAL, Kind.GAUGE, ""): [532_523_487_232],  # written e+011
        # without HELP and TYPE
        (f"{INSTANCE}/device 7", Signal.DEVICE_ERRORS, Kind.COUNTER, "sram_ecc_uncorrected"): [864],
    }


def test_documented_families() -> None:
    known = read(
        "".join(
            f'neuroncore_memory_usage_{use}{{{ON},neuroncore="3",memory_location="None"}} {size}\n'
            for use, size in (
                ("constants", 1),
                ("model_code", 100),
                ("model_shared_scratchpad", 0),
                ("runtime_memory", 10),
                ("tensors", 1000),
            )
        )
        + f'neuron_runtime_memory_used_bytes{{{ON},memory_location="neuron_device"}} 1111\n'
        + f'execution_latency_seconds{{{ON},percentile="p99"}} 0.25\n'
        + f'# TYPE execution_status_total counter\nexecution_status_total{{{ON},status_type="completed"}} 7\n'
        + f'# TYPE execution_errors_total counter\nexecution_errors_total{{{ON},error_type="numerical"}} 2\n'
        + f'neuron_hardware_info{{{ON},neuron_device_count="2",neuron_device_memory_size="34359738368"}} 1\n'
    )
    assert rows(known) == {
        ("i-1/3", Signal.DEVICE_MEMORY_USED, Kind.GAUGE, ""): [1, 100, 0, 10, 1000],
        ("i-1", Signal.DEVICE_MEMORY_USED, Kind.GAUGE, "Neuron runtimes"): [1111],
        ("i-1", Signal.EXECUTION, Kind.GAUGE, "p99"): [0.25],
        ("i-1", Signal.EXECUTIONS, Kind.COUNTER, "completed"): [7],
        ("i-1", Signal.DEVICE_ERRORS, Kind.COUNTER, "numerical"): [2],
        ("i-1", Signal.DEVICE_MEMORY_TOTAL, Kind.GAUGE, ""): [2 * 34_359_738_368],
    }
    # of one name, so that they are one figure
    uses = {one.metric for one in known.mapping.series if one.owner == "i-1/3"}
    assert len(uses) == 1
    (core,) = known.mapping.devices
    assert (core.kind, core.chip) == (Device.UNKNOWN, "inf2.xlarge")


def test_an_idle_instance_is_known_by_its_hardware() -> None:
    known = read(f"neuron_hardware_info{{{ON}}} 1\n")
    assert (known.backend, known.mapping.series, known.mapping.workers) == ("neuron", (), ())


@pytest.mark.parametrize("size", ["", "-1", "1e9", "9" * 400, "32 GB"])
def test_a_size_that_is_none(size: str) -> None:
    assert read(f'neuron_hardware_info{{neuron_device_count="1",neuron_device_memory_size="{size}"}} 1\n').values == {}


def test_labels_may_be_missing_and_types_wrong() -> None:
    known = read(
        "neuroncore_utilization_ratio 0.5\nneuron_runtime_memory_used_bytes 5\n"
        "# TYPE hardware_ecc_events_total histogram\nhardware_ecc_events_total 5\n"
        'neuroncore_utilization_ratio{neuroncore="1"} NaN\n',
        "10.1.1.1:8000",
    )
    assert [(one.owner, one.signal) for one in known.mapping.series] == [("10.1.1.1/1", Signal.DEVICE_ACTIVITY)]
