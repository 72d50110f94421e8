"""DCGM's exporter: devices and no workers, units and blanks, divided and shared GPUs, and which worker runs on which device."""

import math

import pytest

from collectors.backends.mapping import MappingError
from collectors.model.batch import Layout, Samples
from collectors.model.places import Place, host_of
from collectors.model.signals import DeviceFacts, Kind, Signal
from collectors.model.vocabulary import Device
from collectors.session.device_join import join
from collectors.stats.columns import Key
from collectors.stats.scraped import ScrapedStats
from tests.backends.pages import FIXTURES, Read, read

GAUGE, COUNTER = Kind.GAUGE, Kind.COUNTER
UUID = "GPU-604ac76c-d9cf-fef3-62e9-d92044ab6e52"
MIB = 1_048_576


def by_owner(known: Read) -> dict[tuple[str, Signal, str], list[float]]:
    found: dict[tuple[str, Signal, str], list[float]] = {}
    for series, value in zip(known.mapping.series, known.found.tolist(), strict=True):
        assert series.worker == ""
        assert series.tier is None
        found.setdefault((series.owner, series.signal, series.label), []).append(value)
    return found


@pytest.mark.parametrize("name", ["readme-sample", "readme-sample-k8s"])
def test_the_readme_s_page_without_its_ellipses(name: str) -> None:
    text = (FIXTURES / "dcgm-exporter" / f"{name}.prom").read_text().replace("...\n", "").replace("...", "")
    known = read(text, "gpu-host:9400")
    assert known.backend == "dcgm"
    assert known.mapping.workers == ()
    assert known.mapping.devices == (DeviceFacts("gpu-host/0", "gpu-host", "0", UUID, Device.GPU),)
    (temperature,) = known.values.values()
    assert [(one.signal, one.label) for one in known.mapping.series] == [(Signal.DEVICE_TEMPERATURE, "memory")]
    assert len(temperature) == 1
    assert math.isnan(temperature[0])  # 9223372036854775794: the GPU does not say


LABELS = 'gpu="1",UUID="GPU-1",modelName="NVIDIA H100 80GB HBM3",Hostname="node-7",namespace="ml",pod="decode-0"'


def gpu(name: str, value: str, labels: str = LABELS, declared: str = "gauge") -> str:
    return f"# TYPE {name} {declared}\n{name}{{{labels}}} {value}\n"


PAGE = (
    gpu("DCGM_FI_DEV_POWER_USAGE", "412.5")
    + gpu("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "123456789", declared="counter")
    + gpu("DCGM_FI_DEV_FB_USED", "70000")
    + gpu("DCGM_FI_DEV_FB_FREE", "10000")
    + gpu("DCGM_FI_DEV_FB_RESERVED", "500")
    + gpu("DCGM_FI_DEV_GPU_TEMP", "61")
    + gpu("DCGM_FI_DEV_XID_ERRORS", "79")
    + gpu("DCGM_FI_DEV_GPU_UTIL", "97")
    + gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "0.91")
    + gpu("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "0.4")
    + gpu("DCGM_FI_PROF_DRAM_ACTIVE", "0.8")
    + gpu("DCGM_FI_PROF_PCIE_TX_BYTES", "1000000")
    + gpu("DCGM_FI_PROF_NVLINK_RX_BYTES", "5000", declared="counter")
    + gpu("DCGM_FI_DEV_SM_CLOCK", "1980")
)


def test_units_and_meanings() -> None:
    known = read(PAGE, "host:9400")
    assert by_owner(known) == {
        ("node-7/1", Signal.POWER, ""): [412.5],
        ("node-7/1", Signal.ENERGY, ""): [123456.789],
        ("node-7/1", Signal.DEVICE_MEMORY_USED, ""): [70000 * MIB],
        ("node-7/1", Signal.DEVICE_MEMORY_TOTAL, ""): [70000 * MIB, 10000 * MIB, 500 * MIB],
        ("node-7/1", Signal.DEVICE_TEMPERATURE, "core"): [61],
        ("node-7/1", Signal.DEVICE_FAULT_CODE, ""): [79],
        ("node-7/1", Signal.DEVICE_ACTIVITY, "engine"): [0.91],  # not once more the older, coarser one
        ("node-7/1", Signal.DEVICE_ACTIVITY, "tensor"): [0.4],
        ("node-7/1", Signal.DEVICE_ACTIVITY, "memory bandwidth"): [0.8],
        ("node-7/1", Signal.LINK_BYTES_PER_SECOND, "PCIe sent"): [1_000_000],
        ("node-7/1", Signal.LINK_BYTES, "NVLink received"): [5000],  # as older lists of counters declare it
    }
    assert {one.kind for one in known.mapping.series if one.signal in (Signal.ENERGY, Signal.LINK_BYTES)} == {COUNTER}
    assert known.mapping.devices == (
        DeviceFacts("node-7/1", "node-7", "1", "GPU-1", Device.GPU, "NVIDIA H100 80GB HBM3", ("ml/decode-0",)),
    )
    assert known.mapping.workers == ()


def test_the_parts_of_a_memory_are_one_figure() -> None:
    mapping = read(PAGE, "host:9400").mapping
    stats = ScrapedStats()
    stats.layout(Layout(mapping.series))
    stats.samples(Samples(read(PAGE, "host:9400").found), 1)
    assert stats.gauge(2, Key("", Signal.DEVICE_MEMORY_TOTAL, owner="node-7/1")).value == 80_500 * MIB


def test_a_memory_of_which_a_part_is_missing_has_no_size() -> None:
    known = read(gpu("DCGM_FI_DEV_FB_USED", "70000") + gpu("DCGM_FI_DEV_FB_RESERVED", "500"))
    assert by_owner(known) == {("node-7/1", Signal.DEVICE_MEMORY_USED, ""): [70000 * MIB]}


def test_the_older_activity_where_there_is_no_newer() -> None:
    assert by_owner(read(gpu("DCGM_FI_DEV_GPU_UTIL", "97"))) == {("node-7/1", Signal.DEVICE_ACTIVITY, "engine"): [0.97]}


@pytest.mark.parametrize("value", ["9223372036854775794", "9223372036854775792", "1e300", "+Inf", "NaN"])
def test_a_blank_is_no_figure(value: str) -> None:
    for name in ("DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"):
        ((found,),) = by_owner(read(gpu(name, value))).values()
        assert math.isnan(found)


@pytest.mark.parametrize("value", ["140737488355328", "140737488355330.000000"])
def test_a_blank_fraction_is_no_figure(value: str) -> None:
    """DCGM has other blanks for fractions than for whole numbers; joules and bytes that are counted may come to as much."""
    for name in ("DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_PROF_PCIE_TX_BYTES"):
        ((found,),) = by_owner(read(gpu(name, value))).values()
        assert math.isnan(found)
    for name in ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "DCGM_FI_PROF_NVLINK_TX_BYTES"):
        ((counted,),) = by_owner(read(gpu(name, value, declared="counter"))).values()
        assert not math.isnan(counted)


def test_the_largest_energy_that_is_one() -> None:
    ((joules,),) = by_owner(read(gpu("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "9e18", declared="counter"))).values()
    assert joules == 9e15


def test_a_shared_gpu_is_there_once() -> None:
    other = LABELS.replace("decode-0", "decode-1")
    known = read(
        "# TYPE DCGM_FI_DEV_POWER_USAGE gauge\n"
        f"DCGM_FI_DEV_POWER_USAGE{{{LABELS}}} 400\nDCGM_FI_DEV_POWER_USAGE{{{other}}} 400\n"
    )
    assert by_owner(known) == {("node-7/1", Signal.POWER, ""): [400]}
    (device,) = known.mapping.devices
    assert device.pods == ("ml/decode-0", "ml/decode-1")


def test_parts_of_a_divided_gpu_have_their_own_memory_and_the_whole_one_s_power() -> None:
    parts = [f'{LABELS},GPU_I_PROFILE="3g.40gb",GPU_I_ID="{part}"' for part in (1, 2)]
    known = read(
        "".join(
            f"# TYPE {name} gauge\n" + "".join(f"{name}{{{labels}}} {value}\n" for labels in parts)
            for name, value in (("DCGM_FI_DEV_POWER_USAGE", 400), ("DCGM_FI_DEV_FB_USED", 100))
        )
    )
    assert by_owner(known) == {
        ("node-7/1", Signal.POWER, ""): [400],
        ("node-7/1/mig-1", Signal.DEVICE_MEMORY_USED, ""): [100 * MIB],
        ("node-7/1/mig-2", Signal.DEVICE_MEMORY_USED, ""): [100 * MIB],
    }
    whole, *divided = known.mapping.devices
    assert (whole.key, whole.part_of, whole.chip) == ("node-7/1", "", "NVIDIA H100 80GB HBM3")
    chip = "NVIDIA H100 80GB HBM3 MIG 3g.40gb"
    assert [(one.key, one.index, one.part_of, one.chip) for one in divided] == [
        (f"node-7/1/mig-{part}", f"1:{part}", "node-7/1", chip) for part in (1, 2)
    ]


def test_missing_labels() -> None:
    known = read(
        "DCGM_FI_DEV_POWER_USAGE 1\n"
        'DCGM_FI_DEV_POWER_USAGE{nvswitch="0"} 2\n'
        'DCGM_FI_DEV_POWER_USAGE{UUID="GPU-2"} 3\n'
        'DCGM_FI_DEV_POWER_USAGE{gpu="4",hostname="node-8"} 5\n',
        "10.0.0.3:9400",
    )
    assert by_owner(known) == {
        ("10.0.0.3/GPU-2", Signal.POWER, ""): [3],
        ("node-8/4", Signal.POWER, ""): [5],
    }


def test_a_wrong_type_is_left_out() -> None:
    assert read(gpu("DCGM_FI_DEV_POWER_USAGE", "5", declared="histogram")).mapping.series == ()


def test_too_many_devices_spoil_the_page() -> None:
    page = "".join(f'DCGM_FI_DEV_POWER_USAGE{{gpu="{one}"}} 1\n' for one in range(5_000))
    with pytest.raises(MappingError, match="more than 4096 devices"):
        read(page)


def device(host: str, index: str, uuid: str = "", *pods: str) -> DeviceFacts:
    return DeviceFacts(f"{host}/{index}", host, index, uuid, pods=pods)


FLEET = [
    device("node-1", "0", "GPU-a", "ml/prefill-0"),
    device("node-1", "1", "GPU-b", "ml/decode-0"),
    device("node-2.cluster.local", "0", "GPU-c"),
    device("node-2.cluster.local", "1", "GPU-d"),
]


@pytest.mark.parametrize(
    ("place", "keys"),
    [
        (Place("w", "node-1", ("0",)), ("node-1/0",)),
        (Place("w", "node-1"), ("node-1/0", "node-1/1")),
        (Place("w", "NODE-2", ("0", "1")), ("node-2.cluster.local/0", "node-2.cluster.local/1")),
        (Place("w", gpus=("GPU-c", "GPU-a")), ("node-1/0", "node-2.cluster.local/0")),
        (Place("w", pod="decode-0"), ("node-1/1",)),
        (Place("w", pod="ml/decode-0"), ("node-1/1",)),
        (Place("w", pod="other/decode-0"), None),
        (Place("w", "node-1", ("7",)), None),
        (Place("w", "node"), None),
        (Place("w", "node-3"), None),
        (Place("w", gpus=("0",)), None),
        (Place("w"), None),
    ],
    ids=str,
)
def test_a_worker_s_devices(place: Place, keys: tuple[str, ...] | None) -> None:
    joined = join(FLEET, [place])
    assert joined.devices == ({"w": keys} if keys else {})
    assert joined.shared == frozenset()


def test_a_device_that_two_workers_claim_is_neither_s() -> None:
    joined = join(FLEET, [Place("a", "node-1"), Place("b", "node-1", ("1",)), Place("c", "node-2", ("1",))])
    assert joined.devices == {"a": ("node-1/0",), "c": ("node-2.cluster.local/1",)}
    assert joined.shared == {"node-1/1"}


def test_a_number_of_an_address_is_no_domain() -> None:
    assert join([device("10.0.0.3", "0")], [Place("w", "10")]).devices == {}
    assert host_of("10.0.0.3:9400") == "10.0.0.3"
    assert host_of("[::1]:9400/metrics") == "[::1]"
    assert host_of("gpu-host") == "gpu-host"
