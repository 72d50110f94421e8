"""The probe of one target as a source: on its grid, open loop, and only where a server lists models to complete with.

What fails is a measured failure while it probes; the source's status says whether it does, and how the last probe went wrong.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit
from zlib import crc32

from collectors.model.batch import Batch, Finished, Part, Requests, Status
from collectors.model.vocabulary import PROBE, PROBE_SKIPPED, TargetStatus
from collectors.probe.canary import Canary
from collectors.probe.grid import Grid
from collectors.probe.sending import Sender
from collectors.sources.beside import BesideSource
from collectors.sources.introduction import origin_of
from collectors.sources.source import Clock, Emit, Source
from collectors.sources.target import OTLP, PAGE_PATH, PROM, STREAM_PATH, TRACE
from collectors.targets.spec import TargetSpec
from collectors.wire.access import Access
from collectors.wire.http import JSON_TYPES, FetchError, HttpClient
from collectors.wire.models import MODELS_PATH, Model, models_of
from collectors.wire.safe import safe_text, shown_url

LOOK_S: Final = 30.0
"""Until a server that is none of completions is asked again whether it is one."""
MAX_MISSED: Final = 64
"""Slots that are told as left out after the whole process slept."""
MAX_TEXT: Final = 200
_NAMED: Final = 4
_NO_SERVERS: Final = frozenset({PROM, TRACE, OTLP})
_NOT_THERE: Final = "http 404"


class ProbeSource:
    """Probes the server of the target `of` at `url` every `every_s`; `model` where it lists several. `client` has the same `access`."""

    def __init__(self, of: str, url: str, client: HttpClient, access: Access, every_s: float, model: str = "") -> None:
        self.name = f"{of} probe"
        self._of = of
        self._bases = bases_of(url)
        self._client = client
        self._access = access
        self._every_s = every_s
        self._wanted = model
        self._said: Status | None = None
        self._model = ""
        """That is probed; empty as long as it is not known that there is one."""
        self._look_ns = 0

    async def run(self, clock: Clock, emit: Emit) -> None:
        grid = Grid(round(self._every_s * 1e9), crc32(self.name.encode()))
        async with asyncio.TaskGroup() as tasks:
            canary = Canary(self._of, Sender(self._access, clock.now_ns), self._every_s, clock.now_ns)
            next_ns = 0
            while True:
                if not self._model:
                    await self._look(canary, clock.now_ns, emit)
                    next_ns = grid.after(clock.now_ns())
                await asyncio.sleep(max(next_ns - clock.now_ns(), 0) / 1e9)
                if not self._model:
                    continue
                due = grid.due(next_ns, clock.now_ns(), MAX_MISSED)
                next_ns = due.next_ns
                left_out = [*due.missed]
                if canary.ready:
                    tasks.create_task(self._probe(canary, due.slot_ns, clock.now_ns, emit))
                else:
                    left_out.append(due.slot_ns)
                self._emit(emit, clock.now_ns(), _skipped(left_out))

    async def step(self, until_ns: int, emit: Emit) -> None:
        """Nothing: on a virtual clock no answer takes any time."""

    async def close(self) -> None:
        """The client belongs to whoever made it."""

    async def _probe(self, canary: Canary, due_ns: int, now_ns: Callable[[], int], emit: Emit) -> None:
        told = await canary.probe(due_ns)
        if told.failure == _NOT_THERE:
            self._model, self._look_ns = "", 0  # it has another one now, or is another server
        warning = f"the last probe failed: {told.failure}" if told.failure else ""
        self._emit(emit, now_ns(), [*self._news(TargetStatus.UP, warning=warning), *told.parts])

    async def _look(self, canary: Canary, now_ns: Callable[[], int], emit: Emit) -> None:
        """Whether it serves completions, and of which model."""
        if now_ns() < self._look_ns:
            return
        self._look_ns = now_ns() + round(LOOK_S * 1e9)
        why, status = "", TargetStatus.REJECTED
        for base in self._bases:
            try:
                model, none = _chosen(await self._listed(base), self._wanted)
            except FetchError as error:
                why, status = why or error.reason, error.status
                if error.http is None and status is TargetStatus.DOWN:
                    self._look_ns = 0  # it may come up at any moment, and is not bothered by being asked
                continue
            if model:
                self._model = model
                self._emit(emit, now_ns(), [*self._news(TargetStatus.UP), *canary.ask_for(model, base)])
                return
            why, status = none, TargetStatus.REJECTED
        self._emit(emit, now_ns(), self._news(status, f"not probed: {MODELS_PATH}: {why}"))

    async def _listed(self, base: str) -> tuple[Model, ...]:
        """Raises FetchError."""
        try:
            return models_of(
                await self._client.get(f"{base}{MODELS_PATH}", accept="application/json", kinds=JSON_TYPES)
            )
        except ValueError:
            return ()

    def _news(self, status: TargetStatus, reason: str = "", warning: str = "") -> list[Part]:
        """The status, unless it was the last that was said."""
        told = Status(
            shown_url(self._bases[0]), PROBE, status, safe_text(reason, MAX_TEXT), safe_text(warning, MAX_TEXT)
        )
        if told == self._said:
            return []
        self._said = told
        return [told]

    def _emit(self, emit: Emit, time_ns: int, parts: Sequence[Part]) -> None:
        if parts:
            emit(Batch(self.name, time_ns, tuple(parts)))


def _chosen(listed: Sequence[Model], wanted: str) -> tuple[str, str]:
    """The model to ask for, or why there is none. Which of several is not guessed."""
    names = [one.id for one in listed if one.id]
    if not names:
        return "", "none listed"
    if wanted or len(names) == 1:
        return wanted or names[0], ""
    more = ", …" if len(names) > _NAMED else ""
    return "", f"several ({', '.join(names[:_NAMED])}{more}); probe_model says which"


def _skipped(slots_ns: list[int]) -> list[Part]:
    """Probes that were due and not sent."""
    rows = tuple(Finished(slot_ns, "", PROBE_SKIPPED) for slot_ns in slots_ns)
    return [Requests(rows)] if rows else []


def probed(source: Source, spec: TargetSpec, client: HttpClient) -> Source:
    """`source`, with the probe beside it that is asked for; `client` is one for its access. A file, a listener and a Prometheus server are never probed."""
    settings, target = spec.settings, spec.target
    if not settings.probe_s or target.kind in _NO_SERVERS:
        return source
    probe = ProbeSource(source.name, target.url, client, settings.access, settings.probe_s, settings.probe_model)
    return BesideSource(source, probe)


def bases_of(url: str) -> tuple[str, ...]:
    """Before which paths of the API may stand: what the target's own path says (`https://api.groq.com/openai`), or nothing."""
    origin, path = origin_of(url), urlsplit(url).path.rstrip("/")
    for end in (PAGE_PATH, STREAM_PATH, "/v1"):
        path = path.removesuffix(end)
    return tuple(dict.fromkeys((f"{origin}{path}", origin)))
