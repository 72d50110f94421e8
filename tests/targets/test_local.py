"""Without a target: the usual ports are tried, what answers is watched, and one row says what was tried."""

import asyncio
from pathlib import Path

from collectors.model.batch import Status
from collectors.model.vocabulary import Listing, TargetStatus
from collectors.session.clock import LiveClock
from collectors.sources.detect import open_target
from collectors.sources.settings import TargetSettings
from collectors.targets.local import LocalPorts
from collectors.wire.http import HttpClient
from tests.loopback import by_path, page, says, serving, unused_port
from tests.sources.seen import Seen

VLLM = (Path(__file__).parent.parent / "fixtures" / "vllm" / "under_load.metrics.txt").read_bytes()
QUICK = TargetSettings(interval_s=0.05, kv_events=False)


def port(address: str) -> str:
    return address.rpartition(":")[2]


async def test_what_answers_is_watched_and_the_rest_is_said() -> None:
    nobody = f"127.0.0.1:{await unused_port()}"
    seen = Seen()
    async with (
        serving(by_path(metrics=says(page(VLLM)))) as vllm,
        serving(by_path(metrics=says(page(b"# TYPE up gauge\nup 1\n")))) as stranger,
        HttpClient() as client,
    ):
        ports = LocalPorts(
            lambda address: open_target(address, client, settings=QUICK), (nobody, stranger.name, vllm.name)
        )
        live = asyncio.create_task(ports.run(LiveClock(), seen))
        await seen.until(lambda seen: len(seen.of(vllm.name).samples) >= 2 and bool(seen.of(ports.name).batches))
        live.cancel()
        await asyncio.gather(live, return_exceptions=True)
    assert {batch.source for batch in seen.batches} == {vllm.name, ports.name}
    assert ports.expected == [ports.name, vllm.name]
    status = seen.of(ports.name).parts(Status)[-1]
    assert (status.status, status.backend) == (TargetStatus.UP, Listing.LOCAL)
    assert status.warning == (
        f"no target was named; tried ports {port(vllm.name)} vllm; {port(nobody)} refused; "
        f"{port(stranger.name)} not a known back end"
    )


async def test_nothing_there_and_then_something() -> None:
    free = await unused_port()
    address, seen = f"127.0.0.1:{free}", Seen()
    async with HttpClient() as client:
        ports = LocalPorts(lambda address: open_target(address, client, settings=QUICK), (address,))
        live = asyncio.create_task(ports.run(LiveClock(), seen))
        await seen.until(lambda seen: bool(seen.batches))
        assert seen.statuses == [(TargetStatus.DOWN, f"no target was named; tried ports {free} refused")]
        async with serving(by_path(metrics=says(page(VLLM))), port=free):
            await seen.until(lambda seen: bool(seen.of(address).samples))
        live.cancel()
        await asyncio.gather(live, return_exceptions=True)
    assert seen.of(ports.name).statuses[-1][0] is TargetStatus.UP


async def test_a_prometheus_server_is_hinted_at() -> None:
    class Refused:
        def __init__(self, name: str) -> None:
            self.name = name

        async def run(self, clock: object, emit: object) -> None: ...

        async def step(self, until_ns: int, emit: object) -> None:
            from collectors.model.batch import Batch

            known = Status("", "", TargetStatus.REJECTED, "not a known back end; known: vllm")
            emit(Batch(self.name, until_ns, (known,)))  # type: ignore[operator]

        async def close(self) -> None: ...

    seen = Seen()
    await LocalPorts(Refused, ("127.0.0.1:9090",)).step(1, seen)
    (status,) = seen.parts(Status)
    assert status.reason.endswith("9090 not a known back end (a Prometheus server? watch prom+http://127.0.0.1:9090)")
