"""Who is the same request: by its server's name surely, by its client's while nobody else has it, without a name by its span. Memory is bounded."""

import pytest

from collectors.model.batch import Finished, Received
from collectors.model.traces import Account
from collectors.stats.joined import (
    MAX_ACCOUNTS,
    MAX_NAMES,
    MAX_ORPHANS,
    MAX_REQUESTS,
    ORPHAN_NS,
    Joined,
    Requests,
    plain,
)


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("chatcmpl-5ea6e8f3-7d43", "5ea6e8f3-7d43"),
        ("cmpl-5ea6e8f3-7d43-0", "5ea6e8f3-7d43"),
        ("1_cmpl-abc-12", "abc"),
        ("cmpl-5ea6e8f3-7d43-4086-8c39-123456789012", "5ea6e8f3-7d43-4086-8c39-123456789012"),
        ("chatcmpl-fixture-77", "fixture-77"),
        ("resp_68af", "68af"),
        ("mine", "mine"),
        ("chatcmpl-", "chatcmpl-"),
    ],
)
def test_what_servers_put_around_an_id(name: str, bare: str) -> None:
    assert plain(name) == bare


def told(
    name: str = "", given: str = "", teller: str = "t", *, trace: str = "", span: str = "", parent: str = ""
) -> Account:
    return Account(
        teller, "c", 1, (name,) if name else (), (given,) if given else (), trace=trace, span=span, parent=parent
    )


def all_of(requests: Requests) -> list[tuple[list[str], list[str], int]]:
    """Names, sources with views, and how many accounts, of each in order of appearance."""
    return [
        (list(one.names), list(one.views), len(one.accounts)) for one in sorted(requests, key=lambda one: one.serial)
    ]


def test_two_that_were_apart_are_one_when_a_third_says_so() -> None:
    requests = Requests()
    requests.received("tap", Received(1, "mine", 0), 1)
    requests.account("a", told("server"), 2)
    assert len(all_of(requests)) == 2
    requests.account("b", told("server", "mine", "log"), 3)
    requests.finished("tap", Finished(9, "mine", "stop", 3, ("chatcmpl-server",)), 4)
    assert all_of(requests) == [(["mine", "server"], ["tap"], 2)]
    requests.account("c", told("server", teller="late"), 5)
    assert all_of(requests) == [(["mine", "server"], ["tap"], 3)]


def test_a_view_that_is_told_again_is_the_same() -> None:
    requests = Requests()
    requests.received("tap", Received(1, "r", 0), 1)
    requests.received("tap", Received(1, "r", 0), 2)
    requests.received("other", Received(700, "r", 0), 2)
    assert all_of(requests) == [(["r"], ["tap", "other"], 0)]


def test_a_name_that_is_used_again_is_nobodys() -> None:
    requests = Requests()
    for begin in (1, 5):
        requests.received("tap", Received(begin, "r", 0), begin)
        requests.finished("tap", Finished(begin + 1, "r", "stop"), begin)
    requests.account("log", told(given="r"), 9)
    assert all_of(requests) == [(["r"], ["tap"], 0), (["r"], ["tap"], 0), (["r"], [], 1)]


def test_spans_without_a_name_are_their_parents() -> None:
    requests = Requests()
    requests.account("s", told(trace="t", span="child", parent="root"), 1)
    requests.account("s", told(trace="t", span="far", parent="elsewhere"), 1)
    requests.account("s", told("one", trace="t", span="root"), 2)
    requests.settle(2)
    assert all_of(requests) == [(["one"], [], 2)]
    # The only request of the trace, but it takes a while until that is known.
    requests.settle(1 + ORPHAN_NS)
    assert all_of(requests) == [(["one"], [], 3)]


def test_spans_of_other_names_are_their_parents_too_whichever_comes_first() -> None:
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        requests = Requests()
        spans = [
            told("sidecar", trace="t", span="prefill", parent="forward"),
            told(given="mine", teller="picker", trace="t", span="pick", parent="forward"),
            told("server", trace="t", span="forward", parent="agent"),
        ]
        for i in order:
            requests.account("s", spans[i], 1)
        # Another call of the same agent.
        requests.account("s", told("next", trace="t", span="forward2", parent="agent"), 1)
        assert [(sorted(names), count) for names, _, count in all_of(requests)] == [
            (["mine", "server", "sidecar"], 3),
            (["next"], 1),
        ]


def test_in_a_trace_of_several_requests_a_span_of_nobody_stays_nobodys() -> None:
    requests = Requests()
    for name in ("one", "two"):
        requests.account("s", told(name, trace="t", span=name), 1)
    requests.account("s", told(trace="t", span="x", parent="y"), 1)
    requests.account("s", told(), 1)
    requests.settle(2 * ORPHAN_NS)
    assert [count for *_, count in all_of(requests)] == [1, 1]
    assert requests.dropped == 2


def test_memory_is_bounded() -> None:
    requests = Requests()
    for i in range(3 * MAX_REQUESTS):
        requests.received("tap", Received(i, f"r{i}", 0), i)
        requests.finished("tap", Finished(i, f"r{i}", "stop", 1, (f"s{i}",)), i)
        requests.account("log", told(f"s{i}", trace=f"t{i}", span="s"), i)
        requests.account("log", told(trace="nobody", span=f"{i}", parent="p"), i)
    known: list[Joined] = list(requests)
    assert len(known) == MAX_REQUESTS
    assert all(len(one.accounts) == 1 and len(one.views) == 1 for one in known)
    assert len(requests._index) == 2 * MAX_REQUESTS
    assert len(requests._views) == len(requests._spans) == len(requests._traces) == MAX_REQUESTS
    assert len(requests._orphans) == MAX_ORPHANS
    assert requests._awaited == {}
    for i in range(2 * MAX_ACCOUNTS):
        requests.account("log", told(f"s{3 * MAX_REQUESTS - 1}", teller=f"{i}"), i)
    assert max(len(one.accounts) for one in requests) == MAX_ACCOUNTS


def test_no_name_outlives_its_request_however_many_it_has() -> None:
    requests = Requests()
    for i in range(MAX_NAMES * 3):
        requests.account("log", told("server", f"given{i}", f"{i}"), 1)
        requests.finished("tap", Finished(1, "mine", "stop", 1, (f"learnt{i}",)), 1)
    requests.received("tap", Received(1, "mine", 0), 1)
    requests.finished("tap", Finished(2, "mine", "stop", 1, tuple(f"n{i}" for i in range(3 * MAX_NAMES))), 1)
    # Two with spans enough for three are made one.
    for name in ("a", "b"):
        for i in range(MAX_ACCOUNTS * 3 // 4):
            requests.account("s", told(name, teller=f"{i}", trace=f"{name}{i}", span=f"{name}{i}", parent="p"), 1)
    requests.account("s", told("a", teller="both"), 1)
    requests.finished("tap", Finished(2, "mine", "stop", 1, ("a",)), 1)
    requests.finished("tap", Finished(2, "mine", "stop", 1, ("a", "b")), 1)
    assert max(len(one.names) for one in requests) == MAX_NAMES
    assert max(len(one.accounts) for one in requests) == MAX_ACCOUNTS
    assert requests.dropped > 0
    for i in range(MAX_REQUESTS):
        requests.received("tap", Received(i, f"r{i}", 0), 1)
    assert len(requests._index) == len(requests._views) == MAX_REQUESTS
    for left in (requests._spans, requests._traces, requests._awaited, requests._shared):
        assert left == {}


def test_a_name_of_several_stays_nobodys_when_the_first_of_them_is_forgotten() -> None:
    requests = Requests()
    for begin in (1, 2):
        requests.received("tap", Received(begin, "again", 0), begin)
    for i in range(MAX_REQUESTS - 1):
        requests.received("tap", Received(10 + i, f"r{i}", 0), 10)
    requests.received("tap", Received(99_999, "again", 0), 10)
    requests.account("log", told(given="again"), 11)
    requests.finished("tap", Finished(100_000, "again", "stop"), 12)
    newest, record = sorted(requests, key=lambda one: one.serial)[-2:]
    assert (record.views, len(record.accounts)) == ({}, 1)
    assert newest.accounts == []
    assert newest.views["tap"].finished is not None


def test_what_a_server_calls_several_requests_joins_none_of_them() -> None:
    requests = Requests()
    for begin in (1, 5):
        requests.received("tap", Received(begin, "r", 0), begin)
    requests.account("log", told("r"), 9)
    requests.received("tap", Received(20, "r", 0), 20)
    assert [(views, count) for _, views, count in all_of(requests)] == [
        (["tap"], 0),
        (["tap"], 0),
        ([], 1),
        (["tap"], 0),
    ]
