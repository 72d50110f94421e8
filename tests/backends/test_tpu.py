"""TPUs by their documented families: GKE's plugin and libtpu's names. Nobody here has seen such a page."""

import pytest

from collectors.backends import registry
from collectors.backends.registry import UnknownBackendError
from collectors.model.signals import DeviceFacts, Kind, Signal
from collectors.model.vocabulary import Device
from tests.backends.pages import Read, read

NODE = 'make="cloud-tpu",model="tpu-v6e-slice",tpu_topology="2x2"'


def labels(chip: int) -> str:
    return f'accelerator_id="1234-{chip}",container="c",namespace="default",pod="decode-0",{NODE}'


PLUGIN = "".join(
    f"# TYPE {name} gauge\n" + "".join(f"{name}{{{labels(chip)}}} {value + chip}\n" for chip in (0, 1))
    for name, value in {
        "duty_cycle": 20,
        "tensorcore_utilization": 40,
        "memory_bandwidth_utilization": 60,
        "memory_used": 1000,
        "memory_total": 32000,
    }.items()
)


def rows(known: Read) -> dict[tuple[str, Signal, str], list[float]]:
    found: dict[tuple[str, Signal, str], list[float]] = {}
    for series, value in zip(known.mapping.series, known.found.tolist(), strict=True):
        assert (series.worker, series.tier) == ("", None)
        if series.kind is not Kind.BUCKET:
            found.setdefault((series.owner, series.signal, series.label), []).append(value)
    return found


def test_the_device_plugin() -> None:
    known = read(PLUGIN, "10.0.0.5:2112")
    assert known.backend == "tpu"
    assert registry.named("tpu").never_seen
    assert known.mapping.workers == ()
    assert known.mapping.devices == tuple(
        DeviceFacts(
            f"1234-{chip}",
            "10.0.0.5",
            str(chip),
            kind=Device.TPU,
            chip="tpu-v6e-slice",
            pods=("default/decode-0",),
        )
        for chip in (0, 1)
    )
    assert rows(known) == {
        (f"1234-{chip}", signal, label): [pytest.approx(value)]
        for chip in (0, 1)
        for signal, label, value in (
            (Signal.DEVICE_ACTIVITY, "busy", 0.20 + chip / 100),
            (Signal.DEVICE_ACTIVITY, "tensor", 0.40 + chip / 100),
            (Signal.DEVICE_ACTIVITY, "memory bandwidth", 0.60 + chip / 100),
            (Signal.DEVICE_MEMORY_USED, "", 1000 + chip),
            (Signal.DEVICE_MEMORY_TOTAL, "", 32000 + chip),
        )
    }


def test_a_chip_of_a_container_and_of_the_node_is_one() -> None:
    own = f"tensorcore_utilization{{{labels(0)}}} 40\n"
    node = "".join(f'tensorcore_utilization_node{{accelerator_id="1234-{chip}",{NODE}}} 50\n' for chip in (0, 1))
    expected = {
        ("1234-0", Signal.DEVICE_ACTIVITY, "tensor"): [0.4],
        ("1234-1", Signal.DEVICE_ACTIVITY, "tensor"): [0.5],
    }
    assert rows(read(own + node)) == rows(read(node + own)) == expected


@pytest.mark.parametrize("dotted", [True, False], ids=["dotted", "underscores"])
def test_libtpu_s_metrics_as_a_collector_writes_them(dotted: bool) -> None:
    def sample(name: str, chip: int, value: float) -> str:
        name, label = (f'"{name}"', ",") if dotted else (name.replace(".", "_"), "")
        return f'{{{name}{label}device_id="{chip}"}} {value}\n' if dotted else f'{name}{{device_id="{chip}"}} {value}\n'

    page = (
        sample("tpu.runtime.hbm.memory.usage.bytes", 2, 5e9)
        + sample("tpu.runtime.hbm.memory.total.bytes", 2, 3.2e10)
        + sample("tpu.runtime.tensorcore.dutycycle.percent", 2, 75)
        + sample("hlo.queue.size.gauge", 2, 3)
    )
    known = read(page, "tpu-vm:9000")
    assert known.backend == "tpu"
    assert rows(known) == {
        ("tpu-vm/2", Signal.DEVICE_MEMORY_USED, ""): [5e9],
        ("tpu-vm/2", Signal.DEVICE_MEMORY_TOTAL, ""): [3.2e10],
        ("tpu-vm/2", Signal.DEVICE_ACTIVITY, "tensor"): [0.75],
        ("tpu-vm/2", Signal.PROGRAMS_QUEUED, ""): [3],
    }


def test_durations_of_transfers_are_microseconds() -> None:
    name = "host_to_device_transfer_latencies_microsecond"
    known = read(
        f"tensorcore_utilization{{{labels(0)}}} 1\n# TYPE {name} histogram\n"
        + "".join(f'{name}_bucket{{{labels(0)},le="{le}"}} {count}\n' for le, count in (("500", 3), ("+Inf", 4)))
        + f"{name}_sum{{{labels(0)}}} 2500\n{name}_count{{{labels(0)}}} 4\n"
    )
    assert known.buckets["", Signal.LINK_TRANSFER] == {0.0005: 3, float("inf"): 4}
    label = "host to device transfer"
    assert rows(known)["1234-0", Signal.LINK_TRANSFER, label] == pytest.approx([0.0025, 4])


def test_a_page_with_only_a_common_name_is_not_taken_for_one() -> None:
    for name in ("memory_used", "duty_cycle", "memory_total"):
        with pytest.raises(UnknownBackendError):
            read(f"{name} 5\n")


def test_labels_may_be_missing_and_types_wrong() -> None:
    known = read("# TYPE tensorcore_utilization histogram\ntensorcore_utilization 5\nmemory_used 7\n", "host:2112")
    assert rows(known) == {("host", Signal.DEVICE_MEMORY_USED, ""): [7]}
