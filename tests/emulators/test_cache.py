"""Hit rates of a recorded trace, against plain definitions of the policies computed here."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.calibration.cache import hit_rate, read, report
from emulators.extents import Extent
from emulators.policy import POLICIES, Ttl, order
from emulators.traces import SHIPPED
from emulators.traces.lines import TraceError
from tests.emulators.line import LINE

TRACE = Path(__file__).parents[1] / "fixtures" / "traces" / "mooncake_conversation_head.jsonl"


def prompts() -> list[list[int]]:
    return [json.loads(line)["hash_ids"] for line in TRACE.read_text().splitlines()]


def hits_by_definition(asked: list[list[int]], capacity: int, policy: str) -> float:
    """A list of (name, uses, last use) that is sorted whenever something must go."""
    held: dict[int, tuple[int, int]] = {}
    hits, time = 0, 0
    for names in asked:
        hits += next((at for at, name in enumerate(names) if name not in held), len(names))
        for name in names:
            time += 1
            held[name] = (held.get(name, (0, 0))[0] + 1, time)
        if capacity and len(held) > capacity:
            keys = {name: (uses, last) if policy == "lfu" else (0, last) for name, (uses, last) in held.items()}
            for name in sorted(held, key=keys.__getitem__)[: len(held) - capacity]:
                del held[name]
    return hits / sum(map(len, asked))


@pytest.mark.parametrize("policy", ["lru", "lfu"])
def test_a_trace_of_mooncake(policy: str) -> None:
    capacities = [0, 100, 777, 2_000, 5_000, 100_000]
    found = report(TRACE, capacities, policy)
    assert found["trace"] == str(TRACE)
    assert found["unit"] == "blocks"
    assert [row["capacity_blocks"] for row in found["rows"]] == capacities
    assert {row["policy"] for row in found["rows"]} == {policy}
    for row in found["rows"]:
        assert row["hit_rate"] == hits_by_definition(prompts(), row["capacity_blocks"], policy)
    rates = [row["hit_rate"] for row in found["rows"]]
    assert rates[1] < rates[3] < rates[0] == rates[-1]


def test_a_trace_of_agents_loses_the_ends_of_prompts_first() -> None:
    rates = [row["hit_rate"] for row in report(SHIPPED["agentic"], [0, 3_000, 1_600], "lru")["rows"]]
    asked = read(SHIPPED["agentic"])
    assert rates == [hit_rate(asked, capacity, order("lru"), last_first=True) for capacity in (0, 3_000, 1_600)]
    assert rates[0] == hits_by_definition(asked, 0, "lru")
    assert rates[0] > rates[1] > rates[2] > hits_by_definition(asked, 1_600, "lru")
    assert len(read(SHIPPED["agentic"], 50)) == 50


def test_unlimited_is_what_was_asked_before() -> None:
    asked = prompts()
    blocks = sum(map(len, asked))
    seen: set[int] = set()
    for names in asked:
        seen.update(names)
    # In this trace whoever shares a block shares all before it, too.
    assert report(TRACE, [0], "lru")["rows"][0]["hit_rate"] == pytest.approx(1 - len(seen) / blocks)


asked_for = st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=30).filter(any)


@given(asked_for, st.integers(0, 12), st.sampled_from(["lru", "lfu"]))
def test_any_trace_and_capacity(asked: list[list[int]], capacity: int, policy: str) -> None:
    assert hit_rate(asked, capacity, order(policy)) == hits_by_definition(asked, capacity, policy)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", ":2: "),
        ('{"hash_ids": "no"}', "hash_ids"),
        ('{"hash_ids": [1, 2.5]}', ":2: "),
        ('{"timestamp": 0}', "hash_ids"),
        ("[1]", "expected a JSON object"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(f'{{"hash_ids": [1]}}\n{line}\n')
    with pytest.raises(TraceError) as error:
        report(path, [1], "lru")
    assert says in str(error.value)
    assert str(path) in str(error.value)


def test_a_trace_that_is_not_there_or_empty(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file"):
        report(tmp_path / "nothing", [1], "lru")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(TraceError, match="no blocks"):
        report(tmp_path / "empty", [1], "lru")


def test_what_cannot_be_asked() -> None:
    with pytest.raises(ValueError, match="known: lru, lfu"):
        report(TRACE, [1], "fifo")
    with pytest.raises(ValueError, match="-1"):
        report(TRACE, [-1], "lru")


def blocks(count: int) -> list[Extent]:
    return [Extent(LINE, number, number + 1) for number in range(count)]


def test_what_is_in_use_cannot_go() -> None:
    for policy in POLICIES:
        held = order(policy, 10 if policy == "ttl" else None)
        one, two, three = blocks(3)
        for block in (one, two, three):
            held.put(0, block)
        held.take(one)
        assert held.oldest() is two
        held.take(two)
        held.put(0, one)
        assert held.oldest() is three
        held.take(three)
        assert held.oldest() is one
        held.take(one)
        assert held.oldest() is None


def test_a_block_outlives_its_time_by_nothing() -> None:
    held = Ttl(10)
    one, two = blocks(2)
    held.put(0, one)
    held.put(0, two)
    held.take(one)
    held.put(5, one)
    assert held.next_expiry_ns(5) == 10
    assert held.expired(9) is None
    assert held.expired(10) is two
    held.take(two)
    assert held.expired(14) is None
    assert held.expired(15) is one
    held.take(one)
    assert held.next_expiry_ns(20) == 30


def test_names_of_policies() -> None:
    with pytest.raises(ValueError, match="known: lru, lfu, ttl"):
        order("fifo")
    with pytest.raises(ValueError, match="time to live"):
        order("lru", 5)
    with pytest.raises(ValueError, match="time to live"):
        order("ttl")
