"""What is asked of the cluster, and that it does not depend on the answers."""

import itertools

import numpy as np
import pytest

from emulators.loop import Loop
from emulators.randomness import generator
from emulators.scenarios import DEFAULT, SCENARIOS
from emulators.workload import Archetype, Session, Spread, Turn, Workload, draw_turns

ONE = Spread(1, 0, 1, 1)
CHAT, AGENT = (next(one for one in DEFAULT.load if one.name == name) for name in ("chat", "agent"))


def asked(
    archetypes: tuple[Archetype, ...], seconds: float, answer_s: float, seed: int = 3
) -> list[tuple[int, Session, int]]:
    """Time, session and turn of each request when every answer takes `answer_s`."""
    loop = Loop()
    out = []

    def ask(session: Session) -> None:
        out.append((loop.now_ns, session, session.at))
        loop.at(loop.now_ns + round(answer_s * 1e9), workload.answered, session)

    workload = Workload(loop, seed, archetypes, ask)
    loop.run(round(seconds * 1e9), lambda: None)
    return out


def test_sessions_do_not_wait_for_answers() -> None:
    fast, slow = (asked(DEFAULT.load, 30, answer_s) for answer_s in (0.1, 3.0))
    begins = [
        [(time, session.archetype.name, session.turns) for time, session, at in all_ if not at] for all_ in (fast, slow)
    ]
    assert begins[0] == begins[1]
    assert len(fast) > len(slow)


def test_a_turn_follows_its_pause_after_the_answer() -> None:
    mine: dict[int, list[tuple[int, int]]] = {}
    for time, session, at in asked((AGENT,), 60, 0.25):
        mine.setdefault(id(session), []).append((time, at))
        session_turns = session.turns
        if at and len(mine[id(session)]) > 1:
            before = mine[id(session)][-2][0]
            assert time == before + 250_000_000 + session_turns[at].pause_ns
    assert sum(len(turns) > 5 for turns in mine.values()) > 5


def test_sessions_arrive_at_the_stated_rate() -> None:
    archetype = Archetype("steady", "interactive", 5.0, ONE, ONE, ONE, ONE, 1, ONE)
    times = np.array([time for time, _, _ in asked((archetype,), 400, 0.0)]) / 1e9
    assert len(times) == pytest.approx(2_000, rel=0.1)
    gaps = np.diff(times)
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.1), "a Poisson process"


def test_bursts_keep_the_rate_and_come_together() -> None:
    archetype = Archetype("bursty", "batch", 5.0, ONE, ONE, ONE, ONE, 1, ONE, burst=10, burst_spacing_s=0.001)
    times = np.array([time for time, _, _ in asked((archetype,), 400, 0.0)]) / 1e9
    assert len(times) == pytest.approx(2_000, rel=0.25)
    assert np.mean(np.diff(times) < 0.01) == pytest.approx(0.9, abs=0.03)


def test_a_context_grows_by_what_was_said() -> None:
    seen: dict[int, int] = {}
    grown = 0
    loop = Loop()

    def ask(session: Session) -> None:
        nonlocal grown
        if id(session) in seen:
            assert session.tokens == seen[id(session)]
            grown += 1
        seen[id(session)] = session.tokens + session.turn.added + session.turn.output
        kept.append(session)
        loop.at(loop.now_ns, workload.answered, session)

    kept: list[Session] = []
    workload = Workload(loop, 3, (AGENT,), ask)
    loop.run(30 * 10**9, lambda: None)
    assert grown > 50


@pytest.mark.parametrize("archetype", DEFAULT.load, ids=lambda archetype: archetype.name)
def test_turns_stay_within_their_limits(archetype: Archetype) -> None:
    rng = generator(11, "test")
    for _ in range(300):
        turns = draw_turns(archetype, rng)
        assert turns
        tokens = 0
        for turn in turns:
            assert 1 <= turn.output <= archetype.limit
            assert turn.added > 0
            assert turn.pause_ns >= 0
            assert tokens + turn.added + archetype.limit <= archetype.most_tokens
            tokens += turn.added + turn.output
        assert turns[0].added > archetype.shared_tokens


def test_agents_read_a_hundred_times_what_they_write() -> None:
    rng = generator(5, "test")
    read = written = 0
    for _ in range(300):
        tokens = 0
        for turn in draw_turns(AGENT, rng):
            read += tokens + turn.added
            written += turn.output
            tokens += turn.added + turn.output
    assert 50 < read / written < 200


def test_agents_pause_like_tools_and_now_and_then_like_people() -> None:
    rng = generator(5, "test")
    pauses = [turn.pause_ns / 1e9 for _ in range(100) for turn in draw_turns(AGENT, rng)]
    assert 1 < np.median(pauses) < 2
    assert 0.02 < np.mean(np.array(pauses) > 5) < 0.1


def test_one_kinds_numbers_do_not_move_anothers() -> None:
    def chats(load: tuple[Archetype, ...]) -> list[tuple[int, int]]:
        return [(time, session.turn.added) for time, session, at in asked(load, 20, 100.0) if session.archetype is CHAT]

    assert chats((CHAT,)) == chats(DEFAULT.load)


def test_standing_sessions_are_under_way() -> None:
    begun = [(session, at) for _, session, at in asked((CHAT,), CHAT.standing_within_s, 100.0)]
    under_way = [session for session, at in begun if at]
    assert len(begun) > CHAT.standing
    assert len(under_way) > CHAT.standing / 3
    for session in under_way:
        assert session.tokens == sum(turn.added + turn.output for turn in session.turns[: session.at])


def test_workflows_are_numbered_for_agents_only() -> None:
    names = [session.workflow for _, session, at in asked(DEFAULT.load, 20, 0.5) if session.archetype is AGENT]
    assert len(set(names)) > 5
    assert None not in names
    others = {session.workflow for _, session, _ in asked(DEFAULT.load, 5, 0.5) if session.archetype is not AGENT}
    assert others == {None}


def test_both_sides_of_face_off_get_the_same_sessions_with_other_content() -> None:
    """At the same times, the same turns and pauses, whatever the other is answered; no block has the name of one of the other side."""
    begun: dict[str, list[tuple[int, int, tuple[Turn, ...]]]] = {}
    names: dict[str, set[int]] = {}
    seen: set[int] = set()
    for time, session, at in asked(SCENARIOS["face-off"].load, 70, 0.5):
        name = session.archetype.name
        if id(session) not in seen:
            seen.add(id(session))
            begun.setdefault(name, []).append((time, at, tuple(session.turns)))
        for chain, lo, hi in session.context.runs(0, 40):
            names.setdefault(name, set()).update(chain.names(lo, hi).tolist())
    for what in ("chat", "documents"):
        alone, beside = f"{what} on GPUs", f"{what} with LPUs"
        assert begun[alone] == begun[beside]
        assert len(begun[alone]) > 10
        assert not names[alone] & names[beside]


def test_other_seeds_ask_for_other_things() -> None:
    times = [[time for time, _, _ in asked(DEFAULT.load, 5, 0.5, seed)] for seed in (1, 2)]
    assert times[0] != times[1]
    assert all(later >= earlier for earlier, later in itertools.pairwise(times[0]))
