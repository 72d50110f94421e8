"""What is known of single deliveries, requests and decisions at a moment: answers to questions, not part of a Frame. Times are session time unless said otherwise."""

from enum import StrEnum

import msgspec

from collectors.model.figure import Distribution
from collectors.model.requests import RequestRow
from collectors.model.vocabulary import Phase, Provenance, Stage, Tier

NO_PLACE = 255
"""Of a cell of a river: nobody's."""


class By(StrEnum):
    """What a row of the river is."""

    WORKER = "worker"
    REQUEST = "request"
    WORKFLOW = "workflow"


class Cell:
    """Whether a column of a row was watched."""

    SEEN = 0
    UNOBSERVED = 1
    """Its source was not connected."""
    NOT_KEPT = 2
    """Longer ago than deliveries are kept."""
    AHEAD = 3
    """Not before the moment asked about, or before the row's request was received."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a stage ran. `worker` is empty where it is not known."""

    worker: str
    stage: Stage
    tier: Tier


class RiverLine(msgspec.Struct, frozen=True, gc=False):
    """A row of the river; each sequence has a value for each column, oldest first.

    `tokens`: output tokens that a primary stage made in it. `late`: as in frame.RiverRow, the worst of the cell. `place`: number in `River.places` of where most of
    them ran; NO_PLACE of none. `beside` and `beside_tokens`: the same of the other stages that tokens passed (attention, draft). `seen`: of `Cell`.
    `uncounted`: of some deliveries it is not known how many tokens they brought, and each counts for one at least.
    """

    key: int | str
    name: str
    tokens: tuple[int, ...]
    late: bytes
    place: bytes
    beside_tokens: tuple[int, ...]
    beside: bytes
    seen: bytes
    uncounted: bool = False


class River(msgspec.Struct, frozen=True, gc=False):
    """Columns of `slice_ns` from `begin_ns` on; `first` rows are above those of `lines`. `since_ns`: from when on deliveries are kept."""

    begin_ns: int
    slice_ns: int
    columns: int
    since_ns: int
    places: tuple[Place, ...]
    lines: tuple[RiverLine, ...]
    first: int
    keys: tuple[int | str, ...]
    """Of all rows: ids of workers, numbers of requests, names of agent runs."""


class Deliveries(msgspec.Struct, frozen=True, gc=False):
    """Arrivals of tokens of one request, a value for each in every column. Times are seconds from the request's receipt, on the teller's clock; NaN is not known.

    `gap_s` is NaN where there is none (the first, or after deliveries that are not kept), `lateness` (gap ÷ median of the request's previous gaps) with fewer than
    8 of those. `place` numbers `places`; `start_s` and `duration_s` are of the primary stage. The further stages of delivery `d` are those with `beside_of` = d.
    """

    places: tuple[Place, ...] = ()
    at_s: tuple[float, ...] = ()
    first_token: tuple[int, ...] = ()
    tokens: tuple[int, ...] = ()
    gap_s: tuple[float, ...] = ()
    lateness: tuple[float, ...] = ()
    stall: tuple[bool, ...] = ()
    uncounted: tuple[bool, ...] = ()
    place: tuple[int, ...] = ()
    start_s: tuple[float, ...] = ()
    duration_s: tuple[float, ...] = ()
    beside_of: tuple[int, ...] = ()
    beside_place: tuple[int, ...] = ()
    beside_start_s: tuple[float, ...] = ()
    beside_duration_s: tuple[float, ...] = ()


class Step(msgspec.Struct, frozen=True, gc=False):
    """A phase as one teller's clock timed it, from the request's receipt on. `estimate`: why it is only about so, where it is. `open`: it goes on."""

    phase: Phase
    start_s: float
    duration_s: float
    provenance: Provenance
    worker: str = ""
    tier: Tier = Tier.UNKNOWN
    tokens: int | None = None
    bytes: int | None = None
    estimate: str = ""
    open: bool = False


class Hit(msgspec.Struct, frozen=True, gc=False):
    owner: str
    tier: Tier
    tokens: int


class State(StrEnum):
    """How far a request has come, as far as is told."""

    RECEIVED = "received"
    WAITS = "waits"
    PREFILLS = "prefills"
    DECODES = "decodes"
    ENDED = "ended"
    LOST = "lost"


class RequestLine(msgspec.Struct, frozen=True, gc=False):
    """A request in a list, by the teller that stands in front. `key` finds it again. What is not told is empty or None.

    `ttft_s` and `gap` are that teller's; `gap` is None until it is asked for. `reason`: how it ended. `kept`: whether all its deliveries are (of what is not, no quantile is told).
    """

    key: int
    id: str
    at: float | None
    state: State
    reason: str
    model: str
    workflow: str
    labels: tuple[str, ...]
    rule: str
    prefill: str
    decode: str
    prompt_tokens: int | None
    hit_tokens: int | None
    tokens: int | None
    ttft_s: float | None
    longest_s: float | None
    last_s: float | None
    """Of its last delivery or end, from its receipt on."""
    stalls: int
    provenance: Provenance
    emulated: bool
    kept: bool
    uncounted: bool
    remarked: bool
    """It was migrated, or its tellers contradict each other."""
    gap: Distribution | None = None


class RequestList(msgspec.Struct, frozen=True, gc=False):
    """Some lines of the list, from the `first` on; `keys` are those of all."""

    lines: tuple[RequestLine, ...]
    first: int
    keys: tuple[int, ...]


class Named(msgspec.Struct, frozen=True, gc=False):
    """A candidate of a decision with its workers' names."""

    worker: str
    prefill: str
    score: float
    terms: tuple[tuple[str, float], ...]
    cached_tokens: int | None
    chosen: bool


class DecisionCard(msgspec.Struct, frozen=True, gc=False):
    """`candidates` are ordered by score, the chosen one of two equal ones first. `at_s` counts from the request's receipt. `margin` as the router says it."""

    request: str
    at_s: float
    rule: str
    labels: tuple[str, ...]
    chosen: str
    candidates: tuple[Named, ...]
    margin: float | None
    tie: bool
    headroom_s: float | None
    provenance: Provenance = Provenance.REPORTED


class NoDecision(msgspec.Struct, frozen=True, gc=False):
    """Why there is none, and what would give one."""

    reason: str
    hint: str


class RequestDetail(msgspec.Struct, frozen=True, gc=False):
    """One request by the teller that stands in front; `joined` is what all of them tell, where it is known of that moment."""

    line: RequestLine
    teller: str
    clock: str
    sources: tuple[str, ...]
    hits: tuple[Hit, ...]
    computed_tokens: int | None
    steps: tuple[Step, ...]
    deliveries: Deliveries
    missing: int
    """Tokens before the first that is kept."""
    gap: Distribution
    tpot_s: float | None
    stalled_s: float
    decision: DecisionCard | NoDecision
    joined: RequestRow | None


class WorkflowStep(msgspec.Struct, frozen=True, gc=False):
    """A request of a workflow. `after`: key of the one that it is taken to have followed (the last that had ended before it began), None at the beginning."""

    line: RequestLine
    begin_s: float
    end_s: float | None
    after: int | None
    depth: int
    critical: bool


class Workflow(msgspec.Struct, frozen=True, gc=False):
    """Requests of one agent run in the order of the tree. `critical_s` is the time in requests of the critical path, of `span_s` in all."""

    id: str
    steps: tuple[WorkflowStep, ...]
    span_s: float
    critical_s: float
    live: bool


class WorkflowLine(msgspec.Struct, frozen=True, gc=False):
    """An agent run in a list: `requests` of it that are known, `live` of which go on. Times are session seconds."""

    id: str
    requests: int
    live: int
    begin_s: float
    end_s: float
    """Of its last end, or of the moment asked about where one goes on."""
