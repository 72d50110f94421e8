"""What the router decides, and that its decision card says so."""

from dataclasses import replace

import pytest

from emulators.blocks import Context
from emulators.cluster import Cluster
from emulators.events import Row
from emulators.journal import Journal
from emulators.kv import Pool
from emulators.request import Request
from emulators.router import Place, Router, Rule, Weights, labels
from emulators.scenarios import DEFAULT

RULES = (
    Rule("batch", frozenset({"batch"}), frozenset({"aggregated"})),
    Rule("short", frozenset({"interactive", "short-context"}), frozenset({"decode"})),
    Rule("rest", frozenset(), frozenset({"decode", "aggregated"})),
)


def a_pool(slot: int, capacity: int) -> Pool:
    return Pool(slot, "HBM", f"w-{slot}", slot, capacity, 1 << 20, Journal())


def a_router(sram: int = 2_000) -> Router:
    """0 prefill, 1 aggregated, 2 and 3 decode."""
    places = []
    for slot, (role, capacity) in enumerate(
        (("prefill", 10_000), ("aggregated", 10_000), ("decode", sram), ("decode", sram))
    ):
        pool = a_pool(slot, capacity)
        ingests = role != "decode"
        places.append(
            Place(
                slot,
                role,
                pool,
                places=16,
                pools=(pool,) if ingests else (),
                prefill_seconds=(lambda tokens: tokens / 1e4) if ingests else None,
                front_end_s=0.03 if ingests else 0.0,
            )
        )
    return Router(places, RULES, Weights())


def a_request(number: int, prompt: int, kind: str = "interactive", limit: int = 500) -> Request:
    context = Context(number)
    context.grow(prompt + limit)
    return Request(
        f"r-{number}", number, 0, prompt, limit, limit, context, labels(kind, prompt, limit), target_ttft_s=0.5
    )


def decided(router: Router, request: Request) -> Row:
    card = router.decide(7, request)
    assert card is not None
    return card


@pytest.mark.parametrize(
    ("kind", "prompt", "limit", "expected"),
    [
        ("interactive", 799, 100, ("interactive", "decode-heavy", "short-context")),
        ("interactive", 800, 100, ("interactive", "prefill-heavy", "short-context")),
        ("batch", 8_191, 2_000, ("batch", "decode-heavy", "short-context")),
        ("batch", 8_192, 2_000, ("batch", "decode-heavy", "long-context")),
    ],
)
def test_labels(kind: str, prompt: int, limit: int, expected: tuple[str, ...]) -> None:
    assert labels(kind, prompt, limit) == expected


@pytest.mark.parametrize(
    ("kind", "prompt", "rule", "workers"),
    [("batch", 500, "batch", [1]), ("interactive", 500, "short", [2, 3]), ("interactive", 9_000, "rest", [1, 2, 3])],
)
def test_the_first_rule_that_applies_decides(kind: str, prompt: int, rule: str, workers: list[int]) -> None:
    card = decided(a_router(), a_request(1, prompt, kind))
    assert card["rule"] == rule
    assert [candidate["worker"] for candidate in card["candidates"]] == workers
    assert {candidate["worker"]: candidate.get("prefill") for candidate in card["candidates"]} == {
        worker: None if worker == 1 else 0 for worker in workers
    }


def test_the_card_agrees_with_itself() -> None:
    router = a_router()
    for number in range(40):
        request = a_request(number, 300 + 400 * number)
        card = decided(router, request)
        scores = {candidate["worker"]: candidate["score"] for candidate in card["candidates"]}
        for candidate in card["candidates"]:
            assert candidate["score"] == sum(candidate["terms"].values())
        best, runner_up = sorted(scores.values(), reverse=True)[:2]
        assert scores[card["chosen"]] == best
        assert card["margin"] == best - runner_up
        assert card["tie"] == (card["margin"] < 1e-9)
        assert card["chosen"] == request.generate
        chosen = next(one for one in card["candidates"] if one["worker"] == card["chosen"])
        assert chosen.get("prefill", card["chosen"]) == request.ingest
        assert card["labels"] == list(request.labels)
    assert router.total == 40
    assert sum(router.by_rule.values()) == 40


def test_equal_scores_are_a_tie_and_then_load_decides() -> None:
    router = a_router()
    first, second = (decided(router, a_request(number, 400)) for number in (1, 2))
    assert (first["chosen"], first["tie"], first["margin"]) == (2, True, 0.0)
    assert (second["chosen"], second["tie"]) == (3, False)
    assert router.ties == 1


def test_one_candidate_has_no_margin() -> None:
    card = decided(a_router(), a_request(1, 400, "batch"))
    assert "margin" not in card
    assert card["tie"] is False


def test_finished_requests_free_their_place() -> None:
    router = a_router()
    request = a_request(1, 400)
    decided(router, request)
    router.first_token(request)
    router.finished(request)
    assert decided(router, a_request(2, 400))["tie"], "all is as it was at the start"


def test_a_worker_that_holds_the_prefix_is_preferred() -> None:
    router = a_router()
    request = a_request(1, 9_000)
    place = router.places[1]
    place.pool.claim(0, request.context.runs(0, 500))
    card = decided(router, request)
    assert card["chosen"] == 1
    terms = {candidate["worker"]: candidate["terms"] for candidate in card["candidates"]}
    assert terms[1]["overlap"] == 8_000 / 9_000
    assert terms[2]["overlap"] == 0
    # KV that a decoder has kept saves moving it.
    later = a_request(2, 600)
    router.places[3].pool.claim(0, later.context.runs(0, 38))
    assert decided(router, later)["chosen"] == 3


def test_headroom_is_the_objective_less_the_predicted_ttft() -> None:
    router = a_router()
    first = a_request(1, 2_000)
    assert decided(router, first)["headroom_s"] == pytest.approx(0.5 - 0.03 - 0.2)
    # The second waits for the first one's prompt.
    assert decided(router, a_request(2, 1_000))["headroom_s"] == pytest.approx(0.5 - 0.03 - 0.3)
    router.first_token(first)
    assert decided(router, a_request(3, 1_000))["headroom_s"] == pytest.approx(0.5 - 0.03 - 0.2)


def test_what_could_never_fit_is_not_offered() -> None:
    router = a_router(sram=100)
    card = decided(router, a_request(1, 1_200))
    assert card["rule"] == "rest", "the rule for short contexts has nobody to offer"
    assert [candidate["worker"] for candidate in card["candidates"]] == [1]
    assert router.decide(0, a_request(2, 200_000)) is None
    assert router.total == 1


def test_a_router_without_rules_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one rule"):
        Router(a_router().places, (), Weights())
    with pytest.raises(ValueError, match="at least one rule"):
        Cluster(replace(DEFAULT, rules=()), 1)
