"""One look at a target: its page, what else it answers, its placement stream. By GET, bounded, and nothing that a read would take away.

What is found is judged in `findings`. A server that calls itself TensorRT-LLM is not asked for `/metrics`: its answer is gone once read.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from collectors.backends import trtllm_stats
from collectors.backends.json_page import decoded
from collectors.backends.mapping import Backend
from collectors.backends.reach import OFF, ON, Aspect, Evidence, Fact, Facts, Reach
from collectors.doctor.clock import from_date
from collectors.doctor.findings import findings, helps
from collectors.doctor.fleet import examine_fleet
from collectors.doctor.kv import followed, unfollowed
from collectors.doctor.page import Page, PageError, understand
from collectors.doctor.report import MAX_NAMES, Examined, Help, PageUse, Verdict
from collectors.doctor.stream import Greeting, greeting
from collectors.doctor.traces import examine_file, examine_listener
from collectors.model.signals import Series, WorkerFacts
from collectors.model.vocabulary import Role, TargetStatus
from collectors.sources.annotated import warnings_of
from collectors.sources.introduction import DRAINED, models_at, origin_of, owner_among, page_of
from collectors.sources.target import OTLP, PAGE_PATH, PROM, TRACE, Target, unique_names
from collectors.stats.offsets import Offset
from collectors.targets.spec import TargetSpec
from collectors.wire.access import Clients
from collectors.wire.http import JSON_TYPES, TEXT_TYPES, FetchError, HttpClient
from collectors.wire.safe import safe_text, shown_url

AT_A_TIME: Final = 32
"""Targets that are looked at at once."""
_MAX_FACT: Final = 120
"""Cells of a fact."""


async def examine_all(specs: Sequence[TargetSpec], clients: Clients) -> tuple[Examined, ...]:
    """Each of them, named uniquely, a few at a time, in order."""
    names = unique_names([spec.called for spec in specs])
    turn = asyncio.Semaphore(AT_A_TIME)

    async def one(spec: TargetSpec, name: str) -> Examined:
        async with turn:
            return await examine(msgspec.structs.replace(spec, name=name), clients.of(spec.settings.access))

    return tuple(await asyncio.gather(*map(one, specs, names)))


async def examine(spec: TargetSpec, client: HttpClient) -> Examined:
    """Whatever goes wrong is in what is returned."""
    target = msgspec.structs.replace(spec.target, name=spec.called)
    if target.kind == PROM:
        found = await examine_fleet(target, client)
    elif target.kind == TRACE:
        found = await examine_file(target)
    elif target.kind == OTLP:
        found = examine_listener(target)
    elif target.page is None:
        assert target.stream is not None
        found = _streamed(target, target.stream, await greeting(client, target.stream))
    else:
        found = await _Visit(target, target.page, spec, client).examined()
    notes = (*warnings_of(target.url, spec.settings), *found.notes)
    return msgspec.structs.replace(found, notes=notes, limits=client.limits)


class _Visit:
    """To a target that has, or may have, a page of metrics."""

    def __init__(self, target: Target, url: str, spec: TargetSpec, client: HttpClient) -> None:
        self._target = target
        self._settings = spec.settings
        self._assumed = spec.assumed
        self._url = url
        self._client = client
        self._clock: Offset | None = None
        self._models: tuple[str, ...] = ()
        self._owner: Backend | None = None
        """As it calls itself in its list of models."""
        self._notes: list[str] = []

    async def examined(self) -> Examined:
        use = None
        try:
            if urlsplit(self._url).path == PAGE_PATH and self._target.kind in ("", DRAINED.name):
                await self._introduce()
            page, use = await self._page()
        except PageError as error:
            if self._owner is None or not (more := await self._more(self._owner)):
                return await self._without(error)
            page = Page(self._owner, Evidence(*more), samples=0, notes=(f"it has no page: {error.reason}",))
        else:
            page = await self._whole(page)
        facts = {**page.evidence.facts, **await self._facts(page.backend)}
        stream = self._target.stream if page.offers_placement else None
        greeted = await greeting(self._client, stream) if stream is not None else None
        return self._with(page, use, facts, greeted)

    async def _introduce(self) -> None:
        """Who it says it is, before its page is read."""
        try:
            listed = await models_at(origin_of(self._url), self._client, self._dated())
        except FetchError as error:
            raise PageError(error.reason, error.status, limit=error.limit) from None
        self._models = tuple(one.id for one in listed if one.id)[:MAX_NAMES]
        self._owner = owner_among(listed)
        if self._owner is DRAINED or self._target.kind:
            self._url = page_of(self._target, DRAINED)
            self._notes.append(f"its {PAGE_PATH} is left alone: {trtllm_stats.SIDE_EFFECT}")

    async def _page(self) -> tuple[Page, PageUse]:
        """Raises PageError."""
        began_s = time.monotonic()
        try:
            body = await self._get("")
        except FetchError as error:
            # A server that has told its models is not down because it has no page (llama.cpp answers 501).
            status = TargetStatus.REJECTED if self._owner is not None and error.http is not None else error.status
            raise PageError(error.reason, status, elsewhere=error.http == 404, limit=error.limit) from None
        took_s = time.monotonic() - began_s
        target, limits = self._target, self._client.limits
        page = await asyncio.to_thread(understand, body, self._url, target.kind, target.name, limits)
        return page, PageUse(len(body), page.samples, round(took_s, 6))

    async def _whole(self, page: Page) -> Page:
        """With what another answer adds to the page."""
        series, workers = await self._more(page.backend) or ((), ())
        known = page.evidence
        evidence = msgspec.structs.replace(known, series=(*known.series, *series), workers=known.workers or workers)
        return msgspec.structs.replace(page, evidence=evidence)

    async def _more(self, backend: Backend) -> tuple[tuple[Series, ...], tuple[WorkerFacts, ...]] | None:
        if backend.reach.also is None:
            return None
        path, read = backend.reach.also
        try:
            found = read(decoded(await self._get(path, json=True)), self._target.name)
        except (FetchError, ValueError):
            return None
        return found.series, found.workers

    async def _facts(self, backend: Backend) -> Facts:
        """What answers beside the page tell; one that is not there tells nothing."""
        facts: dict[str, str] = {}
        for ask in backend.reach.asks:
            if ask.tells not in facts:
                try:
                    found = ask.read(await self._get(ask.path, json=True), urlsplit(self._url).hostname or "")
                except (FetchError, ValueError):
                    continue
                facts |= {fact: safe_text(text, _MAX_FACT) for fact, text in found.items() if text}
        return facts

    async def _get(self, path: str, *, json: bool = False) -> bytes:
        """The body of `path` of the same server (empty: the page); its Date narrows the clock. Raises FetchError."""
        url = f"{origin_of(self._url)}{path}" if path else self._url
        accept, kinds = ("application/json", JSON_TYPES) if json else ("text/plain", TEXT_TYPES)
        return await self._client.get(url, accept=accept, kinds=kinds, heard=self._dated())

    def _dated(self) -> Callable[[str], None]:
        """For the Date of the answer to what is asked now."""
        sent_s = time.time()

        def heard(date: str) -> None:
            found = from_date(date, sent_s, time.time())
            if found is not None:
                self._clock = found if self._clock is None else self._clock.narrowed(found)

        return heard

    async def _without(self, error: PageError) -> Examined:
        """No page: perhaps a stream; else why, and what would give it one."""
        reason = error.reason
        if error.elsewhere and self._target.stream is not None:
            found = await greeting(self._client, self._target.stream)
            if not found.reason:
                return _streamed(self._target, self._target.stream, found)
            reason = f"{reason}; {found.reason}"
        reach = self._owner.reach if self._owner else None
        help_: tuple[Help, ...] = ()
        if error.instead:
            help_ = (Help(None, f"as a target: {error.instead}", "what it has gathered of the whole fleet"),)
        elif reach is not None:
            help_ = _page_of(reach)
        return Examined(
            name=self._target.name,
            url=shown_url(self._url),
            status=error.status,
            reason=safe_text(reason),
            limit=error.limit,
            backend=self._owner.name if self._owner else "",
            title=reach.title if reach else "",
            models=self._models,
            help=help_ or self._canary(),
            notes=tuple(self._notes),
            clock=self._clock,
        )

    def _with(self, page: Page, use: PageUse | None, facts: Facts, greeted: Greeting | None) -> Examined:
        backend, reach = page.backend, page.backend.reach
        streams = greeted is not None and not greeted.reason
        workers = tuple(self._as_configured(one) for one in page.evidence.workers)
        facts = {**followed(facts, self._settings), Fact.SOLE_READER: ON if self._settings.sole_reader else OFF}
        seen = msgspec.structs.replace(page.evidence, workers=workers, facts=facts, stream=streams)
        notes = [*self._notes, *page.notes, *filter(None, [backend.side_effect])]
        if greeted is not None:
            notes += greeted.notes if streams else [f"its placement stream does not answer: {greeted.reason}"]
        routers = sum(one.role is Role.ROUTER for one in seen.workers)
        found = findings(seen)
        models = [*(one.model for one in seen.workers), facts.get(Fact.MODEL, ""), *self._models]
        return Examined(
            name=self._target.name,
            url=shown_url(self._url),
            status=TargetStatus.UP,
            backend=backend.name,
            title=reach.title,
            version=facts.get(Fact.VERSION, ""),
            emulated=page.emulated,
            never_seen=backend.never_seen,
            models=tuple(dict.fromkeys(filter(None, models)))[:MAX_NAMES],
            workers=len(seen.workers) - routers or (greeted.workers if greeted else 0),
            routers=routers,
            devices=page.devices,
            chips=tuple(dict.fromkeys([*page.chips, *filter(None, [facts.get(Fact.CHIP)])]))[:MAX_NAMES],
            findings=found,
            help=(
                *(_page_of(reach) if use is None else ()),
                *helps(seen, reach),
                *unfollowed(seen, self._settings),
                *(
                    self._canary()
                    if any(one.aspect is Aspect.JITTER and one.verdict is Verdict.NOT for one in found)
                    else ()
                ),
            ),
            notes=tuple(notes),
            clock=self._clock,
            page=use,
        )

    def _canary(self) -> tuple[Help, ...]:
        """Where nobody tells of gaps, for a server of completions."""
        if not self._models:
            return ()
        origin = shown_url(origin_of(self._url))
        return (
            Help(Aspect.JITTER, f"tokenyard tap --upstream {origin}", "TTFT and gaps of what goes through the tap"),
            Help(
                Aspect.JITTER,
                "--probe 30s",
                "where no tap may stand: those of a request of our own now and then, which costs tokens",
            ),
        )

    def _as_configured(self, worker: WorkerFacts) -> WorkerFacts:
        role = worker.role if worker.role is not Role.UNKNOWN else self._assumed.role
        return msgspec.structs.replace(worker, role=role)


def _streamed(target: Target, url: str, found: Greeting) -> Examined:
    """A target that is a placement stream and nothing else."""
    return Examined(
        name=target.name,
        url=shown_url(url),
        status=found.status,
        reason=found.reason,
        backend="placement",
        title="placement stream",
        version=found.version,
        emulated=found.emulated,
        models=found.models,
        workers=found.workers,
        findings=() if found.reason else findings(Evidence(stream=True)),
        notes=found.notes,
        clock=found.clock,
    )


def _page_of(reach: Reach) -> tuple[Help, ...]:
    """What gives a server a page that has none."""
    return (Help(None, reach.no_page, f"a page of metrics, at {reach.page}"),) if reach.no_page else ()
