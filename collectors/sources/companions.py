"""What belongs to a page of metrics beside it, by what the page turned out to be: a placement stream, KV events, a front end's list of its workers, what the server says of itself."""

from collections.abc import Iterator

from collectors.backends import llamacpp
from collectors.backends.mapping import Backend
from collectors.sources import answers
from collectors.sources.dynamo_health import Begin, DynamoHealth
from collectors.sources.identity import Identity, may_tell
from collectors.sources.introduction import DRAINED, origin_of
from collectors.sources.kv_events import KvEventsSource
from collectors.sources.kv_sources import KvSources
from collectors.sources.placement import PlacementSource
from collectors.sources.scrape import ScrapeSource
from collectors.sources.settings import TargetSettings
from collectors.sources.source import Source
from collectors.sources.target import Places, Target
from collectors.wire.http import HttpClient


def companions(
    page: ScrapeSource, target: Target, client: HttpClient, settings: TargetSettings, begin: Begin, named: Places
) -> Iterator[Source]:
    """`page` has been read. Each is a source of its own, named after the page's. `begin` makes the source of a host that is found, unless it is `named`."""
    origin = origin_of(target.page or "")
    if page.offers_placement and target.stream:
        yield PlacementSource(f"{page.name} placement", target.stream, client)
    if settings.kv_endpoint is not None:
        yield KvEventsSource(f"{page.name} kv events", page.name, settings.kv_endpoint, limits=client.limits)
    elif settings.kv_events and page.backend == "vllm":
        yield KvSources(page.name, origin, client)
    if page.backend == "dynamo" and page.is_router:
        yield DynamoHealth(page.name, origin, client, settings, begin, named)
    if may_tell(page.backend, page.workers):
        yield Identity(page, origin, client)
    if page.backend == llamacpp.BACKEND.name:
        yield answers.slots(f"{page.name} slots", page.name, origin, client, settings.interval_s)
    if page.backend == DRAINED.name and settings.sole_reader:
        yield answers.iterations(f"{page.name} iterations", page.name, origin, client, settings.interval_s)


def instead(
    name: str, owner: Backend, target: Target, client: HttpClient, settings: TargetSettings
) -> Iterator[Source]:
    """What there is of a server of `owner` that has no page: a source of that name."""
    origin = origin_of(target.page or "")
    if owner.name == llamacpp.BACKEND.name:
        yield answers.slots(name, name, origin, client, settings.interval_s)
    if owner is DRAINED and settings.sole_reader:
        yield answers.iterations(name, name, origin, client, settings.interval_s)
