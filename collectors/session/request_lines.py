"""A request as a line of a list: what its teller in front said of it by a tick, and how its deliveries came. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from collectors.model.batch import Inventory
from collectors.model.detail import RequestLine, State
from collectors.model.figure import Distribution
from collectors.model.requests import RequestRow
from collectors.model.vocabulary import About, Phase, Provenance
from collectors.session.briefs import Brief
from collectors.session.courses import NO_GAP, Course
from collectors.session.request_rows import Observer
from collectors.stats.figures import distribution
from collectors.stats.histograms import QUANTILES, Histograms
from collectors.stats.sketch import Estimate, Ints
from collectors.stats.told import Known

NONE_NS: Final[Ints] = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What is to be known of the source of a request's deliveries. `admits`: it tells when a worker begins a prompt."""

    observer: Observer
    emulated: bool
    admits: bool

    def stale(self, inventory: Inventory, admits: bool) -> bool:
        return self.observer.inventory is not inventory or self.admits != admits


def request_line(
    brief: Brief, known: Known, course: Course | None, source: Source, *, kept: bool, remarked: bool
) -> RequestLine:
    """`kept`: since the request was received no delivery has been let go."""
    received = known.received
    worker = brief.told.slots.workers.get if brief.told is not None else dict[int, str]().get
    spans = known.spans
    prefill = next(
        (worker(span.worker, "") for span in spans if span.phase is Phase.PREFILL and span.worker is not None), ""
    )
    if not prefill and known.admitted:
        prefill = worker(known.admitted[0].worker, "")
    decode = ""
    ttft_s = longest_s = last_s = None
    tokens: int | None = None
    stalls = 0
    if course is not None:
        decode, tokens, stalls = course.worker, course.next_token, course.stalls
        last_s = (course.last_ns - received.time_ns) / 1e9
        if course.first_token == 0 and not course.whole:
            ttft_s = (course.begin_ns - received.time_ns) / 1e9
        longest_s = None if course.longest_ns == NO_GAP else course.longest_ns / 1e9
    if known.finished is not None:
        last_s = (known.finished.time_ns - received.time_ns) / 1e9
        tokens = known.finished.output_tokens if known.finished.output_tokens is not None else tokens
    hits = [found for row in known.admitted if not row.again for _, found in row.hits]
    return RequestLine(
        key=brief.key,
        id=received.request,
        at=(received.time_ns + brief.offset_ns) / 1e9,
        state=_state(known, course, source, lost=brief.view is not None and brief.view.lost),
        reason="" if known.finished is None else known.finished.reason,
        model=received.model,
        workflow=brief.workflow,
        labels=received.labels,
        rule="",
        prefill=prefill if prefill != decode else "",
        decode=decode,
        prompt_tokens=received.prompt_tokens,
        hit_tokens=sum(hits) if known.admitted else None,
        tokens=tokens,
        ttft_s=ttft_s,
        longest_s=longest_s,
        last_s=last_s,
        stalls=stalls,
        provenance=source.observer.provenance,
        emulated=source.emulated,
        kept=kept,
        uncounted=course is not None and course.uncounted,
        remarked=remarked,
    )


def gap_distributions(found: Sequence[tuple[Ints, Source]]) -> list[Distribution]:
    """Of each request's own gaps, by the sketch that every other gap is told by."""
    histograms = Histograms(len(found))
    gaps = np.concatenate([one for one, _ in found]) if found else NONE_NS
    rows = np.repeat(np.arange(len(found)), [len(one) for one, _ in found])
    if len(gaps):
        histograms.add(np.zeros(len(gaps), np.int64), rows, gaps)
    told = histograms.quantiles()
    return [
        distribution(
            int(told.n[row]),
            [
                Estimate(*(float(one[row, q]) for one in (told.value, told.low, told.high)))
                for q in range(len(QUANTILES))
            ],
            float(told.longest[row]),
            population="gaps of this request",
            provenance=Provenance.DERIVED,
            emulated=source.emulated,
        )
        for row, (_, source) in enumerate(found)
    ]


def recorded_line(brief: Brief, row: RequestRow) -> RequestLine:
    """Of a request of which only records tell."""
    said = {fact.about: fact.value for fact in reversed(row.facts)}
    lengths = {one.phase: one.duration_s for one in reversed(row.phases)}
    exact = {phase: low for phase, (low, high) in lengths.items() if low == high}

    def text(about: About) -> str:
        return str(said.get(about, ""))

    def count(about: About) -> int | None:
        found = said.get(about)
        return found if isinstance(found, int) else None

    return RequestLine(
        key=brief.key,
        id=row.id,
        at=None,
        state=State.ENDED if About.FINISH in said else State.RECEIVED,
        reason=text(About.FINISH),
        model=text(About.MODEL),
        workflow="",
        labels=(),
        rule="",
        prefill=text(About.PREFILL_WORKER),
        decode=text(About.DECODE_WORKER),
        prompt_tokens=count(About.PROMPT_TOKENS),
        hit_tokens=count(About.CACHED_TOKENS),
        tokens=count(About.OUTPUT_TOKENS),
        ttft_s=exact.get(Phase.FIRST_TOKEN),
        longest_s=None,
        last_s=exact.get(Phase.REQUEST),
        stalls=0,
        provenance=Provenance.REPORTED,
        emulated=row.emulated,
        kept=False,
        uncounted=False,
        remarked=bool(row.disagree or row.migrations or row.doubt),
    )


def _state(known: Known, course: Course | None, source: Source, *, lost: bool) -> State:
    if known.finished is not None:
        return State.ENDED
    if lost:
        return State.LOST
    if course is not None:
        return State.DECODES
    if known.admitted:
        return State.PREFILLS
    return State.WAITS if source.admits else State.RECEIVED
