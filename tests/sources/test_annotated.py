"""What configuration says of a target: it fills what nobody else says, and a back end that says otherwise is right."""

from collectors.model.batch import Batch, Inventory, Status, WorkerInfo
from collectors.model.frame import WorkerRow
from collectors.model.vocabulary import Device, Role, TargetStatus
from collectors.session.session import Session
from collectors.sources.annotated import annotated
from collectors.sources.settings import Assumed, TargetSettings
from collectors.sources.source import Clock, Emit, Source
from collectors.wire.access import Access, Token
from tests.sources.seen import Seen

UP = Status("http://h:1", "vllm", TargetStatus.UP)
SAID = Assumed(role=Role.PREFILL, device=Device.GPU, chip="H100", chips=8, labels={"rack": "a"})


class Says:
    """A source that emits these batches."""

    def __init__(self, *batches: Batch) -> None:
        self.name = "h:1"
        self._batches = batches

    async def run(self, clock: Clock, emit: Emit) -> None: ...

    async def step(self, until_ns: int, emit: Emit) -> None:
        for batch in self._batches:
            emit(batch)

    async def close(self) -> None: ...


def told(*workers: WorkerInfo, source: str = "h:1") -> Batch:
    return Batch(source, 1, (UP, Inventory(workers)))


async def seen(source: Source) -> Seen:
    found = Seen()
    await source.step(2, found)
    return found


def rows(*batches: Batch) -> dict[str, WorkerRow]:
    session = Session("virtual")
    for batch in batches:
        session.feed(batch)
    return {row.id: row for row in session.tick(250_000_000).workers}


async def test_it_fills_what_a_page_does_not_say() -> None:
    found = await seen(annotated(Says(told(WorkerInfo(0, "h:1/0", model="m"))), "", TargetSettings(), SAID))
    assert found.statuses == [(TargetStatus.UP, "")]
    row = rows(*found.batches)["h:1/0"]
    assert (row.role, row.device, row.chip, row.chips, row.model) == (Role.PREFILL, Device.GPU, "H100", 8, "m")
    assert set(row.assumed) == {"role", "device", "chip", "chips"}
    assert row.labels == {"rack": "a"}


async def test_a_page_that_says_otherwise_is_right_and_the_row_says_so() -> None:
    worker = WorkerInfo(0, "h:1/0", Role.DECODE, Device.GPU)
    again = Batch("h:1", 1, (UP,))
    found = await seen(annotated(Says(told(worker), again), "", TargetSettings(), SAID))
    row = rows(*found.batches)["h:1/0"]
    assert (row.role, set(row.assumed)) == (Role.DECODE, {"chip", "chips"})
    assert [part.warning for part in found.parts(Status)] == ["role decode, not prefill as configured"] * 2


async def test_another_source_that_knows_counts_before_what_is_assumed_whoever_is_heard_first() -> None:
    page = await seen(annotated(Says(told(WorkerInfo(0, "7/0"))), "", TargetSettings(), SAID))
    knows = told(WorkerInfo(0, "7/0", Role.DECODE), source="front end")
    for batches in ((*page.batches, knows), (knows, *page.batches)):
        row = rows(*batches)["7/0"]
        assert (row.role, row.device) == (Role.DECODE, Device.GPU)
        assert "role" not in row.assumed
        assert "device" in row.assumed
        assert row.labels == {"rack": "a"}


async def test_warnings_that_stay() -> None:
    source = Says(Batch("h:1", 1, (UP,)))
    loud = TargetSettings(access=Access(insecure_tls=True, token=Token(env="T")))
    for url, words in (("https://h:1", "TLS NOT VERIFIED"), ("http://h:1", "token sent without TLS")):
        (status,) = (await seen(annotated(source, url, loud, Assumed()))).parts(Status)
        assert words in status.warning
    for url in ("http://127.0.0.1:1", "http://localhost:1"):
        assert annotated(source, url, loud, Assumed()) is source
    assert annotated(source, "https://h:1", TargetSettings(access=Access(token=Token(env="T"))), Assumed()) is source
