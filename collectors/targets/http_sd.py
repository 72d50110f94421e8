"""Targets listed by a server (Prometheus' `http_sd`): asked every half minute. While it does not answer, its targets are as they were."""

from collections.abc import Sequence
from typing import Final

from collectors.model.batch import Batch, Status
from collectors.model.vocabulary import Listing, TargetStatus
from collectors.sources.source import Emit
from collectors.targets import documents, sd
from collectors.targets.documents import DocumentError
from collectors.targets.spec import TargetSpec
from collectors.wire.http import JSON_TYPES, FetchError, HttpClient
from collectors.wire.safe import safe_text, shown_url

ASK_S: Final = 30.0
MAX_REASON: Final = 200


class HttpSd:
    """`client` is one with the list's own access, of which `warnings` tell; its targets are watched like `like`, with theirs."""

    def __init__(
        self, url: str, like: TargetSpec, client: HttpClient, warnings: Sequence[str] = (), every_s: float = ASK_S
    ) -> None:
        self.name = safe_text(f"http_sd {url.partition('?')[0]}", 120)
        self.every_s = every_s
        self._url = url
        self._like = like
        self._client = client
        self._warnings = tuple(warnings)

    async def look(self, now_ns: int, emit: Emit) -> tuple[TargetSpec, ...] | None:
        found: sd.Listed | None = None
        try:
            body = await self._client.get(self._url, accept="application/json", kinds=JSON_TYPES)
            found = sd.listed(sd.groups(documents.json(body)), self._like)
            status, reason, limit = TargetStatus.UP, "", ""
        except FetchError as error:
            status, reason, limit = error.status, error.reason, error.limit
        except DocumentError as error:
            status, reason, limit = TargetStatus.REJECTED, str(error), ""
        left_out = sd.summary(found.left_out) if found is not None else ""
        warning = "; ".join(filter(None, (*self._warnings, left_out)))
        if reason:
            reason = f"{reason}; its targets are as before"
        said = Status(
            shown_url(self._url),
            Listing.HTTP_SD,
            status,
            safe_text(reason, MAX_REASON),
            safe_text(warning, MAX_REASON),
            limit,
        )
        emit(Batch(self.name, now_ns, (said,)))
        return None if found is None else found.specs
