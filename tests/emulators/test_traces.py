"""Traces: what the three formats say is what is asked, when it is meant to be; damaged lines are named and left out."""

import csv
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from emulators.asking import Asked
from emulators.blocks import BLOCK_TOKENS
from emulators.loop import Loop
from emulators.traces import SHIPPED, Trace
from emulators.traces.formats import MAX_TOKENS, Call, calls
from emulators.traces.lines import MAX_LINE_BYTES, TraceError
from emulators.traces.replay import MAX_TOLD, Replay, names
from emulators.traces.timeline import TICK_NS

HOUR = 3_600 * 10**9


def replayed(trace: Trace, seed: int = 1) -> tuple[list[tuple[int, Asked]], Replay]:
    """Nanosecond and request, of all that a replay asks."""
    loop = Loop()
    out: list[tuple[int, Asked]] = []
    replay = Replay(loop, seed, trace, lambda asked: out.append((loop.now_ns, asked)))
    loop.run(100 * HOUR, lambda: None)
    return out, replay


def told(name: str) -> list[tuple[float, int, int]]:
    """Seconds (of agentic calls: in their session), tokens in and out of each line, as read without our reader."""
    text = SHIPPED[name].read_text()
    if name.startswith("azure"):
        rows = [
            (datetime.fromisoformat(at[:26]).timestamp(), int(context), int(generated))
            for at, context, generated in list(csv.reader(text.splitlines()))[1:]
        ]
        return [(at - rows[0][0], *tokens) for at, *tokens in rows]  # type: ignore[misc]
    objects = [json.loads(line) for line in text.splitlines()]
    return [
        (row["t_s"] if "t_s" in row else row["timestamp"] / 1e3, row["input_length"], row["output_length"])
        for row in objects
    ]


def statistics(inputs: Iterable[int], outputs: Iterable[int]) -> list[float]:
    """Mean, p50, p90 and p99 of tokens in and out, and tokens in for each out."""
    read, written = np.array(list(inputs)), np.array(list(outputs))
    quantiles = [float(value) for column in (read, written) for value in np.quantile(column, (0.5, 0.9, 0.99))]
    return [len(read), float(read.mean()), float(written.mean()), *quantiles, float(read.sum() / written.sum())]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_replay_has_the_traces_statistics(name: str) -> None:
    rows, (asked, replay) = told(name), replayed(Trace(name))
    want = statistics([tokens for _, tokens, _ in rows], [tokens for _, _, tokens in rows])
    assert statistics([one.prompt for _, one in asked], [one.output for _, one in asked]) == pytest.approx(
        want, rel=0.01
    )
    assert (replay.asked, replay.skipped) == (len(rows), 0)
    if name != "agentic":
        assert asked[-1][0] / 1e9 == pytest.approx(rows[-1][0], abs=3.1 if name == "mooncake" else 1e-5)


def test_azures_calls_come_to_the_nanosecond() -> None:
    asked, _ = replayed(Trace("azure-code"))
    lines = SHIPPED["azure-code"].read_text().splitlines()
    assert [line.split(",")[0][17:] for line in lines[1:3]] == ["03.9799600", "04.0319600"]
    assert [at for at, _ in asked[:2]] == [0, 52_000_000]
    for (at, _), (want_s, _, _) in zip(asked, told("azure-code"), strict=True):
        assert at / 1e9 == pytest.approx(want_s, abs=2e-6)


def test_ties_are_spread_over_the_tick_in_order() -> None:
    asked, _ = replayed(Trace("mooncake"))
    rows = told("mooncake")
    for (at, one), (begin_s, tokens, _) in zip(asked, rows, strict=True):
        assert one.prompt == tokens, "in the order of the file"
        assert begin_s <= at / 1e9 <= begin_s + 3.001
    assert max(Counter(begin_s for begin_s, _, _ in rows).values()) > 3
    assert max(Counter(at for at, _ in asked).values()) == 1
    within = [at / 1e9 - begin_s for (at, _), (begin_s, _, _) in zip(asked, rows, strict=True)]
    assert np.mean(within) == pytest.approx(1.5, abs=0.25)
    assert TICK_NS == 3 * 10**9


def test_the_spread_is_the_seeds() -> None:
    one, other, third = ([at for at, _ in replayed(Trace("mooncake"), seed)[0]] for seed in (1, 1, 2))
    assert one == other != third


def test_sessions_begin_one_after_another() -> None:
    asked, _ = replayed(Trace("agentic", session_every_s=60.0))
    order = list(dict.fromkeys(json.loads(line)["session"] for line in SHIPPED["agentic"].read_text().splitlines()))
    begins = {one.workflow: at for at, one in reversed(asked)}
    assert [begins[session] for session in order] == [60 * 10**9 * number for number in range(len(order))]
    own = Counter(one.workflow for _, one in asked)
    assert len({one.workflow for _, one in asked[:40]}) > 1, "laid over one another"
    assert sum(own.values()) == len(told("agentic"))
    assert all(earlier[0] <= later[0] for earlier, later in itertools.pairwise(asked))


def test_times_are_scaled_and_calls_limited() -> None:
    whole, half = (replayed(Trace("azure-chat", scale=scale, limit=50))[0] for scale in (1.0, 0.5))
    assert len(whole) == len(half) == 50
    assert [at for at, _ in half] == [round(at / 2) for at, _ in whole]
    with pytest.raises(ValueError, match="scale"):
        Trace("azure-chat", scale=0.0)
    with pytest.raises(ValueError, match="limit"):
        Trace("azure-chat", limit=0)


def shared(one: Call, other: Call) -> int:
    """Blocks of ours that two calls begin with alike."""
    here, there = names(one), names(other)
    differ = (here[: len(there)] != there[: len(here)]).nonzero()[0]
    return int(differ[0]) if len(differ) else min(len(here), len(there))


@pytest.mark.parametrize(("name", "block"), [("mooncake", 512), ("agentic", 64)])
def test_prompts_share_what_the_trace_says(name: str, block: int) -> None:
    some = list(calls(SHIPPED[name]))[:40]
    found = 0
    for one, other in itertools.combinations(some, 2):
        here, there = ([id_ for ids in call.blocks for id_ in ids] for call in (one, other))
        same = next(
            (at for at, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), min(map(len, (here, there)))
        )
        if one.session != other.session:
            same = 0
        # A piece that the prompt ends within is shared as far as it goes in whole blocks.
        most = min(one.input, other.input) // BLOCK_TOKENS
        assert shared(one, other) == min(same * block // BLOCK_TOKENS, most)
        found += same > 0
    assert found > 10


def test_answers_and_unnamed_tokens_are_a_calls_own() -> None:
    one, other = Call(1, 0, 100, 60, (range(5, 6),), 64), Call(2, 0, 100, 60, (range(5, 6),), 64)
    assert shared(one, other) == 4
    assert len(names(one)) == 10
    assert len(set(names(one)[4:].tolist()) & set(names(other)[4:].tolist())) == 0
    assert shared(Call(1, 0, 100, 60), Call(2, 0, 100, 60)) == 0


def test_a_sub_agents_calls_are_linked() -> None:
    asked, _ = replayed(Trace("agentic"))
    known: set[str] = set()
    for _, one in asked:
        assert set(one.parents) <= known
        known.add(one.id)
    firsts = [one for _, one in asked if not one.parents]
    assert len(firsts) == len({one.workflow for _, one in asked})
    assert max(len(one.parents) for _, one in asked) > 1, "the caller goes on with what its sub-agents found"
    children = Counter(parent for _, one in asked for parent in one.parents)
    assert max(children.values()) > 1


MOONCAKE = '{{"timestamp": {at}, "input_length": {tokens}, "output_length": 3, "hash_ids": [{ids}]}}'
GOOD = [MOONCAKE.format(at=at, tokens=600, ids="1, 2") for at in (0, 5_000, 9_000)]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "truncated"),
        ("[1]", "object"),
        ('{"timestamp": 0}', "missing required field"),
        (MOONCAKE.format(at=6_000, tokens=-1, ids="1"), "a prompt of -1 tokens"),
        (MOONCAKE.format(at=6_000, tokens=MAX_TOKENS + 1, ids="1"), "a prompt of"),
        (MOONCAKE.format(at=6_000, tokens=600, ids="1, 2, 3"), "more blocks than 600"),
        (MOONCAKE.format(at=6_000, tokens=600, ids="-4"), "ids of blocks"),
        (MOONCAKE.format(at=6_000, tokens=600, ids=str(1 << 60)), "ids of blocks"),
        (MOONCAKE.format(at=1_000, tokens=600, ids="1"), "before that of the line before"),
        (MOONCAKE.format(at="1e300", tokens=600, ids="1"), "a time of"),
        ("\x00\xff" * 8, "malformed"),
        ("9" * (MAX_LINE_BYTES + 9), "longer than"),
    ],
)
def test_a_damaged_line_is_named_and_left_out(
    tmp_path: Path, line: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join([*GOOD[:2], line, GOOD[2]]) + "\n", encoding="latin-1")
    asked, replay = replayed(Trace(str(path)))
    assert [one.id for _, one in asked] == ["t-1", "t-2", "t-4"]
    assert (replay.asked, replay.skipped) == (3, 1)
    assert f"{path}:3: " in caplog.text
    assert says in caplog.text
    with pytest.raises(TraceError, match=":3: "):
        list(calls(path))


@pytest.mark.parametrize(
    "line", ["2023-11-16 18:17:03,a,1", "2023-13-16 18:17:03.1,5,1", "2023-11-16 18:17:04,0,1", ",,", "x" * 500]
)
def test_a_damaged_row_of_azures(tmp_path: Path, line: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
        "2024-05-10 00:00:00.009930+00:00,10,2\r\n"
        f"{line}\r\n"
        "2024-05-10 00:00:01+00:00,20,3\r\n"
    )
    errors: list[TraceError] = []
    found = list(calls(path, errors.append))
    assert [(call.at_ns, call.input, call.output) for call in found] == [(0, 10, 2), (990_070_000, 20, 3)]
    assert [f"{path}:3: " in str(error) for error in errors] == [True]


def test_many_damaged_lines_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join([GOOD[0], *["{"] * 500, GOOD[2]]))
    asked, replay = replayed(Trace(str(path)))
    assert (len(asked), replay.skipped) == (2, 500)
    assert len(caplog.records) == MAX_TOLD


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "no call"), ("a,b\n1,2\n", ":1: not a trace that is known"), (GOOD[0].replace("600", "0"), "no call")],
)
def test_a_file_without_calls(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "trace"
    path.write_text(text)
    with pytest.raises(TraceError, match=says):
        replayed(Trace(str(path)))
    with pytest.raises(TraceError, match="No such file"):
        replayed(Trace(str(tmp_path / "nothing")))


def test_a_trace_is_read_as_it_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join([*GOOD, "{", *GOOD[2:]]))
    errors: list[TraceError] = []
    reading = calls(path, errors.append)
    assert [next(reading).line for _ in range(3)] == [1, 2, 3]
    assert not errors
    assert [call.line for call in reading] == [5]
    assert len(errors) == 1


def test_what_is_shipped_is_small_and_attributed() -> None:
    folder = SHIPPED["mooncake"].parent
    sources = (folder / "SOURCES.md").read_text()
    paths: Sequence[Path] = [path for path in folder.iterdir() if path.suffix != ".md"]
    assert sorted(paths) == sorted(SHIPPED.values())
    for name, path in SHIPPED.items():
        assert path.stat().st_size < 40_000
        row = next(line for line in sources.splitlines() if f"`{path.name}`" in line)
        assert f"`{name}`" in row
        assert "Apache-2.0" in row or "CC-BY 4.0" in row
