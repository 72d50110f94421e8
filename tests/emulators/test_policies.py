"""Each router policy prefers what it says it does, and every decision on the wire can be worked out again from what it says."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from emulators.blocks import Context
from emulators.journal import Journal
from emulators.kv import Pool
from emulators.request import Request
from emulators.router import Place, Router, Rule, Weights, labels
from emulators.scenarios import build, scenario
from emulators.specs import GpuSpec
from emulators.wire import Encoding, encoder
from tests.emulators.rig import Played, play


def a_router(policy: str, roles: Sequence[str] = ("aggregated", "aggregated", "aggregated")) -> Router:
    places = []
    for slot, role in enumerate(roles):
        pool = Pool(slot, "HBM", f"w-{slot}", slot, 10_000, 1 << 20, Journal())
        ingests = role != "decode"
        places.append(
            Place(
                slot,
                role,
                pool,
                places=8,
                pools=(pool,) if ingests else (),
                prefill_seconds=(lambda tokens: tokens / 1e4) if ingests else None,
                front_end_s=0.03 if ingests else 0.0,
            )
        )
    rule = Rule("all", frozenset(), frozenset({"aggregated", "decode"}), policy=policy)
    return Router(places, (rule,), Weights())


def a_request(number: int, prompt: int, target: float | None = 0.5) -> Request:
    context = Context(number)
    context.grow(prompt + 500)
    return Request(
        f"r-{number}", number, 0, prompt, 500, 500, context, labels("batch", prompt, 500), target_ttft_s=target
    )


def chosen(router: Router, request: Request) -> int:
    card = router.decide(7, request)
    assert card is not None
    assert not card["tie"]
    return int(card["chosen"])


def test_round_robin_takes_turns_whatever_the_load() -> None:
    router = a_router("round-robin")
    assert [chosen(router, a_request(number, 100 + 3_000 * (number % 3))) for number in range(7)] == [
        0,
        1,
        2,
        0,
        1,
        2,
        0,
    ]


def test_round_robin_takes_turns_of_who_ingests_too() -> None:
    router = a_router("round-robin", ("prefill", "prefill", "decode", "decode", "decode"))
    requests = [a_request(number, 100) for number in range(6)]
    assert [chosen(router, request) for request in requests] == [2, 3, 4, 2, 3, 4]
    assert [request.ingest for request in requests] == [0, 1, 0, 1, 0, 1]


def test_the_least_loaded_is_blind_to_what_is_cached() -> None:
    router = a_router("least-loaded")
    request = a_request(1, 1_600)
    router.places[0].pool.claim(0, request.context.runs(0, 100))
    for place, assigned in zip(router.places, (3, 1, 2), strict=True):
        place.assigned = assigned
    assert chosen(router, request) == 1


def test_kv_aware_goes_to_what_is_cached_until_that_worker_holds_too_much() -> None:
    router = a_router("kv-aware")
    request, later = a_request(1, 1_600), a_request(1, 1_600)
    router.places[2].pool.claim(0, request.context.runs(0, 100))
    for place, assigned in zip(router.places, (0, 0, 7), strict=True):
        place.assigned = assigned
    assert chosen(router, request) == 2
    # Another request's 300 active blocks are more than what it would save: 99 blocks to compute, and 100 to hold.
    router.places[2].pool.claim(0, a_request(9, 4_800).context.runs(0, 300))
    router.places[0].pool.claim(0, a_request(8, 16).context.runs(0, 1))
    assert chosen(router, later) == 1


def test_slo_aware_leaves_the_least_busy_where_it_would_miss_the_objective() -> None:
    router = a_router("slo-aware")
    for place, assigned, pending in zip(router.places, (0, 4, 6), (6_000, 1_000, 0), strict=True):
        place.assigned, place.pending_tokens = assigned, pending
    # 0 would need 0.03 + 0.7 s, 1 0.03 + 0.2 s: of the two that meet 0.5 s, 1 is the less busy.
    assert chosen(router, a_request(1, 1_000)) == 1
    # Without an objective there is nothing to miss.
    assert chosen(router, a_request(2, 1_000, target=None)) == 0
    # Nobody meets 0.1 s: 2 misses it least.
    assert chosen(router, a_request(3, 1_000, target=0.1)) == 2


def test_the_same_state_tells_the_policies_apart() -> None:
    def state(policy: str) -> int:
        router = a_router(policy, ("aggregated",) * 4)
        request = a_request(1, 1_600, target=0.2)
        router.places[1].pool.claim(0, request.context.runs(0, 100))
        for place, assigned, pending in zip(router.places, (6, 7, 1, 4), (0, 9_000, 9_000, 0), strict=True):
            place.assigned, place.pending_tokens = assigned, pending
        router.places[0].pending_tokens = 300
        return chosen(router, request)

    assert [state(one) for one in ("round-robin", "kv-aware", "slo-aware")] == [0, 1, 3]


def test_a_rule_asks_for_tags() -> None:
    router = a_router("least-loaded")
    places = [replace(place, tags=frozenset({"edge"} if place.slot == 1 else ())) for place in router.places]
    router = Router(places, (replace(router.rules[0], tags=frozenset({"edge"})),), Weights())
    card = router.decide(0, a_request(1, 100))
    assert card is not None
    assert [one["worker"] for one in card["candidates"]] == [1]
    assert "margin" not in card


def test_too_many_pairs_become_one_for_each_who_generates() -> None:
    card = a_router("round-robin", ("prefill",) * 20 + ("decode",) * 20).decide(0, a_request(1, 100))
    assert card is not None
    assert len(card["candidates"]) == 20
    assert {one["prefill"] for one in card["candidates"]} == {0}


def test_unknown_policies_and_models_of_their_own_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown policy 'random'.*round-robin"):
        Rule("x", frozenset(), frozenset(), policy="random")
    with pytest.raises(ValueError, match="aggregated, not prefill"):
        GpuSpec("g", role="prefill", chip="L40S", engine="vllm-2025", model="llama-3.2-1b")


@cache
def played() -> Played:
    return play(build("policies", 5), [4.0, 9.5])


def on_the_wire() -> list[dict[str, Any]]:
    data = encoder(Encoding.NDJSON).rows("decisions", played().events.decisions)
    return [row for line in data.splitlines() for row in json.loads(line)["rows"]]


def test_every_decision_on_the_wire_follows_from_its_terms() -> None:
    rules = {rule.name: rule for rule in scenario("policies").rules}
    workers = {row["slot"]: row for row in build("policies", 5).hello()["workers"]}
    tags = {slot: spec.tags for slot, spec in enumerate(scenario("policies").workers)}
    cards = on_the_wire()
    for card in cards:
        rule, candidates = rules[card["rule"]], card["candidates"]
        assert rule.labels <= set(card["labels"])
        scores = [sum(candidate["terms"].values()) for candidate in candidates]
        assert scores == [candidate["score"] for candidate in candidates]
        best = max(scores)
        assert candidates[scores.index(best)]["worker"] == card["chosen"]
        others = sorted(scores)[:-1]
        if others:
            assert card["margin"] == best - others[-1]
            assert card["tie"] == (card["margin"] < 1e-9)
        # All who may: each of the rule's workers, and with each that does not ingest every one that may ingest for it.
        may = [slot for slot, row in workers.items() if row["role"] in rule.roles and rule.tags <= tags[slot]]
        assert sorted({candidate["worker"] for candidate in candidates}) == may
        if rule.policy != "score":
            pairs = [
                (slot, prefill)
                for slot in may
                for prefill in (None, 0, 1)
                if (prefill is None) == (workers[slot]["role"] == "aggregated")
            ]
            assert [(candidate["worker"], candidate.get("prefill")) for candidate in candidates] == pairs
    assert set(Counter(card["rule"] for card in cards)) == set(rules)
    assert {rule.policy for rule in rules.values()} == {"score", "round-robin", "least-loaded", "kv-aware", "slo-aware"}


def test_small_and_large_models_keep_apart() -> None:
    received = played().received
    served = {card["request"]: card["chosen"] for card in played().events.decisions}
    names = [row["model"] for row in build("policies", 5).hello()["workers"]]
    small = [row for row in received.values() if "small-model" in row["labels"]]
    assert {row["model"] for row in small} == {"llama-3.2-1b"} == {names[served[row["request"]]] for row in small}
    assert {row["model"] for row in received.values() if row not in small} == {"llama-3.1-8b"}
    # Blocks of the small model are smaller, and none of them is in the host's memory.
    pools = {row["slot"]: row for row in build("policies", 5).hello()["pools"]}
    edge = next(slot for slot, row in pools.items() if row["owner"] == "edge-1/0")
    assert set(played().events.blocks["bytes"][played().events.blocks["pool"] == edge].tolist()) == {512 << 10}
    hits = [hit[0] for row in played().rows("admitted") if row["worker"] == edge for hit in row["hits"]]
    assert set(hits) == {edge}


def test_a_whole_run_by_turns_is_even() -> None:
    turns = [card["chosen"] for card in on_the_wire() if card["rule"] == "batch-by-turns"]
    assert turns == [4, 5] * (len(turns) // 2) + [4] * (len(turns) % 2)
