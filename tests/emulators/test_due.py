"""When a request has its next token, against the tokens that come."""

import pytest

from emulators.asking import Asked
from emulators.prompts import Part, Prompts, names
from emulators.scenarios import build

TOKENS = 40
AT_NS = 5_000_000_000


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [
        ("default", "interactive"),
        ("default", "batch"),
        ("aggregated", "interactive"),
        ("disaggregated", "interactive"),
        ("afd", "interactive"),
        ("speculative", "interactive"),
    ],
)
def test_no_token_comes_before_it_is_due(scenario: str, kind: str) -> None:
    cluster = build(scenario, 7)
    cluster.advance(AT_NS)
    assert cluster.due_ns([]) is None
    context = Prompts().context(names([Part("user", b"tell me everything about it " * 40)]))
    asked = Asked("h-1", 280, TOKENS, TOKENS, context, kind)
    cluster.ask(AT_NS + 1_000_000, asked)
    tokens, steps = 0, 0
    while not asked.ended:
        due = cluster.due_ns([asked])
        assert due is not None
        assert due >= cluster.now_ns
        for until in (due, due + 1):
            rows = cluster.advance(until).deliveries
            if asked.request is None:
                continue
            own = rows[(rows["stream"] == asked.request.stream) & (rows["time_ns"] > asked.request.received_ns)]
            assert set(own["time_ns"].tolist()) <= {due} if until > due else not len(own)
            steps += bool(tokens)
            tokens += int(own["tokens"].sum())
    assert tokens == TOKENS
    if scenario == "default":
        # Two advances for each token of those that are planned ahead, and few beside.
        assert steps < 4 * TOKENS


def test_the_first_of_several_is_due() -> None:
    cluster = build("default", 7)
    cluster.advance(AT_NS)
    several = [
        Asked(f"h-{number}", 40, TOKENS, TOKENS, Prompts().context(names([Part("user", text)])), "interactive")
        for number, text in enumerate((b"one " * 40, b"two " * 40))
    ]
    for asked in several:
        cluster.ask(AT_NS, asked)
    while not all(asked.request is not None and asked.request.decoding_ns >= 0 for asked in several):
        cluster.advance((cluster.due_ns(several) or 0) + 1)
    each = [cluster.due_ns([asked]) for asked in several]
    assert cluster.due_ns(several) == min(due for due in each if due is not None)
    assert None not in each
