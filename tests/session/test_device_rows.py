"""Devices and hosts of a Frame: what their pages tell, and which worker runs on them."""

import zlib

import msgspec

from collectors.model.batch import Batch, Inventory
from collectors.model.frame import Frame
from collectors.model.signals import DeviceFacts
from collectors.model.vocabulary import Device, State
from collectors.recording.codec import OLDER_CODEC, compress, pack, unpack
from collectors.session.session import Session
from tests.session.pages import SECOND, fed, fixture, scrape

VLLM = 'vllm:num_requests_running{engine="0"} 1\n'


def dcgm(watts: str = "310.5", joules: int = 0, gpus: int = 2, host: str = "node-1") -> str:
    """A page of an exporter on `host`; energy in mJ, memory in MiB."""
    lines = []
    for gpu in range(gpus):
        labels = f'{{gpu="{gpu}",UUID="GPU-{host}-{gpu}",modelName="H100",Hostname="{host}"}}'
        lines += [
            f"DCGM_FI_DEV_POWER_USAGE{labels} {watts}",
            f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{labels} {joules * 1000}",
            f"DCGM_FI_DEV_FB_USED{labels} 1024",
            f"DCGM_FI_DEV_FB_FREE{labels} 3072",
            f"DCGM_FI_DEV_GPU_TEMP{labels} 61",
            f"DCGM_FI_PROF_DRAM_ACTIVE{labels} 0.25",
        ]
    return "\n".join(["# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION counter", *lines, ""])


def test_what_a_page_of_devices_tells() -> None:
    _, frame = fed((dcgm(joules=100), "node-1:9400", 1), (dcgm(joules=15_100), "node-1:9400", 31), at_s=32)
    first, _ = frame.devices
    assert (first.key, first.host, first.index, first.kind, first.chip) == (
        "node-1/0",
        "node-1",
        "0",
        Device.GPU,
        "H100",
    )
    assert (first.power_watts.value, first.energy_joules.value) == (310.5, 15_000)
    assert (first.memory_used_bytes.value, first.memory_total_bytes.value) == (2**30, 2**32)
    assert [(one.label, one.figure.value) for one in first.activity] == [("memory bandwidth", 0.25)]
    assert [(one.label, one.figure.value) for one in first.temperature_celsius] == [("core", 61.0)]


def test_a_worker_alone_on_its_host_has_its_devices() -> None:
    _, frame = fed((VLLM, "node-1:8000", 1), (VLLM, "node-2:8000", 1), (dcgm(), "10.0.0.9:9400", 1), at_s=2)
    assert [row.workers for row in frame.devices] == [("node-1:8000/0",)] * 2
    power = {row.id: row.power_watts for row in frame.workers}
    drawn = power["node-1:8000/0"]
    assert not isinstance(drawn, msgspec.UnsetType)
    assert drawn.value == 621.0
    assert power["node-2:8000/0"] is msgspec.UNSET


def test_the_name_of_the_page_itself_joins_where_the_host_is_called_otherwise() -> None:
    _, frame = fed((VLLM, "10.0.0.9:8000", 1), (dcgm(host="node-1"), "10.0.0.9:9400", 1), at_s=2)
    assert [row.workers for row in frame.devices] == [("10.0.0.9:8000/0",)] * 2


def test_what_workers_share_is_no_single_ones() -> None:
    _, frame = fed((VLLM, "node-1:8000", 1), (VLLM, "node-1:8001", 1), (dcgm(), "node-1:9400", 1), at_s=2)
    assert [row.workers for row in frame.devices] == [("node-1:8000/0", "node-1:8001/0")] * 2
    assert all(row.power_watts is msgspec.UNSET for row in frame.workers)


def test_one_unknown_draw_leaves_the_sum_unknown() -> None:
    page = dcgm().replace('DCGM_FI_DEV_POWER_USAGE{gpu="1"', 'DCGM_FI_DEV_POWER_USAGE_NOT{gpu="1"')
    _, frame = fed((VLLM, "node-1:8000", 1), (page, "node-1:9400", 1), at_s=2)
    (worker,) = frame.workers
    assert not isinstance(worker.power_watts, msgspec.UnsetType)
    assert worker.power_watts.state is State.ABSENT


def test_a_device_that_two_pages_tell_of_draws_once() -> None:
    pages = [(dcgm(), f"{name}:9400", 1) for name in ("node-1", "node-1.local")]
    _, frame = fed((VLLM, "node-1:8000", 1), *pages, at_s=2)
    assert len(frame.devices) == 4
    assert not isinstance(frame.workers[0].power_watts, msgspec.UnsetType)
    assert frame.workers[0].power_watts.value == 621.0


def test_rows_are_the_same_until_something_is_heard() -> None:
    session, frame = fed((VLLM, "node-1:8000", 1), (dcgm(), "node-1:9400", 1), at_s=2)
    again = session.tick(2 * SECOND + SECOND // 4)
    assert all(one is other for one, other in zip(frame.devices, again.devices, strict=True))
    assert all(one is other for one, other in zip(frame.workers, again.workers, strict=True))
    session.feed(scrape(dcgm(watts="100"), "node-1:9400", 3 * SECOND))
    assert session.tick(4 * SECOND).devices[0].power_watts.value == 100.0


def divided(*parts: tuple[str, str]) -> str:
    """A page of one GPU that is divided into the parts of these numbers, each with its pod."""
    named = [
        f'{{gpu="0",UUID="GPU-0",Hostname="node-1",GPU_I_PROFILE="3g.40gb",GPU_I_ID="{part}",pod="{pod}"}}'
        for part, pod in parts
    ]
    return "".join(
        f"{name}{labels} {value}\n"
        for name, value in (
            ("DCGM_FI_DEV_POWER_USAGE", 500),
            ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 9000),
            ("DCGM_FI_DEV_FB_USED", 1024),
            ("DCGM_FI_PROF_DRAM_ACTIVE", 0.25),
        )
        for labels in named
    )


def in_pods(page: str, **pods: str) -> Frame:
    """What is told of workers in these pods beside that page of devices."""
    session = Session("virtual")
    for name, pod in pods.items():
        batch = scrape(VLLM, name, SECOND)
        session.feed(
            msgspec.structs.replace(
                batch,
                parts=tuple(
                    msgspec.structs.replace(
                        part,
                        workers=tuple(msgspec.structs.replace(one, labels={"pod": pod}) for one in part.workers),
                    )
                    if isinstance(part, Inventory)
                    else part
                    for part in batch.parts
                ),
            )
        )
    session.feed(scrape(page, "node-1:9400", SECOND))
    return session.tick(2 * SECOND)


def test_a_divided_gpu_draws_once_and_for_no_single_worker() -> None:
    frame = in_pods(divided(("1", "decode-0"), ("2", "decode-1")), a="decode-0", b="decode-1")
    whole, *parts = frame.devices
    assert (whole.workers, whole.power_watts.value, whole.memory_used_bytes.state) == (
        ("a/0", "b/0"),
        500,
        State.ABSENT,
    )
    assert [part.workers for part in parts] == [("a/0",), ("b/0",)]
    assert [part.memory_used_bytes.value for part in parts] == [2**30] * 2
    assert [part.activity[0].figure.value for part in parts] == [0.25] * 2
    assert {(part.power_watts.state, part.energy_joules.state) for part in parts} == {(State.ABSENT, State.ABSENT)}
    assert all(row.power_watts is msgspec.UNSET for row in frame.workers)


def test_power_that_others_may_draw_is_no_single_workers() -> None:
    """Only one of a GPU's users is known to us: the others' draw is not its own."""
    alone = in_pods(divided(("1", "decode-0"), ("2", "other")), a="decode-0")
    assert alone.devices[0].workers == ("a/0",)
    assert alone.workers[0].power_watts is msgspec.UNSET
    sliced = "".join(
        f'DCGM_FI_DEV_POWER_USAGE{{gpu="0",Hostname="node-1",pod="{pod}"}} 400\n' for pod in ("decode-0", "other")
    )
    shared = in_pods(sliced, a="decode-0")
    assert (shared.devices[0].workers, shared.workers[0].power_watts) == (("a/0",), msgspec.UNSET)
    own = in_pods(sliced.replace('pod="other"', 'pod="decode-0",container="another"'), a="decode-0")
    assert not isinstance(own.workers[0].power_watts, msgspec.UnsetType)
    assert own.workers[0].power_watts.value == 400


def test_a_worker_on_a_host_of_divided_gpus_runs_on_none_of_the_parts_for_certain() -> None:
    _, frame = fed((VLLM, "node-1:8000", 1), (divided(("1", ""), ("2", "")), "node-1:9400", 1), at_s=2)
    assert [row.workers for row in frame.devices] == [("node-1:8000/0",), (), ()]
    assert frame.workers[0].power_watts is msgspec.UNSET


def test_a_hosts_memory_is_no_tier() -> None:
    _, frame = fed((fixture("node/meminfo-uname.prom"), "10.0.0.9:9100", 1), at_s=2)
    (host,) = frame.hosts
    assert host.memory_total_bytes.value
    assert host.memory_available_bytes.value
    assert frame.tiers == ()


def test_devices_are_recorded_and_older_recordings_have_none() -> None:
    facts = DeviceFacts("node-1/0", "node-1", "0", "GPU-a", Device.GPU, "H100", ("ns/pod",))
    batch = Batch("dcgm", 0, (Inventory(workers=(), devices=(facts,)),))
    (read,) = unpack(compress(pack([batch])))
    assert read == batch
    older = msgspec.msgpack.decode(msgspec.msgpack.encode([batch]))
    del older[0]["parts"][0]["devices"]
    (read,) = unpack(zlib.compress(msgspec.msgpack.encode(older)), OLDER_CODEC)
    assert isinstance(read, Batch)
    assert read.parts == (Inventory(workers=()),)


def test_a_worker_of_another_number_of_chips_runs_on_some_of_them() -> None:
    page = 'tokenyard_emulated 1\ntokenyard_worker_info{worker="w",chips="1",device="GPU"} 1\ntokenyard_requests_running 1\n'
    session = Session("virtual")
    for text, name in ((page, "node-1:8000"), (dcgm(), "node-1:9400")):
        session.feed(scrape(text, name, SECOND))
    assert [row.workers for row in session.tick(2 * SECOND).devices] == [(), ()]


def test_a_recording_of_devices_and_engines_gives_the_same_frames() -> None:
    pages = [fixture(f"vllm/{name}.metrics.txt") for name in ("idle", "under_load", "after_load")]
    seen = [scrape(page, "node-1:8000", second * SECOND) for second, page in enumerate(pages, 1)]
    seen += [scrape(dcgm(joules=second), "node-1:9400", second * SECOND) for second in (1, 2, 3)]
    seen.sort(key=lambda batch: batch.time_ns)

    def frames(batches: list[Batch]) -> list[Frame]:
        session, made, left = Session("virtual"), [], list(batches)
        for tick in range(1, 20):
            while left and left[0].time_ns < tick * SECOND // 4:
                session.feed(left.pop(0))
            made.append(session.tick(tick * SECOND // 4))
        return made

    live = frames(seen)
    replayed = frames([item for item in unpack(compress(pack(seen))) if isinstance(item, Batch)])
    assert live == replayed
    assert live[-1].devices
    assert live[-1].prompts
    assert not isinstance(live[-1].workers[0].power_watts, msgspec.UnsetType)


def test_labels_of_a_target_say_where_it_runs() -> None:
    session = Session("virtual")
    for name, labels in (
        ("10.1.0.1:8000", {"host": "node-1", "gpus": "0"}),
        ("10.1.0.2:8000", {"gpus": "GPU-node-1-1"}),
    ):
        batch = scrape(VLLM, name, SECOND)
        told = [
            msgspec.structs.replace(
                part, workers=tuple(msgspec.structs.replace(one, labels=labels) for one in part.workers)
            )
            if isinstance(part, Inventory)
            else part
            for part in batch.parts
        ]
        session.feed(msgspec.structs.replace(batch, parts=tuple(told)))
    session.feed(scrape(dcgm(), "10.0.0.9:9400", SECOND))
    frame = session.tick(2 * SECOND)
    assert [row.workers for row in frame.devices] == [("10.1.0.1:8000/0",), ("10.1.0.2:8000/0",)]
    assert [row.power_watts.value for row in frame.workers if row.power_watts] == [310.5, 310.5]
