"""llama.cpp's server: a captured page and slots, text of older builds as their source writes it, and the slots of its documentation."""

import json

import pytest

from collectors.backends import registry
from collectors.backends.json_page import JsonError
from collectors.backends.llamacpp_slots import MAX_SLOTS, slots
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Device, Tier
from tests.backends.flows import flows
from tests.backends.pages import FIXTURES, read

COUNTERS = {
    "prompt_tokens_total": "13488",
    "prompt_seconds_total": "1.96",
    "tokens_predicted_total": "1.23457e+06",
    "tokens_predicted_seconds_total": "40.5",
    "n_decode_total": "4000",
    "n_tokens_max": "2048",
    "spec_decode_num_draft_tokens_total": "900",
    "spec_decode_num_accepted_tokens_total": "630",
}
GAUGES = {
    "prompt_tokens_seconds": "0",
    "predicted_tokens_seconds": "31.5",
    "requests_processing": "3",
    "requests_deferred": "2",
    "n_busy_slots_per_decode": "1.7",
}


def text(counters: dict[str, str], gauges: dict[str, str]) -> str:
    return "".join(
        f"# HELP llamacpp:{name} Words.\n# TYPE llamacpp:{name} {kind}\nllamacpp:{name} {value}\n"
        for kind, found in (("counter", counters), ("gauge", gauges))
        for name, value in found.items()
    )


COMMON = {
    (Signal.REQUESTS_RUNNING, None, None, ""): [3],
    (Signal.REQUESTS_WAITING, None, None, ""): [2],
    (Signal.PROMPT_TOKENS_COMPUTED, None, None, ""): [13488],
    (Signal.GENERATION_TOKENS, None, None, ""): [1234570],
    (Signal.TIME_SPENT, None, None, "prefill"): [1_960_000_000],
    (Signal.TIME_SPENT, None, None, "decode"): [40_500_000_000],
    (Signal.ENGINE_STEPS, None, None, ""): [4000],
    (Signal.SPEC_DRAFT_TOKENS, None, None, ""): [900],
    (Signal.SPEC_ACCEPTED_TOKENS, None, None, ""): [630],
}


def test_a_page_of_a_build_that_does_not_count_cached_tokens() -> None:
    page = text(COUNTERS, GAUGES)
    known = read(page)
    assert known.backend == "llamacpp"
    assert known.mapping.workers == (WorkerFacts("target/0", device=Device.UNKNOWN),)
    assert flows(page) == COMMON  # and no prompt tokens, of which it does not know the cached ones


def test_a_newer_page() -> None:
    page = text(COUNTERS | {"prompt_tokens_cached_total": "6512"}, GAUGES)
    assert flows(page) == COMMON | {
        (Signal.HIT_TOKENS, Tier.UNKNOWN, None, ""): [6512],
        (Signal.PROMPT_TOKENS, None, None, ""): [13488, 6512],
    }
    metrics = {one.metric for one in read(page).mapping.series if one.signal is Signal.PROMPT_TOKENS}
    assert metrics == {"llamacpp:prompt_tokens_total + llamacpp:prompt_tokens_cached_total"}


def test_the_captured_page() -> None:
    """Two requests of 16 prompt and 40 and 24 output tokens had ended, two more ran: what they have made so far is not counted before they end."""
    page = (FIXTURES / "llamacpp" / "under_load.metrics.txt").read_text()
    assert flows(page) == {
        (Signal.PROMPT_TOKENS_COMPUTED, None, None, ""): [24],
        (Signal.HIT_TOKENS, Tier.UNKNOWN, None, ""): [30],
        (Signal.PROMPT_TOKENS, None, None, ""): [24, 30],
        (Signal.GENERATION_TOKENS, None, None, ""): [64],
        (Signal.TIME_SPENT, None, None, "prefill"): [1_905_000],
        (Signal.TIME_SPENT, None, None, "decode"): [12_450_000],
        (Signal.ENGINE_STEPS, None, None, ""): [394],
        (Signal.REQUESTS_RUNNING, None, None, ""): [2],
        (Signal.REQUESTS_WAITING, None, None, ""): [0],
        (Signal.SPEC_DRAFT_TOKENS, None, None, ""): [0],
        (Signal.SPEC_ACCEPTED_TOKENS, None, None, ""): [0],
    }


def test_an_older_page_knows_its_cache() -> None:
    page = text({}, {"kv_cache_usage_ratio": "0.25", "kv_cache_tokens": "512"})
    assert flows(page) == {
        (Signal.KV_USED_RATIO, Tier.UNKNOWN, None, ""): [0.25],
        (Signal.KV_USED_TOKENS, Tier.UNKNOWN, None, ""): [512],
    }


def test_what_reading_changes_for_others_is_said() -> None:
    backend = registry.named("llamacpp")
    assert not backend.never_seen
    assert "averaged gauges" in backend.side_effect
    taken = {series.metric for series in read(text(COUNTERS, GAUGES)).mapping.series}
    assert not taken & {
        "llamacpp:prompt_tokens_seconds",
        "llamacpp:predicted_tokens_seconds",
        "llamacpp:n_busy_slots_per_decode",
    }


def test_types_that_changed() -> None:
    page = (
        "# TYPE llamacpp:tokens_predicted_total gauge\nllamacpp:tokens_predicted_total 5\n"
        "# TYPE llamacpp:n_decode_total summary\nllamacpp:n_decode_total 7\n"
    )
    assert read(page).values == {("target/0", Signal.GENERATION_TOKENS, Kind.GAUGE, None, ""): [5]}


def figures(body: object) -> dict[tuple[Signal, Tier | None], float]:
    page = slots(body, "target")
    assert page.workers == (WorkerFacts("target/0"),)
    return {(one.signal, one.tier): value for one, value in zip(page.series, page.values, strict=True)}


def test_the_documented_slots_tell_their_size_only() -> None:
    body = json.loads((FIXTURES / "llamacpp" / "slots.json").read_text())
    assert figures(body) == {(Signal.REQUESTS_RUNNING, None): 2, (Signal.KV_CAPACITY_TOKENS, Tier.UNKNOWN): 131072}


def test_the_captured_slots_tell_what_they_hold_though_one_was_never_used() -> None:
    body = json.loads((FIXTURES / "llamacpp" / "slots_under_load.json").read_text())
    assert figures(body) == {
        (Signal.REQUESTS_RUNNING, None): 2,
        (Signal.KV_CAPACITY_TOKENS, Tier.UNKNOWN): 3 * 2048,
        (Signal.KV_USED_TOKENS, Tier.UNKNOWN): 307 + 301,
        (Signal.KV_ACTIVE_TOKENS, Tier.UNKNOWN): 307 + 301,
    }


def slot(n_ctx: object = 2048, is_processing: object = False, **other: object) -> dict[str, object]:
    return {"id": 0, "n_ctx": n_ctx, "is_processing": is_processing, "prompt": "secret", "next_token": [{}], **other}


def test_slots_of_a_newer_build_tell_what_they_hold() -> None:
    body = [
        slot(is_processing=True, n_prompt_tokens=1009),
        slot(n_prompt_tokens=300),
        slot(n_prompt_tokens=0),
        slot(n_prompt_tokens=0),
    ]
    assert figures(body) == {
        (Signal.REQUESTS_RUNNING, None): 1,
        (Signal.KV_CAPACITY_TOKENS, Tier.UNKNOWN): 8192,
        (Signal.KV_USED_TOKENS, Tier.UNKNOWN): 1309,
        (Signal.KV_ACTIVE_TOKENS, Tier.UNKNOWN): 1009,
    }
    assert Signal.KV_USED_TOKENS not in {signal for signal, _ in figures([slot(n_prompt_tokens=5), slot(id_task=3)])}
    assert Signal.KV_USED_TOKENS not in {signal for signal, _ in figures([slot(), slot()])}
    assert "secret" not in repr(slots(body, "target"))


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"error": "no"},
        [1],
        [{}],
        [slot(n_ctx=-1)],
        [slot(n_ctx="many")],
        [slot(n_ctx=10**400)],
        [slot(is_processing=3)],
        [slot()] * (MAX_SLOTS + 1),
    ],
)
def test_slots_that_are_none(body: object) -> None:
    with pytest.raises(JsonError) as caught:
        slots(body, "target")
    assert len(str(caught.value)) < 100
