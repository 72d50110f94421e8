"""One look at a Prometheus-compatible server: which back ends it scrapes, and what of them it has. Flags are of the instances behind it."""

import time
from typing import Final

import msgspec
from msgspec.structs import replace

from collectors.backends import registry
from collectors.backends.mapping import families
from collectors.backends.reach import ON, Evidence, Fact, json_facts
from collectors.doctor.findings import findings, helps
from collectors.doctor.report import MAX_NAMES, Examined
from collectors.model.batch import Batch, Inventory, Layout, Status
from collectors.model.signals import WorkerFacts
from collectors.model.vocabulary import Role, TargetStatus
from collectors.sources.promql import PromqlSource
from collectors.sources.target import Target
from collectors.stats.offsets import Offset, between
from collectors.wire.http import FetchError, HttpClient
from collectors.wire.prom_api import PromApi, PromApiError
from collectors.wire.safe import safe_text, shown_url

_JSON: Final = frozenset({"application/json"})


class _Built(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"{}")


async def examine_fleet(target: Target, client: HttpClient) -> Examined:
    assert target.page is not None
    server = Examined(
        name=target.name, url=shown_url(target.page), status=TargetStatus.UP, backend="prometheus", title="Prometheus"
    )
    try:
        clock = await _clock(target.page, client)
    except (FetchError, PromApiError) as error:
        return replace(server, status=error.status, reason=error.reason)
    batches: list[Batch] = []
    source = PromqlSource(target.name, target.page, client)
    fault = await source.attempt(time.monotonic_ns, batches.append)
    if fault is not None:
        return replace(server, status=fault.status, reason=safe_text(fault.reason), clock=clock)
    return _judged(server, batches, await _version(target.page, client), clock)


async def _clock(url: str, client: HttpClient) -> Offset:
    """Its `time()` is exact to the millisecond, so only the way there and back is left open: the second time the connection is there."""
    api = PromApi(url, client)

    async def once() -> Offset:
        sent_s = time.time()
        now_s = await api.now_s()
        return between(now_s, now_s + 1e-3, sent_s, time.time(), "time()")

    return (await once()).narrowed(await once())


async def _version(url: str, client: HttpClient) -> str:
    try:
        body = await client.get(f"{url}/api/v1/status/buildinfo", accept="application/json", kinds=_JSON)
        found = json_facts(version="version")(bytes(msgspec.json.decode(body, type=_Built).data), "")
    except (FetchError, ValueError):
        return ""
    return safe_text(found.get(Fact.VERSION, ""), 60)


def _judged(server: Examined, batches: list[Batch], version: str, clock: Offset) -> Examined:
    """All instances together are the evidence; hints are of each back end by its own instances.

    Whether an instance publishes KV events its samples do not tell, so no hint says that it should.
    """
    kinds: dict[str, Evidence] = {}
    down, warning, emulated = 0, "", False
    for batch in batches:
        status = next((part for part in batch.parts if isinstance(part, Status)), None)
        if status is None:  # of before
            continue
        if batch.source == server.name:
            warning = status.warning
            continue
        down += status.status is not TargetStatus.UP
        seen = kinds.get(status.backend, Evidence(facts={Fact.KV_EVENTS: ON}))
        for part in batch.parts:
            if isinstance(part, Layout):
                seen = replace(
                    seen,
                    series=(*seen.series, *part.series),
                    families=seen.families.union(families(one.metric for one in part.series)),
                )
            elif isinstance(part, Inventory):
                emulated |= part.emulated
                told = [
                    WorkerFacts(one.id, one.model, one.role, one.device, one.chip, one.chips) for one in part.workers
                ]
                seen = replace(seen, workers=(*seen.workers, *told))
        kinds[status.backend] = seen
    behind = {name: registry.named(name).reach for name in sorted(kinds) if name in registry.NAMES}
    everything = Evidence(
        tuple(one for name in behind for one in kinds[name].series),
        tuple(one for name in behind for one in kinds[name].workers),
    )
    routers = sum(one.role is Role.ROUTER for one in everything.workers)
    instances = len({batch.source for batch in batches}) - 1
    titles = ", ".join(reach.title for reach in behind.values())
    advice = [help_ for name, reach in behind.items() for help_ in helps(kinds[name], reach)]
    return replace(
        server,
        version=version,
        emulated=emulated,
        models=tuple(dict.fromkeys(one.model for one in everything.workers if one.model))[:MAX_NAMES],
        workers=len(everything.workers) - routers,
        routers=routers,
        findings=findings(everything),
        help=tuple(dict.fromkeys(advice)),
        notes=(f"{instances} instances{f' of {titles}' if titles else ''}, {down} not up", *filter(None, [warning])),
        clock=clock,
    )
