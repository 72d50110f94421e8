"""Streams as hypothesis makes them: a hello, then messages that keep to the format."""

from typing import Any, Final

from hypothesis import strategies as st

from tests.wire.placement_encoder import OPS, STAGES, TIERS
from tests.wire.placement_vectors import HELLO, MAX

WORKERS: Final = (-1, 0, 2, 65534)
POOLS: Final = (0, 1, 9)
PHASES: Final = ("queue", "prefill", "transfer", "fetch", "decode", "preempted", "nap")

times = st.integers(0, MAX)
names = st.text("abz-/019é日", min_size=1, max_size=6)
workers = st.sampled_from(WORKERS)
tiers = st.sampled_from((*TIERS, "L2"))
stages = st.sampled_from((*STAGES, "rerank"))
finite = st.floats(allow_nan=False, allow_infinity=False)


def _columns(rows: list[tuple[Any, ...]], names_: tuple[str, ...]) -> dict[str, Any]:
    return {name: [row[i] for row in rows] for i, name in enumerate(names_)}


@st.composite
def deliveries(draw: st.DrawFn) -> dict[str, Any]:
    row = st.tuples(times, st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(1, 65535))
    rows = draw(st.lists(row, max_size=6))
    message: dict[str, Any] = {"type": "deliveries"}
    message |= _columns(rows, ("time_ns", "stream", "first_token", "tokens"))
    for name, values in (
        ("worker", workers),
        ("tier", tiers),
        ("stage", stages),
        ("start_ns", times),
        ("duration_ns", times),
    ):
        if draw(st.booleans()):
            message[name] = [draw(values) for _ in rows]
    if draw(st.booleans()):
        message["extra"] = [draw(st.integers(0, 8)) for _ in rows]
        extra = draw(st.lists(st.tuples(times, times, workers, tiers, stages), min_size=1, max_size=3))
        extras = [extra[i % len(extra)] for i in range(sum(message["extra"]))]
        message |= _columns(extras, ("x_start_ns", "x_duration_ns", "x_worker", "x_tier", "x_stage"))
    return message


@st.composite
def blocks(draw: st.DrawFn) -> dict[str, Any]:
    digits = st.integers(0, 2**64 - 1).map(lambda value: f"{value:016x}")
    row = st.tuples(times, digits, st.integers(0, 2**32 - 1), st.sampled_from(POOLS), st.sampled_from(OPS))
    rows = draw(st.lists(row, max_size=4))
    return {"type": "blocks", **_columns(rows, ("time_ns", "hash", "bytes", "pool", "op"))}


@st.composite
def occupancy(draw: st.DrawFn) -> dict[str, Any]:
    rows = draw(st.lists(st.tuples(times, st.sampled_from(POOLS), times, times), max_size=4))
    return {"type": "occupancy", **_columns(rows, ("time_ns", "pool", "used_bytes", "active_bytes"))}


candidates = st.fixed_dictionaries(
    {"worker": workers, "score": finite},
    optional={
        "prefill": st.sampled_from((0, 2)),
        "terms": st.dictionaries(names, finite, max_size=3),
        "cached_tokens": times,
    },
)
decisions = st.fixed_dictionaries(
    {"time_ns": times, "request": names, "chosen": workers},
    optional={
        "rule": names,
        "labels": st.lists(names, max_size=3),
        "margin": finite,
        "tie": st.booleans(),
        "headroom_s": finite,
        "candidates": st.lists(candidates, max_size=3),
    },
)
phases = st.fixed_dictionaries(
    {"request": names, "phase": st.sampled_from(PHASES), "start_ns": times, "duration_ns": times},
    optional={"worker": st.sampled_from((0, 2)), "tier": tiers, "tokens": times, "bytes": times},
)
admitted = st.fixed_dictionaries(
    {"event": st.just("admitted"), "time_ns": times, "request": names, "worker": workers, "computed_tokens": times},
    optional={
        "hits": st.lists(st.tuples(st.sampled_from(POOLS), times).map(list), max_size=3),
        "again": st.booleans(),
    },
)


def _rows(kind: str, rows: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(rows, max_size=3).map(lambda drawn: {"type": kind, "rows": drawn})


others = st.one_of(
    deliveries(),
    deliveries(),
    blocks(),
    occupancy(),
    _rows("decisions", decisions),
    _rows("phases", phases),
    _rows("requests", admitted),
    times.map(lambda time_ns: {"type": "watermark", "time_ns": time_ns}),
    st.just(HELLO),
)


@st.composite
def streams(draw: st.DrawFn, numbered: bool = True) -> list[dict[str, Any]]:
    """A hello and what follows. Requests come and go, ids and numbers come back; `numbered`: their rows have a stream number."""
    messages: list[dict[str, Any]] = [HELLO]
    living: dict[str, int] = {}
    for _ in range(draw(st.integers(0, 8))):
        messages.append(draw(others))
        ends = sorted(name for name in living if draw(st.booleans()))
        rows: list[dict[str, Any]] = [
            {"event": "finished", "time_ns": draw(times), "request": name, "reason": "stop"} for name in ends
        ]
        for name in ends:
            del living[name]
        for name in draw(st.lists(names.filter(lambda name: name not in living), max_size=2, unique=True)):
            stream = draw(
                st.sampled_from([n for n in (0, 1, 2, 3, 65535) if n not in living.values()] or [77 + len(living)])
            )
            living[name] = stream
            row = {"event": "received", "time_ns": draw(times), "request": name, "prompt_tokens": 5}
            rows.append({**row, "stream": stream} if numbered else row)
        messages.append({"type": "requests", "rows": rows})
    return messages
