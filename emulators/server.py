"""Real servers on loopback around one simulated cluster: the router's (stream, metrics, control) and each worker's `/metrics`.

Wires and serves; what a page says is `emulators.metrics`', what the stream says `emulators.readers`'s.
"""

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from emulators import control, dcgm, fault_control, frontend, load_control
from emulators import kv_events as kv
from emulators.doors import HOST, SHUTDOWN_S, Door, Page, ServeError, text
from emulators.emulation import ClockKind, Emulation, SimulatedWorker
from emulators.metrics import router_page, worker_page
from emulators.pacing import RealTime, pace
from emulators.readers import QUIET_S, Reader
from emulators.scenarios import build
from emulators.wire import negotiate

Addresses = dict[str, Any]


async def serve(
    scenario: str,
    seed: int,
    *,
    port_base: int = 0,
    clock: ClockKind = "paced",
    speed: float = 1.0,
    kv_events: bool = False,
    faults: Sequence[str] = (),
    ready: Callable[[Addresses], None],
    stop: asyncio.Event,
) -> None:
    """Emulates `scenario` until `stop` is set.

    The router listens on `port_base` and worker i on `port_base` + 1 + i; 0 takes free ports. A `paced` clock runs at `speed`
    times real time, a `stepped` one moves by `POST /clock/advance` only. With `kv_events`, which needs pyzmq, blocks are published over ZeroMQ on free
    ports. `faults` are beside the scenario's, as written on a command line. `ready` is called once all listen, with `router` (base URL), `workers` (`id`, `url` of its page), `scenario`, `seed`, `clock`. ServeError if a
    port cannot be had.
    """
    # Every gap is kept only where someone may ask for exact quantiles: a paced run has no end, and no such tests.
    try:
        cluster = build(scenario, seed, keep_gaps=clock == "stepped", faults=faults)
    except ValueError as error:
        raise ServeError(str(error)) from error
    emulation = Emulation(cluster, clock=clock, clock_id=f"{scenario}/{seed}")
    async with listening(emulation, port_base, kv_events=kv_events) as addresses:
        ready({**addresses, "scenario": scenario, "seed": seed, "clock": clock})
        await run(emulation, speed=speed, stop=stop)


def main(
    scenario: str,
    seed: int,
    *,
    port_base: int,
    clock: ClockKind,
    speed: float,
    kv_events: bool,
    faults: Sequence[str] = (),
    stopping: Callable[[], asyncio.Event],
) -> None:
    """`serve` as a process: the addresses as one JSON line on stdout; `stopping` gives, once the loop runs, what is set when it is to end."""

    def ready(addresses: Addresses) -> None:
        # What exists by now stays: full collections need not walk it, and they would delay the pacing.
        gc.collect()
        gc.freeze()
        print(json.dumps(addresses), flush=True)

    async def until_stopped() -> None:
        await serve(
            scenario,
            seed,
            port_base=port_base,
            clock=clock,
            speed=speed,
            kv_events=kv_events,
            faults=faults,
            ready=ready,
            stop=stopping(),
        )

    try:
        asyncio.run(until_stopped())
    except ServeError as error:
        raise SystemExit(f"tokenyard emulate: {error}") from None


@contextlib.asynccontextmanager
async def listening(emulation: Emulation, port_base: int, *, kv_events: bool = False) -> AsyncIterator[Addresses]:
    """All servers of one emulation, while the context lasts; gives `router` and `workers` as `serve` does."""
    workers = emulation.cluster.workers
    async with contextlib.AsyncExitStack() as stack:
        publishers = {}
        if kv_events:
            from emulators.kv_publisher import publishing

            found = await stack.enter_async_context(publishing(emulation))
            publishers = {one.owner: kv.sources(one.endpoint, one.replay_endpoint) for one in found}
        silent = kv.sources(None, None)
        router = _router_app(emulation, publishers.get(None, silent))
        doors = [
            Door(emulation.cluster.router_process, lambda: router, SHUTDOWN_S),
            *(
                Door(worker.process, partial(_worker_app, emulation, worker, publishers.get(worker.id, silent)))
                for worker in workers
            ),
        ]
        if port_base + len(doors) - 1 > 65_535:
            raise ServeError(
                f"{len(doors)} ports from {port_base} on are needed, the last port is 65535; choose a lower --port-base"
            )
        ports = []
        for number, door in enumerate(doors):
            stack.push_async_callback(door.shut)
            ports.append(await door.open(port_base and port_base + number))
        emulation.attending += [door.attend for door in doors]
        stack.callback(emulation.stream.close)  # first of all: a stream that goes on would hold up the others
        urls = [f"http://{HOST}:{port}" for port in ports]
        named = zip(workers, urls[1:], strict=True)
        yield {"router": urls[0], "workers": [{"id": worker.id, "url": f"{url}/metrics"} for worker, url in named]}


async def run(emulation: Emulation, *, speed: float, stop: asyncio.Event) -> None:
    """Moves the clock if it is paced, and keeps the stream's heart beating, until `stop` is set or the simulation fails (raises)."""
    jobs: list[Coroutine[Any, Any, object]] = [stop.wait(), _heartbeats(emulation)]
    if emulation.clock == "paced":
        real = RealTime(emulation.cluster.now_ns, speed)
        emulation.real_now_ns = real.now_ns
        jobs.append(pace(emulation.advance, real, due_ns=emulation.due_ns, sleep=emulation.rest))
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _heartbeats(emulation: Emulation) -> None:
    while True:
        await asyncio.sleep(QUIET_S / 2)
        emulation.stream.heartbeat(emulation.cluster.now_ns)


def _router_app(emulation: Emulation, kv_sources: bytes) -> web.Application:
    async def stream(request: web.Request) -> web.StreamResponse:
        encoding = negotiate(",".join(request.headers.getall("Accept", [])))
        response = web.StreamResponse(headers={"Content-Type": encoding.value, "Cache-Control": "no-store"})
        await response.prepare(request)
        if request.transport is None:
            return response
        host, port = request.transport.get_extra_info("peername")
        reader = Reader(f"{host}:{port}", encoding, request.transport.abort)
        emulation.join(reader, request.headers.get("Last-Event-ID", ""))
        try:
            with contextlib.suppress(ConnectionError):  # the client went away, or was cut
                while data := await reader.take():
                    await response.write(data)
                    reader.sent(data)
        finally:
            emulation.stream.leave(reader)
        return response

    async def devices(_: web.Request) -> web.Response:
        return text(dcgm.page(emulation))

    routes = [
        web.get("/placement/v1/stream", stream, allow_head=False),
        web.get("/metrics", Page(emulation.cluster.router_process, lambda: router_page(emulation)).answer),
        web.get("/dcgm/metrics", devices),
        web.get("/kv_event_sources", _says(kv_sources)),
        *control.routes(emulation),
        *fault_control.routes(emulation),
        *load_control.routes(emulation),
        *frontend.routes(emulation),
    ]
    listed = sorted(f"{route.method} {route.path}" for route in routes)

    async def index(_: web.Request) -> web.Response:
        return control.answer({"name": "tokenyard-emulator", "emulated": True, "endpoints": listed})

    app = web.Application(client_max_size=frontend.MAX_BODY_BYTES)
    app.add_routes([*routes, web.get("/", index)])
    return app


def _worker_app(emulation: Emulation, worker: SimulatedWorker, kv_sources: bytes) -> web.Application:
    page = Page(worker.process, lambda: worker_page(emulation, worker))
    app = web.Application()
    app.add_routes([web.get("/metrics", page.answer), web.get("/kv_event_sources", _says(kv_sources))])
    return app


def _says(body: bytes) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that always says the same."""

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return handle
