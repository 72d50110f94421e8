"""One request that several sources tell of is one request: each fact with who said it, contradictions shown, clocks no better known than they are."""

from pathlib import Path

import numpy as np
import pytest

from collectors.model.batch import (
    DELIVERY,
    EXTRA,
    UNCOUNTED,
    Batch,
    Deliveries,
    Finished,
    Inventory,
    Layout,
    Part,
    Phases,
    Received,
    Requests,
    Samples,
    Span,
    Status,
    WorkerInfo,
)
from collectors.model.frame import Frame
from collectors.model.requests import PhaseRow, RequestRow
from collectors.model.signals import Kind, Series, Signal
from collectors.model.traces import Account, Accounts, Instant, Move, Statement, Stretch
from collectors.model.vocabulary import STAGES, About, Phase, Provenance, Stage, TargetStatus
from collectors.session.session import Session
from collectors.stats.joined import MAX_SPANS
from collectors.traces import dynamo_log, dynamo_record

DYNAMO = Path(__file__).parents[1] / "fixtures/dynamo"
RECORD = (DYNAMO / "request_trace.v1.jsonl").read_bytes().splitlines()[-1]
LOG = (DYNAMO / "frontend_router_log.jsonl").read_bytes().splitlines()
SERVER = "5ea6e8f3-7d43-4086-8c39-b96fdb86eab8"
PREFILL, DEAD, NEXT = "17325804865820210879/0", "10877841985536116478/0", "14395883631591895480/0"
MS = 1_000_000
TICK = 250 * MS
UNIX = 1_795_437_676_934 * MS
"""When the front end of the fixture received the request, on its clock; it was 400 µs into that millisecond."""
BEGIN = 50 * MS
"""When the tap did, 300 µs before, on its own."""
TRUE_S = (UNIX + 400_000 - (BEGIN + 300_000)) / 1e9
LATE = 10**9 * 5


class Scene:
    """A session, and a tap in front of a front end."""

    def __init__(self, *, named_by: str = "nvext", worker: str = DEAD) -> None:
        self.session = Session("virtual")
        self.worker = worker
        self.say("tap", 0, Status("u", "placement", TargetStatus.UP), self.inventory(named_by))

    def inventory(self, named_by: str) -> Inventory:
        worker = WorkerInfo(0, self.worker, named_by=named_by)
        return Inventory((worker,), clock_id="tap-clock", measured=True)

    def say(self, source: str, time_ns: int, *parts: Part) -> None:
        self.session.feed(Batch(source, time_ns, parts))

    def tapped(
        self, name: str = "fixture-77", *, begin: int = BEGIN, names: tuple[str, ...] = (f"chatcmpl-{SERVER}",)
    ) -> None:
        """40 tokens, the first 34.6 ms after receipt."""
        rows = np.zeros(40, DELIVERY)
        rows["time_ns"] = begin + 34_600_000 + np.arange(40) * 10 * MS
        rows["first_token"], rows["tokens"], rows["stage"] = np.arange(40), 1, STAGES.index(Stage.DECODE)
        end = int(rows["time_ns"][-1]) + 2 * MS
        self.say(
            "tap",
            max(end, BEGIN),
            Requests((Received(begin, name, 0),)),
            Deliveries(rows, np.zeros(0, EXTRA)),
            Requests((Finished(end, name, "length", 40, names),)),
        )

    def traced(self) -> None:
        account = dynamo_record.read(RECORD, "trace.jsonl")
        assert account is not None
        self.say("trace.jsonl", LATE, Accounts((account,)))

    def logged(self) -> None:
        accounts = [one for line in LOG if (one := dynamo_log.read(line, "log")) is not None]
        self.say("log", LATE, Accounts(tuple(accounts)))

    def frame(self, at_ns: int = 2 * LATE) -> Frame:
        return self.session.tick(at_ns - at_ns % TICK)

    def row(self, name: str = "fixture-77") -> RequestRow:
        (row,) = [row for row in self.frame().requests if row.id == name]
        return row


def phase(row: RequestRow, wanted: Phase, teller: str) -> PhaseRow:
    (found,) = [one for one in row.phases if one.phase is wanted and one.teller == teller]
    return found


def test_tap_trace_and_log_of_a_migrated_request_are_one() -> None:
    scene = Scene()
    scene.tapped()
    scene.traced()
    scene.logged()
    frame = scene.frame()
    rows = [row for row in frame.requests if SERVER in row.names]
    assert [(row.id, row.sources, row.live) for row in rows] == [("fixture-77", ("tap", "trace.jsonl", "log"), False)]
    (row,) = rows
    (move,) = row.migrations
    assert (move.worker, move.to, move.after_tokens, move.tellers) == (DEAD, NEXT, 15, ("log: router log",))
    worker, prompt = sorted(row.disagree, key=lambda one: one.about)
    assert (worker.about, worker.from_token) == (About.DECODE_WORKER, 15)
    assert {says.value: says.tellers for says in worker.says} == {
        DEAD: ("tap: arrivals", "trace.jsonl: dynamo trace"),
        NEXT: ("log: router log",),
    }
    # What was output already was ingested again with the prompt: one of them counts it.
    assert (prompt.about, {says.value for says in prompt.says}) == (About.PROMPT_TOKENS, {680, 695})
    facts = {(fact.about, fact.value): fact for fact in row.facts}
    assert set(facts[About.OUTPUT_TOKENS, 40].tellers) == {
        "tap: arrivals",
        "trace.jsonl: dynamo trace",
        "log: router log",
    }
    assert facts[About.FINISH, "length"].provenance is Provenance.MEASURED
    assert facts[About.PREFILL_WORKER, PREFILL].provenance is Provenance.REPORTED
    # Tokens are the tap's alone.
    assert sum(one.tokens.value or 0 for one in frame.placements if one.primary) == 40


@pytest.mark.parametrize("there", [True, False], ids=["at zero before", "only since it counts"])
def test_without_the_log_nobody_contradicts_and_a_counted_migration_is_a_doubt(there: bool) -> None:
    scene = Scene()
    migrations = Series(Signal.MIGRATIONS, Kind.COUNTER, "router", "model_migration_total")
    other = Series(Signal.REQUESTS_RUNNING, Kind.GAUGE, "router", "running")
    status = Status("u", "dynamo", TargetStatus.UP)
    before = Layout((migrations, other) if there else (other,))
    scene.say("frontend", 10 * MS, status, before, Samples(np.zeros(len(before.series))))
    scene.frame(TICK)
    scene.tapped()
    scene.tapped("another", names=("chatcmpl-another",))
    scene.say("frontend", 700 * MS, Layout((migrations, other)), Samples(np.array([1.0, 0.0])))
    scene.frame(4 * TICK)
    scene.traced()
    row = scene.row()
    assert (row.migrations, row.disagree) == ((), ())
    assert "frontend counted 1 migrated" in row.doubt
    scene.say("trace.jsonl", LATE, Accounts((account("another"),)))
    assert scene.row("another").doubt
    scene.logged()
    row = scene.row()
    assert row.migrations
    assert row.doubt == ""
    # The one that was counted is known.
    assert scene.row("another").doubt == ""


def test_phases_of_both_agree_within_the_bound_of_their_clocks() -> None:
    scene = Scene()
    scene.tapped()
    scene.traced()
    row = scene.row()
    (clock,) = scene.frame().clocks
    assert (clock.clock, clock.of, clock.n, clock.steps) == ("trace.jsonl", "tap-clock", 1, 0)
    assert clock.low_s <= TRUE_S <= clock.high_s
    # What the way took, and the millisecond that was cut off.
    assert clock.high_s - clock.low_s < 0.002
    tap = phase(row, Phase.FIRST_TOKEN, "tap: arrivals")
    assert (tap.duration_s, tap.start_s, tap.provenance) == ((0.0346, 0.0346), (0.0, 0.0), Provenance.MEASURED)
    way = [one for one in row.phases if one.clocks]
    assert [one.phase for one in way] == [Phase.TO_SERVER, Phase.FROM_SERVER]
    assert all(one.clocks == ("tap-clock", "trace.jsonl") and not one.negative for one in way)
    inside = [
        phase(row, one, "trace.jsonl: dynamo trace").duration_s[0]
        for one in (Phase.QUEUE, Phase.PREFILL, Phase.TRANSFER)
    ]
    low, high = (sum(inside) + sum(one.duration_s[side] for one in way) for side in (0, 1))
    assert low <= 0.0346 <= high
    assert way[0].duration_s[0] <= 0.0001 <= way[0].duration_s[1]
    prefill = phase(row, Phase.PREFILL, "trace.jsonl: dynamo trace")
    assert prefill.start_s is not None
    true_start_s = (UNIX + 938_440 + 400_000) / 1e9 - TRUE_S - BEGIN / 1e9
    assert prefill.start_s[0] <= true_start_s <= prefill.start_s[1]
    assert prefill.worker == PREFILL


def test_where_no_bound_is_known_there_is_no_phase_over_two_clocks() -> None:
    scene = Scene()
    scene.tapped(names=())
    scene.say("trace.jsonl", LATE, Accounts((account("fixture-77"),)))
    row = scene.row()
    assert scene.frame().clocks == ()
    assert [one for one in row.phases if one.clocks] == []
    queue = phase(row, Phase.QUEUE, "trace.jsonl: x")
    assert (queue.start_s, queue.duration_s) == (None, (0.001, 0.001))


def test_records_alone_have_phases_on_their_own_clock() -> None:
    scene = Scene()
    scene.traced()
    (row,) = scene.frame().requests
    assert (row.id, row.at, row.live) == (SERVER, None, False)
    prefill = phase(row, Phase.PREFILL, "trace.jsonl: dynamo trace")
    assert prefill.start_s == pytest.approx((0.000_938_44, 0.000_938_44))


def account(given: str, name: str = "", **more: object) -> Account:
    received = Instant(UNIX, UNIX)
    stretch = Stretch(Phase.QUEUE, MS, received)
    return Account(
        "x",
        "trace.jsonl",
        UNIX,
        names=(name,) if name else (),
        given=(given,),
        stretches=(stretch,),
        received=received,
        **more,  # type: ignore[arg-type]
    )


def test_a_clients_name_that_is_used_again_joins_nothing_wrongly() -> None:
    scene = Scene()
    scene.tapped("same", names=("chatcmpl-one",))
    scene.tapped("same", begin=BEGIN + 600 * MS, names=("chatcmpl-two",))
    said = [
        account("same", name, statements=(Statement(About.OUTPUT_TOKENS, tokens),))
        for name, tokens in (("one", 40), ("two", 41), ("three", 42))
    ]
    scene.say("trace.jsonl", LATE, Accounts(tuple(said)))
    rows = {tuple(sorted(row.names)): row for row in scene.frame().requests}
    by_name = {name: row for names, row in rows.items() for name in names if name != "same"}
    assert by_name["one"].disagree == ()
    assert [one.about for one in by_name["two"].disagree] == [About.OUTPUT_TOKENS]
    assert by_name["three"].sources == ("trace.jsonl",)
    assert len(rows) == 3


def test_nobody_is_named_by_an_address_alone() -> None:
    scene = Scene(named_by="target", worker="127.0.0.1:8000")
    scene.tapped()
    scene.traced()
    scene.logged()
    row = scene.row()
    decode = [fact for fact in row.facts if fact.about is About.DECODE_WORKER]
    assert {teller for fact in decode for teller in fact.tellers} == {"trace.jsonl: dynamo trace", "log: router log"}


def test_a_line_that_is_read_twice_counts_once() -> None:
    scene = Scene()
    for _ in range(3):
        scene.traced()
    row = scene.frame().requests[0]
    assert len([one for one in row.phases if one.phase is Phase.QUEUE]) == 1


def test_sources_that_tell_of_the_same_requests_count_once() -> None:
    scene = Scene()
    for number in range(4):
        scene.tapped(f"r-{number}", begin=BEGIN + number * 500 * MS, names=())
    router = Inventory((WorkerInfo(0, "lpu-0"),), clock_id="router-clock")
    scene.say("router", BEGIN, Status("u", "placement", TargetStatus.UP), router)
    for number in range(5):
        rows = np.zeros(40, DELIVERY)
        begin = BEGIN + number * 400 * MS
        rows["time_ns"], rows["first_token"], rows["tokens"] = begin + MS + np.arange(40) * MS, np.arange(40), 1
        rows["stream"] = number
        rows["stage"] = STAGES.index(Stage.DECODE)
        received, finished = (
            Received(begin, f"r-{number}", number),
            Finished(begin + 45 * MS, f"r-{number}", "length", 40),
        )
        scene.say(
            "router",
            begin + 50 * MS,
            Requests((received,)),
            Deliveries(rows, np.zeros(0, EXTRA)),
            Requests((finished,)),
        )
    frame = scene.frame()
    assert len(frame.requests) == 5
    # The router has seen one more: what the tap tells, it tells too.
    assert {row.worker: row.tokens.value for row in frame.placements if row.primary} == {"lpu-0": 200}
    (tap,) = [row for row in frame.targets if row.name == "tap"]
    assert tap.reason == "the same requests as router: counted once, there"
    assert (frame.tokens_per_s.n, frame.tokens_per_s_workers) == (1, 1)
    assert frame.ttft.n == 5


@pytest.mark.parametrize("tokens", [0, 15])
def test_who_takes_over_is_known_from_any_token_on_and_unknown_until_it_is_said(tokens: int) -> None:
    def log(*more: Statement, moves: tuple[Move, ...] = ()) -> Account:
        return Account("router log", "log", UNIX, names=("s",), statements=more, moves=moves)

    scene = Scene()
    begun = log(Statement(About.DECODE_WORKER, DEAD, None))
    taken = log(moves=(Move(DEAD.partition("/")[0], tokens),))
    scene.say("log", LATE, Accounts((begun, taken)))
    (row,) = scene.frame().requests
    assert [(one.worker, one.to, one.after_tokens) for one in row.migrations] == [(DEAD, None, tokens)]
    scene.say("log", LATE + 1, Accounts((log(Statement(About.DECODE_WORKER, NEXT, None)),)))
    (row,) = scene.frame(3 * LATE).requests
    assert [(one.worker, one.to, one.after_tokens) for one in row.migrations] == [(DEAD, NEXT, tokens)]


def made(scene: Scene, *workers: int, flags: int = 0) -> RequestRow:
    """A request of a router of three workers, its tokens made by these, told of three at a time."""
    ids = ("gpu-0", "lpu-0", "lpu-1")
    router = Inventory(tuple(WorkerInfo(slot, id_) for slot, id_ in enumerate(ids)), clock_id="router-clock")
    received = Requests((Received(BEGIN, "r", 0),))
    scene.say("router", BEGIN, Status("u", "placement", TargetStatus.UP), router, received)
    rows = np.zeros(len(workers), DELIVERY)
    tokens = np.arange(len(workers))
    rows["first_token"], rows["time_ns"], rows["worker"], rows["tokens"] = tokens, BEGIN + MS * (1 + tokens), workers, 1
    rows["stage"], rows["flags"] = STAGES.index(Stage.DECODE), flags
    for begin in range(0, len(rows), 3):
        scene.say("router", 2 * BEGIN, Deliveries(rows[begin : begin + 3], np.zeros(0, EXTRA)))
        scene.frame(2 * BEGIN + TICK * begin)
    return scene.row("r")


def decoded(row: RequestRow) -> list[tuple[int, str | float | None]]:
    return [(fact.from_token, fact.value) for fact in row.facts if fact.about is About.DECODE_WORKER]


def test_a_first_token_sampled_where_the_prompt_was_ingested_is_no_migration() -> None:
    row = made(Scene(), 0, 1, 1, 1, 1, 1, 1)
    assert row.migrations == ()
    assert decoded(row) == [(1, "lpu-0")]


def test_a_migration_is_after_the_tokens_that_the_one_before_made() -> None:
    row = made(Scene(), 1, 1, 1, 1, 1, 2, 2, 2, 2)
    assert [(one.worker, one.to, one.after_tokens) for one in row.migrations] == [("lpu-0", "lpu-1", 5)]
    assert decoded(row) == [(0, "lpu-0"), (5, "lpu-1")]
    assert not row.migrations[0].at_least


def test_after_how_many_tokens_is_at_least_known_where_not_all_are_counted() -> None:
    scene = Scene()
    log = Account("router log", "log", UNIX, names=("r",), statements=(Statement(About.DECODE_WORKER, "lpu-0", 0),))
    scene.say("log", BEGIN, Accounts((log,)))
    row = made(scene, 1, 1, 1, 1, 1, 2, 2, 2, 2, flags=UNCOUNTED)
    assert [(one.after_tokens, one.at_least) for one in row.migrations] == [(5, True)]
    # By which of the log's tokens that is, nobody knows.
    assert row.disagree == ()


def test_a_migration_that_one_source_alone_tells_is_kept_among_the_newest() -> None:
    scene = Scene()
    made(scene, 1, 1, 1, 1, 1, 2, 2, 2, 2)
    scene.say("router", 2 * BEGIN, Requests((Finished(BEGIN + 9 * MS, "r", "length", 9),)))
    for number in range(100):
        scene.say("router", 3 * BEGIN, Requests((Received(2 * BEGIN, f"later-{number}", number + 1),)))
    assert scene.row("r").migrations


def test_a_migration_is_shown_while_the_request_runs_however_many_are_newer() -> None:
    scene = Scene()
    made(scene, 1, 1, 1, 1)
    for number in range(100):
        scene.say("router", 2 * BEGIN, Requests((Received(BEGIN, f"later-{number}", number + 1),)))
    assert [row for row in scene.frame(2 * LATE).requests if row.id == "r"] == []
    rows = np.zeros(2, DELIVERY)
    rows["first_token"], rows["time_ns"], rows["worker"], rows["tokens"] = (4, 5), 3 * BEGIN, 2, 1
    scene.say("router", 2 * LATE, Deliveries(rows, np.zeros(0, EXTRA)))
    row = scene.row("r")
    assert row.live
    assert [(one.worker, one.to, one.after_tokens) for one in row.migrations] == [("lpu-0", "lpu-1", 4)]


def test_of_a_first_token_alone_it_is_not_said_who_decodes() -> None:
    row = made(Scene(), 0)
    assert decoded(row) == []
    assert [one.phase for one in row.phases] == [Phase.FIRST_TOKEN]


def spanned(scene: Scene, *spans: Span, end: bool = True) -> RequestRow:
    """With the first token made by the first worker, the others by the second."""
    made(scene, 0, 1, 1, 1, 1)
    finished = Requests((Finished(BEGIN + 5 * MS, "r", "length", 5),)) if end else Requests(())
    scene.say("router", 2 * BEGIN, Phases(spans), finished)
    return scene.row("r")


def test_decoding_is_without_the_handover_once_that_is_told() -> None:
    own = Span("r", Phase.DECODE, BEGIN + 2 * MS, 3 * MS, 1)
    (live,) = [one for one in spanned(Scene(), end=False).phases if one.phase is Phase.DECODE]
    assert (live.duration_s[1], live.provenance) == (0.004, Provenance.DERIVED)
    assert live.formula.startswith("first to last token")
    (ended,) = [one for one in spanned(Scene(), own).phases if one.phase is Phase.DECODE]
    assert (ended.duration_s[1], ended.provenance, ended.formula) == (0.003, Provenance.REPORTED, "")


def test_a_prompt_that_is_ingested_in_pieces_has_all_of_them_or_no_time() -> None:
    pieces = [Span("r", Phase.PREFILL, BEGIN + number * 1_000, 1_000, 0) for number in range(MAX_SPANS + 9)]
    row = spanned(Scene(), *pieces)
    assert phase(row, Phase.PREFILL, "router: placement stream").duration_s[0] == (MAX_SPANS + 9) / 1e6
    assert [fact.value for fact in row.facts if fact.about is About.PREFILL_WORKER] == ["gpu-0"]
    apart = [Span("r", Phase.PREFILL, BEGIN + number * 2_000, 1_000, 0) for number in range(MAX_SPANS + 9)]
    assert [one for one in spanned(Scene(), *apart).phases if one.phase is Phase.PREFILL] == []


def test_names_of_prefill_workers_in_other_languages_contradict_nobody() -> None:
    scene = Scene()
    for teller, worker in (("picker", "10.0.0.1:8000"), ("trace", "77/0"), ("log", "78/0")):
        said = (Statement(About.PREFILL_WORKER, worker),)
        scene.say("log", LATE, Accounts((Account(teller, "log", UNIX, names=("r",), statements=said),)))
    (one,) = scene.row("r").disagree
    assert {says.value for says in one.says} == {"77/0", "78/0"}


def test_a_request_whose_end_nobody_will_tell_does_not_run_for_ever() -> None:
    scene = Scene()
    assert made(scene, 1, 1, 1).live
    # Another connection, which does not go on where the last one ended.
    scene.say("router", 3 * BEGIN, Status("u", "placement", TargetStatus.DOWN, "closed"))
    scene.say("router", 4 * BEGIN, Status("u", "placement", TargetStatus.UP), Inventory((WorkerInfo(0, "gpu-0"),)))
    row = scene.row("r")
    assert not row.live
    assert [fact for fact in row.facts if fact.about is About.FINISH] == []


def test_a_request_has_the_name_that_the_observer_in_front_has_for_it() -> None:
    scene = Scene()
    router = Inventory((WorkerInfo(0, "lpu-0"),), clock_id="router-clock")
    received = Requests((Received(BEGIN, SERVER, 0),))
    scene.say("router", BEGIN, Status("u", "placement", TargetStatus.UP), router, received)
    scene.tapped("mine")
    assert scene.row("mine").sources == ("router", "tap")
