"""What a source yields: immutable, columnar, time-stamped parts. Nothing here knows where they came from or where they go.

A `Batch` is what is recorded, and all that a session ever sees; so a replay is fed with exactly what was seen live.
"""

from typing import Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from collectors.model.signals import DeviceFacts, Series
from collectors.model.traces import Accounts
from collectors.model.vocabulary import Counted, Device, Phase, Role, TargetStatus, Tier

DELIVERY: Final = np.dtype(
    [
        ("time_ns", "<i8"),
        ("start_ns", "<i8"),
        ("duration_ns", "<i8"),
        ("stream", "<u4"),
        ("first_token", "<u4"),
        ("tokens", "<u2"),
        ("worker", "<u2"),
        ("tier", "u1"),
        ("stage", "u1"),
        ("extra", "u1"),
        ("flags", "u1"),
    ]
)
"""One arrival of tokens of one request with its primary stage (40 bytes). Times are the emitter's. `flags`: of UNCOUNTED and WHOLE; others mean nothing."""
UNCOUNTED: Final = 1
"""How many tokens it brought is not known: `tokens` counts something else (events)."""
WHOLE: Final = 2
"""It is a whole response that came at once: its time is no first token's, and there will be no gap."""
EXTRA: Final = np.dtype(
    [
        ("start_ns", "<i8"),
        ("duration_ns", "<i8"),
        ("worker", "<u2"),
        ("tier", "u1"),
        ("stage", "u1"),
        ("reserved", "<u4"),
    ]
)
"""A further stage of a delivery (24 bytes); `DELIVERY.extra` counts them per row, in order."""
BLOCK: Final = np.dtype(
    [("time_ns", "<i8"), ("hash", "<u8"), ("bytes", "<u4"), ("pool", "<u2"), ("op", "u1"), ("reserved", "u1")]
)
"""A KV block stored or removed, or a whole pool emptied (`hash` is then 0): see STORED, REMOVED, EMPTIED."""
STORED: Final = 0
REMOVED: Final = 1
EMPTIED: Final = 2
OCCUPANCY: Final = np.dtype([("time_ns", "<i8"), ("pool", "<i8"), ("used_bytes", "<i8"), ("active_bytes", "<i8")])
"""State of a pool after everything up to and including `time_ns`."""

Rows = npt.NDArray[np.void]


class WorkerInfo(msgspec.Struct, frozen=True, gc=False):
    """An engine on a group of chips. Empty strings and zero chips mean: not known."""

    slot: int
    id: str
    role: Role = Role.UNKNOWN
    device: Device = Device.UNKNOWN
    chip: str = ""
    chips: int = 0
    model: str = ""
    assumed: tuple[str, ...] = ()
    """Which of these fields only configuration says."""
    labels: dict[str, str] = {}
    """Given by whoever configured or listed the target."""
    named_by: str = ""
    """What says that it is this worker, where an observer tells of it; `target`: nothing does, it is whoever answers there."""


class PoolInfo(msgspec.Struct, frozen=True, gc=False):
    """Memory that holds KV blocks. `worker` is the slot of its only owner, None if shared; `owner` names worker, host or pool."""

    slot: int
    tier: Tier
    owner: str
    worker: int | None
    capacity_bytes: int | None
    counted: Counted = Counted.NO
    """Whether what is in it can be counted from the source's `Blocks`."""


class Probing(msgspec.Struct, frozen=True, gc=False):
    """What is asked of the target `of`: a request of at most `max_tokens` output tokens every `every_s`, at most `at_once` of them at a time."""

    of: str
    every_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)]
    model: str
    path: str
    max_tokens: int
    at_once: int


class Inventory(msgspec.Struct, frozen=True, tag="inventory"):
    """The workers and pools that a source speaks of by slot, and the devices, by the `owner` of their series. Replaces the source's earlier inventory."""

    workers: tuple[WorkerInfo, ...]
    pools: tuple[PoolInfo, ...] = ()
    emulated: bool = False
    clock_id: str = ""
    clock_offset_ns: int = 0
    """Session time minus the emitter's time, as of the handshake."""
    devices: tuple[DeviceFacts, ...] = ()
    measured: bool = False
    """The times of deliveries are those of their arrival at an observer, not what the server says of itself."""
    resumed: bool = False
    """The source was disconnected, and goes on with what it would have said next: nothing was missed, what lives, lives on."""
    probe: Probing | None = None
    """All that the source tells of are requests of our own, which belong to no figure of the fleet."""


class Deliveries(msgspec.Struct, frozen=True, tag="deliveries", eq=False):
    """`rows` is a DELIVERY array, `extras` an EXTRA array with `rows["extra"].sum()` entries."""

    rows: np.ndarray
    extras: np.ndarray


class Blocks(msgspec.Struct, frozen=True, tag="blocks", eq=False):
    """`rows` is a BLOCK array, in the order in which it happened."""

    rows: np.ndarray
    in_tokens: bool = False
    """The column `bytes` holds tokens: the source knows no bytes. 0 is then not known."""
    past: bool = False
    """Told after the fact: the blocks count, but as nothing that happens now."""


class Occupancy(msgspec.Struct, frozen=True, tag="occupancy", eq=False):
    rows: np.ndarray


class Received(msgspec.Struct, frozen=True, tag="received", tag_field="event"):
    time_ns: int
    request: str
    stream: int
    model: str = ""
    prompt_tokens: int | None = None
    labels: tuple[str, ...] = ()
    workflow: str = ""


class Admitted(msgspec.Struct, frozen=True, tag="admitted", tag_field="event"):
    """A worker began the prompt; `hits` are (pool slot, tokens). `again` after a preemption: the tokens are recomputation."""

    time_ns: int
    request: str
    worker: int
    computed_tokens: int
    hits: tuple[tuple[int, int], ...] = ()
    again: bool = False


class Finished(msgspec.Struct, frozen=True, tag="finished", tag_field="event"):
    time_ns: int
    request: str
    reason: str
    output_tokens: int | None = None
    names: tuple[str, ...] = ()
    """What others call the request, where that was learnt in the meantime: its server's id."""


class Requests(msgspec.Struct, frozen=True, tag="requests"):
    rows: tuple[Received | Admitted | Finished, ...]


class Candidate(msgspec.Struct, frozen=True, gc=False):
    worker: int
    score: float
    terms: dict[str, float] = {}
    prefill: int | None = None
    cached_tokens: int | None = None
    """Prompt tokens that the worker that would ingest the prompt was believed to hold."""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """One routing choice; the higher score wins. `margin` is None with fewer than two candidates."""

    time_ns: int
    request: str
    rule: str
    chosen: int
    candidates: tuple[Candidate, ...] = ()
    labels: tuple[str, ...] = ()
    margin: float | None = None
    tie: bool = False
    headroom_s: float | None = None


class Decisions(msgspec.Struct, frozen=True, tag="decisions"):
    rows: tuple[Decision, ...]


class Span(msgspec.Struct, frozen=True, gc=False):
    """A phase of a request on a worker, sent when it has ended."""

    request: str
    phase: Phase
    start_ns: int
    duration_ns: int
    worker: int | None = None
    tier: Tier = Tier.UNKNOWN
    tokens: int | None = None
    bytes: int | None = None


class Phases(msgspec.Struct, frozen=True, tag="phases"):
    rows: tuple[Span, ...]


class Watermark(msgspec.Struct, frozen=True, tag="watermark"):
    """No event of this source with an earlier time (the emitter's) will follow."""

    time_ns: int
    missed: int = 0
    """Messages of the source that are known to be missing before it."""


class Layout(msgspec.Struct, frozen=True, tag="layout"):
    """What each value of the following `Samples` of this source means. Sent before the first and when the page's shape changes."""

    series: tuple[Series, ...]
    came_at_zero: bool = False
    """Counters that were never there before stood at zero at the sample before: the page was read then, and its server counts nothing but what it does."""
    every_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0
    """How often samples are asked for; 0: not said."""


class Samples(msgspec.Struct, frozen=True, tag="samples", eq=False):
    """One scrape: float64 values, one for each series of the source's last `Layout`, taken at the batch's time or at `time_ns`."""

    values: np.ndarray
    time_ns: Annotated[int, msgspec.Meta(ge=-(1 << 62), le=1 << 62)] | None = None
    """Session time when somebody else took them, not later than the batch's. Before the session began: filled in afterwards."""


class Earlier(msgspec.Struct, frozen=True, gc=False):
    """One scrape of before; NaN where a series had no sample. `time_ns` is session time, mostly negative."""

    time_ns: Annotated[int, msgspec.Meta(ge=-(1 << 62), le=1 << 62)]
    values: tuple[float, ...]


class Past(msgspec.Struct, frozen=True, tag="past"):
    """What a server had stored before the session began, thinned out: scrapes in order of time, a value for each of `series`. For summaries of that time
    alone: it is in no window's figures."""

    series: tuple[Series, ...]
    rows: tuple[Earlier, ...]


class Status(msgspec.Struct, frozen=True, tag="status"):
    """How a target is. `reason` is a typed, short text (`refused`, `timeout`, `not prometheus text: …`), empty when up.

    `warning`: what is not as it should be though it is up (a partial answer).
    """

    url: str
    backend: str
    status: TargetStatus
    reason: str = ""
    warning: str = ""
    limit: str = ""
    """Which of the target's limits (`collectors.wire.limits`) was passed, where that is the reason."""


Part = (
    Inventory
    | Deliveries
    | Blocks
    | Occupancy
    | Requests
    | Decisions
    | Phases
    | Watermark
    | Layout
    | Samples
    | Past
    | Status
    | Accounts
)


class Batch(msgspec.Struct, frozen=True, tag="batch"):
    """Parts of one source that came together, in order. `time_ns` is session time: monotonic live, the emulator's clock when virtual."""

    source: str
    time_ns: int
    parts: tuple[Part, ...]


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """The session looked at everything before `time_ns`. `utc_s` is what the wall clock said then, None on a virtual clock."""

    time_ns: int
    utc_s: float | None = None


DTYPES: Final[tuple[np.dtype[Any], ...]] = (DELIVERY, EXTRA, BLOCK, OCCUPANCY, np.dtype("<f8"))
"""Array types that a batch may hold; the index is the extension code in a recording. Append only."""
