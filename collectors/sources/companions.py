"""What belongs to a page of metrics beside it, by what the page turned out to be: a placement stream, KV events, a front end's list of its workers."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from collectors.sources.dynamo_health import DynamoHealth
from collectors.sources.kv_events import KvEventsSource
from collectors.sources.kv_sources import KvSources
from collectors.sources.placement import PlacementSource
from collectors.sources.scrape import ScrapeSource
from collectors.sources.settings import TargetSettings
from collectors.sources.source import Source
from collectors.sources.target import Target
from collectors.wire.http import HttpClient


def companions(page: ScrapeSource, target: Target, client: HttpClient, settings: TargetSettings) -> Iterator[Source]:
    """`page` has been read. Each is a source of its own, named after the page's."""
    parts = urlsplit(target.page or "")
    origin = f"{parts.scheme}://{parts.netloc}"
    if page.offers_placement and target.stream:
        yield PlacementSource(f"{page.name} placement", target.stream, client)
    if settings.kv_endpoint is not None:
        yield KvEventsSource(f"{page.name} kv events", page.name, settings.kv_endpoint, limits=client.limits)
    elif settings.kv_events and page.backend == "vllm":
        yield KvSources(page.name, origin, client)
    if page.backend == "dynamo" and page.is_router:
        yield DynamoHealth(page.name, origin, client, settings)
