"""KV events in Frames: what is resident beside what a page says, and recordings that replay to the same."""

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from collectors.backends import registry
from collectors.model.batch import Batch, Blocks, Inventory, Layout, Part, Samples, Status, Tick, WorkerInfo
from collectors.model.figure import Figure
from collectors.model.memory import TierRow
from collectors.model.snapshot import snapshot
from collectors.model.vocabulary import Provenance, State, TargetStatus
from collectors.recording.codec import compress, pack, unpack
from collectors.session.session import Session
from collectors.sources.kv_parts import KvParts
from collectors.wire.exposition import PageReader
from collectors.wire.kv_events import Decoder
from tests.wire.kv_messages import FIXTURES, VLLM, Event, captured, payload, removed, stored

SECOND = 1_000_000_000
UP = Status("tcp://t:5557", "kv events", TargetStatus.UP)
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "snapshot.schema.json").read_text())


def batch(second: int, *parts: Part, source: str = "t kv events") -> Batch:
    return Batch(source, second * SECOND, (UP, *parts))


def said(parts: KvParts, *events: Event, past: bool = False) -> list[Part]:
    return parts.parts([Decoder().decode(payload(*events))], past=past)


def page(name: str) -> Batch:
    """A captured page of vLLM as the target `t`."""
    reader = PageReader(wanted=registry.wanted)
    reader.read((FIXTURES / "vllm" / name).read_bytes())
    mapping = registry.recognise({*reader.families, *(key.family for key in reader.keys)}).map(reader.keys, "t")
    workers = tuple(WorkerInfo(slot, one.id, model=one.model) for slot, one in enumerate(mapping.workers))
    samples = Samples(mapping.apply(reader.values))
    return Batch("t", 0, (UP, Inventory(workers), Layout(mapping.series), samples))


def tiers(*batches: Batch, second: int = 10) -> dict[str, TierRow]:
    session = Session("live")
    for one in batches:
        session.feed(one)
    return {f"{row.owner} {row.tier}": row for row in session.tick(second * SECOND).tiers}


def rate(figure: Figure | msgspec.UnsetType) -> float | None:
    assert isinstance(figure, Figure)
    return figure.value


def test_what_vllm_calls_free_after_load_is_full_of_idle_blocks() -> None:
    """Page and events are of one capture: the gauge says 0, the prefix cache holds 34 blocks of 32 tokens."""
    parts = KvParts("t", 0)
    told = [parts.parts([Decoder().decode(frames[2])], past=True) for frames, _ in captured(VLLM)]
    events = batch(1, *(part for one in told for part in one))
    for batches in ([page("after_load.metrics.txt"), events], [events, page("after_load.metrics.txt")]):
        row = tiers(*batches)["t/0 HBM"]
        levels = row.used_bytes, row.active_bytes, row.capacity_bytes
        assert [level.unit for level in levels] == ["tokens"] * 3
        assert [level.value for level in levels] == [1_088, 0, row.capacity_bytes.value]
        assert row.used_bytes.provenance is Provenance.DERIVED
        assert row.worker == "t/0"


def test_the_page_of_a_worker_stays_its_page() -> None:
    session = Session("live")
    session.feed(page("after_load.metrics.txt"))
    session.feed(batch(1, *said(KvParts("t", 0), stored(1))))
    frame = session.tick(10 * SECOND)
    assert [(worker.id, worker.target) for worker in frame.workers] == [("t/0", "t")]
    assert frame.workers[0].running.value == 0


def test_events_alone_make_rows_of_tiers() -> None:
    parts = KvParts("t", 0)
    rows = tiers(
        batch(0, *said(parts, stored(1, 2), stored(1, 2, medium="CPU"), past=True)),
        batch(4, *said(parts, removed(1, 2), stored(3))),
        batch(6, *said(parts, stored(1))),
    )
    hbm, dram = rows["t/0 HBM"], rows["t/0 DRAM"]
    assert (hbm.used_bytes.value, hbm.used_bytes.unit, dram.used_bytes.value) == (32, "tokens", 32)
    assert [rate(one) for one in (hbm.stored_per_s, hbm.evicted_per_s, hbm.promoted_per_s)] == [0.2, 0.2, 0.1]
    assert [rate(one) for one in (dram.stored_per_s, dram.evicted_per_s, dram.promoted_per_s)] == [0, 0, 0]
    assert [one.state for one in (hbm.active_bytes, hbm.capacity_bytes, hbm.hit_tokens)] == [State.ABSENT] * 3


def test_what_was_written_and_never_read_is_an_estimate() -> None:
    parts = KvParts("t", 0)
    rows = tiers(
        batch(0, *said(parts, stored(1), stored(1, medium="CPU"), past=True)),
        batch(4, *said(parts, stored(5, 6, medium="CPU"))),
        batch(5, *said(parts, stored(5))),
    )
    unread = rows["t/0 DRAM"].unread
    assert isinstance(unread, Figure)
    assert (unread.value, unread.n, unread.estimate) == (0.5, 2, True)
    assert isinstance(unread.formula, str)
    assert rows["t/0 HBM"].unread is msgspec.UNSET


def test_blocks_of_unknown_size_are_counted_as_blocks() -> None:
    rows = tiers(batch(0, *said(KvParts("t", 0), stored(1, 2, size=0, medium="CPU"), stored(3, medium="CPU"))))
    used = rows["t/0 DRAM"].used_bytes
    assert (used.value, used.unit, used.state) == (3, "blocks", State.OK)


def test_what_cannot_be_known_exactly_is_an_estimate() -> None:
    parts = KvParts("t", 0)
    rows = tiers(batch(0, *said(parts, stored(1), stored(1, medium="DISK"), stored(1, medium="CPU"))))
    assert {key: row.used_bytes.estimate for key, row in rows.items()} == {
        "t/0 HBM": msgspec.UNSET,
        "t/0 flash": True,
        "t/0 DRAM": msgspec.UNSET,
    }
    parts.incomplete()
    rows = tiers(batch(0, *said(parts, stored(1), stored(1, medium="CPU"))))
    assert [row.used_bytes.estimate for row in rows.values()] == [True, True, True]


def test_units_are_not_mixed() -> None:
    """A pool that its page knows in tokens is not given bytes."""
    inventory, blocks = said(KvParts("t", 0), stored(1))
    assert isinstance(blocks, Blocks)
    in_bytes = msgspec.structs.replace(blocks, in_tokens=False)
    used = tiers(batch(0, inventory, in_bytes))["t/0 HBM"].used_bytes
    assert (used.value, used.unit) == (16, msgspec.UNSET)
    with_page = tiers(page("after_load.metrics.txt"), batch(0, inventory, in_bytes))["t/0 HBM"]
    assert with_page.used_bytes.state is State.ABSENT


def test_emptied_and_silent_are_not_the_same() -> None:
    parts = KvParts("t", 0)
    rows = tiers(batch(0, *said(parts, stored(1))), batch(1, *parts.restarted(0)))
    assert rows["t/0 HBM"].used_bytes.state is State.ZERO
    assert tiers(batch(0, *KvParts("t", 0).inventory())) == {}


def test_a_lost_source_leaves_stale_figures() -> None:
    down = Status("tcp://t:5557", "kv events", TargetStatus.DOWN, "connection lost")
    rows = tiers(batch(0, *said(KvParts("t", 0), stored(1))), Batch("t kv events", SECOND, (down,)))
    assert rows["t/0 HBM"].used_bytes.state is State.STALE
    assert rate(rows["t/0 HBM"].stored_per_s) is None


@pytest.fixture
def observed() -> list[Batch | Tick]:
    """A page, events of many seconds with a gap, an emptied pool and a restart, and a tick after each batch."""
    parts = KvParts("t", 0)
    items: list[Batch | Tick] = [page("under_load.metrics.txt")]
    for second in range(1, 90):
        events = [stored(second, second + 1), stored(second, medium="CPU"), removed(second - 5)]
        told = said(parts, *events, past=second < 5)
        if second == 30:
            parts.incomplete()
        if second == 50:
            told = parts.restarted(0) + told
        if second == 70:
            told = said(parts, {"type": "AllBlocksCleared"}, stored(7, rank=0))
        items += [batch(second, *told), Tick(second * SECOND + SECOND)]
    return items


def test_a_recording_replays_to_the_same_frames(observed: list[Batch | Tick]) -> None:
    def frames(items: list[Batch | Tick]) -> list[object]:
        session = Session("live")
        made: list[object] = []
        for item in items:
            if isinstance(item, Tick):
                made.append(session.tick(item.time_ns))
            else:
                session.feed(item)
        return made

    live = frames(observed)
    assert live == frames(unpack(compress(pack(observed))))
    assert len({str(frame) for frame in live}) == len(live)


def test_a_snapshot_keeps_to_its_schema(observed: list[Batch | Tick]) -> None:
    session = Session("live")
    for item in observed:
        if isinstance(item, Batch):
            session.feed(item)
    made = msgspec.to_builtins(snapshot(session.tick(91 * SECOND)))
    jsonschema.validate(json.loads(json.dumps(made, default=str)), SCHEMA)
    assert made["tiers"][0]["stored_per_s"]["value"] > 0
