"""The kinds of load that come along: what is stated of each holds over many sessions, they mix by weight, and their turns keep a timetable."""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emulators.blocks import Chain, Context, Forked
from emulators.cluster import Cluster
from emulators.loop import Loop
from emulators.randomness import generator
from emulators.scenario_file import ScenarioError
from emulators.scenarios import DEFAULT, build, scenario
from emulators.workload import Session, Workload, draw_turns
from emulators.workloads import SOURCES, WORKLOADS, mixed
from tests.emulators.rig import play

NS = 10**9
STATED: dict[str, dict[str, float]] = {
    "voice": {"turns": 12, "out": 40, "pause": 10},
    "chat": {"in_mean": 1_155, "out": 129, "out_mean": 211, "ratio": 5.5, "turns": 4},
    "coding": {"out": 216, "ratio": 100, "human": 0.14, "tool_pause": 1.4, "human_pause": 121.5, "reuse": 0.963},
    "rag": {"in": 11_587, "in_p90": 38_611, "out": 69, "out_mean": 149, "ratio": 103, "reuse": 0.640},
    "summarise": {"in": 8_256, "out": 250, "turns": 1},
    "edge": {"in": 1_068, "out": 24, "turns": 1},
    "workflow": {"turns": 20, "out": 259, "pause": 1.0},
    "team": {"turns": 14, "out": 259, "pause": 1.0},
}
"""As in `workloads.toml` and its sources."""
TOLERANCE = {"ratio": 0.2, "human_pause": 0.15, "human": 0.15, "reuse": 0.03}
"""Relative; 0.1 for what is not named."""


def measured(name: str) -> dict[str, float]:
    rng = generator(5, "test")
    sessions = [draw_turns(WORKLOADS[name], rng) for _ in range(600)]
    read, written, added = [], [], 0
    for turns in sessions:
        tokens = 0
        for turn in turns:
            read.append(tokens + turn.added)
            written.append(turn.output)
            added += turn.added
            tokens += turn.added + turn.output
    pauses = np.array([turn.pause_ns / 1e9 for turns in sessions for turn in turns])
    return {
        "turns": float(np.median([len(turns) for turns in sessions])),
        "in": float(np.median(read)),
        "in_mean": float(np.mean(read)),
        "in_p90": float(np.quantile(read, 0.9)),
        "out": float(np.median(written)),
        "out_mean": float(np.mean(written)),
        "ratio": sum(read) / sum(written),
        "pause": float(np.median(pauses)),
        "tool_pause": float(np.median(pauses[pauses < 5])),
        "human": float(np.mean(pauses > 5)),
        "human_pause": float(np.median(pauses[pauses > 5])) if np.any(pauses > 5) else 0.0,
        "reuse": 1 - added / sum(read),
    }


@pytest.mark.parametrize("name", WORKLOADS)
def test_what_is_stated_of_a_workload_holds(name: str) -> None:
    found = measured(name)
    for what, value in STATED[name].items():
        assert found[what] == pytest.approx(value, rel=TOLERANCE.get(what, 0.1)), what
    assert len(SOURCES[name]) > 20


@pytest.mark.parametrize("name", WORKLOADS)
def test_sessions_begin_at_the_stated_rate_and_share_their_prompt(name: str) -> None:
    archetype = WORKLOADS[name]
    seconds = round(1_000 / archetype.rate)
    loop, begun = Loop(), list[tuple[int, Session]]()
    Workload(loop, 2, (archetype,), lambda session: begun.append((loop.now_ns, session)))
    loop.run(seconds * NS, lambda: None)
    assert len(begun) == pytest.approx(1_000, rel=0.1 * archetype.burst**0.5)
    blocks = archetype.shared_tokens // 16
    heads = Counter(session.context.runs(0, blocks)[0][0] for _, session in begun)
    assert len(heads) == archetype.applications
    gaps = np.diff([at for at, _ in begun]) / 1e9
    assert (gaps.std() / gaps.mean() > 2) == (archetype.burst > 1)


@pytest.mark.parametrize("answer_s", [0.0, 40.0])
def test_turns_keep_a_timetable_whatever_the_answers_take(answer_s: float) -> None:
    chat, loop = WORKLOADS["chat"], Loop()
    assert chat.answer_s is not None
    came: list[tuple[int, int, Session]] = []

    def ask(session: Session) -> None:
        came.append((loop.now_ns, session.intended_ns, session))
        loop.at(loop.now_ns + round(answer_s * NS), workload.answered, session)

    workload = Workload(loop, 2, (chat,), ask)
    loop.run(300 * NS, lambda: None)
    late = 0
    for session in {id(one): one for _, _, one in came}.values():
        mine = [(at, meant) for at, meant, one in came if one is session]
        meant_ns = mine[0][1]
        assert mine[0][0] == meant_ns
        for (at, meant), before, turn in zip(mine[1:], session.turns, session.turns[1:], strict=False):
            meant_ns += round((chat.answer_s + chat.answer_token_s * before.output) * NS) + turn.pause_ns
            assert meant == meant_ns <= at
            late += at > meant
    assert (late > 50) == (answer_s > 0)


def test_the_steps_of_a_workflow_are_linked() -> None:
    fast = replace(
        WORKLOADS["workflow"],
        rate=0.5,
        answer_s=0.0,
        answer_token_s=0.0,
        first_input=WORKLOADS["edge"].first_input,
        shared_tokens=160,
    )
    cluster = Cluster(replace(DEFAULT, load=(fast,)), 3)
    play(cluster, [60.0])
    columns = cluster.requested()
    last: dict[str, str] = {}
    for request, workflow, parents in zip(columns["request"], columns["workflow"], columns["parents"], strict=True):
        assert parents == ((last[workflow],) if workflow in last else ())
        last[workflow] = request
    steps: Counter[str] = Counter(columns["workflow"])
    assert max(steps.values()) == 20
    assert all(meant <= came for meant, came in zip(columns["intended_ns"], columns["received_ns"], strict=True))


def test_the_steps_of_a_team_fan_out_and_join_and_share_what_is_known_by_then() -> None:
    team = replace(
        WORKLOADS["team"], rate=0.5, fan_share=0.4, first_input=WORKLOADS["edge"].first_input, shared_tokens=160
    )
    cluster = Cluster(replace(DEFAULT, load=(team,)), 3)
    played = play(cluster, [90.0])
    columns = cluster.requested()
    rows = {
        row[0]: row[1:]
        for row in zip(
            *(
                columns[name]
                for name in ("request", "workflow", "parents", "prompt_tokens", "output_tokens", "received_ns")
            ),
            strict=True,
        )
    }
    ended = {name: row["time_ns"] for name, row in played.finished.items()}
    children: defaultdict[str, list[str]] = defaultdict(list)
    joins = 0
    for name, (workflow, parents, prompt, _, received_ns) in rows.items():
        for parent in parents:
            children[parent].append(name)
            assert rows[parent][0] == workflow
            assert ended[parent] <= received_ns
        if len(parents) > 1:
            joins += 1
            (lead,) = {rows[parent][1] for parent in parents}
            assert 2 <= len(parents) <= 4
            assert len(lead) == 1
            # The lead's own context, and all the answers of those that it handed work to.
            assert prompt >= rows[lead[0]][2] + rows[lead[0]][3] + sum(rows[parent][3] for parent in parents)
    fans = [name for name, those in children.items() if len(those) > 1]
    assert joins > 20
    assert len(fans) >= joins
    hits = {
        row["request"]: sum(tokens for _, tokens in row["hits"])
        for row in played.rows("admitted")
        if not row.get("again")
    }
    found = [hits[one] / rows[one][2] for name in fans for one in children[name] if one in hits]
    assert np.median(found) > 0.5
    assert set(Counter(len(row[1]) for row in rows.values())) <= {0, 1, 2, 3, 4}


def test_a_fork_is_what_it_forks_from_and_then_its_own() -> None:
    prompt = Chain(1)
    prompt.grow(3)
    lead = Context(2, prompt)
    lead.grow(200)

    def blocks(context: Context, lo: int, hi: int) -> list[int]:
        return [name for chain, a, b in context.runs(lo, hi) for name in chain.names(a, b).tolist()]

    forks = [Forked(lead, 100, number) for number in range(2)]
    for fork in forks:
        fork.grow(180)
        assert blocks(fork, 0, 6) == blocks(lead, 0, 6)
        assert len(set(blocks(fork, 0, 12))) == 12
        for lo, hi in ((0, 12), (2, 5), (5, 8), (6, 9), (9, 9)):
            assert blocks(fork, lo, hi) == blocks(fork, 0, 12)[lo:hi]
    own = [set(blocks(one, 6, 12)) for one in (lead, *forks)]
    assert len(set.union(*own)) == 18


def test_a_mix_is_by_weight() -> None:
    mix = mixed({"chat": 3, "voice": 1}, 8.0)
    assert {one.name: one.rate for one in mix} == {"chat": 6.0, "voice": 2.0}
    assert [one.rate for one in mixed({"edge": 7}, None)] == [WORKLOADS["edge"].rate]


def test_a_mix_in_a_scenario(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('deployment = "default"\n[workload]\nrate = 20.0\nmix = { edge = 3, voice = 1 }\n')
    cluster = build(str(path), 1)
    play(cluster, [20.0])
    asked: Counter[str] = Counter(cluster.requested()["workload"])
    assert asked.keys() == {"edge", "voice"}
    assert asked["edge"] == pytest.approx(300, rel=0.15)
    for text, says in (
        ("mix = { chess = 1 }", "unknown workload 'chess'"),
        ("mix = { chat = 0 }", "weight of 'chat'"),
        ("rate = 0.0\nmix = { chat = 1 }", "rate"),
    ):
        path.write_text(f'deployment = "default"\n[workload]\n{text}\n')
        with pytest.raises(ScenarioError, match=says):
            scenario(str(path))
