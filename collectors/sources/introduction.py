"""What a server calls itself, asked before its page: at one of them, TensorRT-LLM, the usual path is a queue that is gone once read.

So nobody's `/metrics` is read before it is known not to be that one.
"""

from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from collectors.backends import registry, trtllm
from collectors.backends.mapping import Backend
from collectors.sources.target import PAGE_PATH, Target
from collectors.wire.http import JSON_TYPES, FetchError, HttpClient
from collectors.wire.models import MODELS_PATH, Model, models_of

DRAINED: Final = registry.named(trtllm.BACKEND.name)


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def models_at(origin: str, client: HttpClient, heard: Callable[[str], None] | None = None) -> tuple[Model, ...]:
    """The models that a server lists; none where it has no such list. Raises FetchError for one that is too slow to say."""
    try:
        body = await client.get(f"{origin}{MODELS_PATH}", accept="application/json", kinds=JSON_TYPES, heard=heard)
        return models_of(body)
    except ValueError:
        return ()
    except FetchError as error:
        if error.limit.endswith("_s"):  # its page may be the one that is gone once read
            raise
        return ()


def owner_among(models: Iterable[Model]) -> Backend | None:
    """Whose server it calls itself by its models."""
    return registry.calling_itself({one.owned_by for one in models})


async def owner_of(target: Target, client: HttpClient) -> Backend | None:
    """Whose server it says it is; None where it says nothing, or needs not be asked. Raises FetchError for one that is too slow to say."""
    if target.kind:
        return registry.named(target.kind)
    assert target.page is not None
    if urlsplit(target.page).path != PAGE_PATH:
        return None
    return owner_among(await models_at(origin_of(target.page), client))


def page_of(target: Target, owner: Backend | None) -> str:
    """The page to read of a server that is `owner`'s."""
    assert target.page is not None
    if owner is DRAINED and urlsplit(target.page).path == PAGE_PATH:
        return f"{origin_of(target.page)}{DRAINED.reach.page}"
    return target.page


def without_page(owner: Backend) -> list[str]:
    """What a user may do about a server of `owner` that has no page."""
    said = [f"a page comes with {owner.reach.no_page}"] if owner.reach.no_page else []
    if owner is DRAINED:
        said.append(f"{PAGE_PATH} is gone once read, and left alone without sole_reader = true")
    return said
