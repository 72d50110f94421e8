"""Target groups of Prometheus' service discovery become targets of ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.vocabulary import Role
from collectors.sources.settings import Assumed, TargetSettings
from collectors.sources.target import Target
from collectors.targets import sd
from collectors.targets.documents import DocumentError
from collectors.targets.spec import TargetSpec

LIKE = TargetSpec(
    Target("", "", None, None), TargetSettings(interval_s=7.0), Assumed(role=Role.DECODE, labels={"group": "g"})
)


def listed(*groups: object) -> sd.Listed:
    return sd.listed(sd.groups(list(groups)), LIKE)


def test_addresses_and_labels() -> None:
    found = listed({"targets": ["h:1", "http://g:2/m"], "labels": {"rack": "a", "__meta_x": "y"}}, {"targets": []})
    assert [spec.target.url for spec in found.specs] == ["http://h:1/metrics", "http://g:2/m"]
    assert {spec.assumed.labels["rack"] for spec in found.specs} == {"a"}
    assert found.specs[0].assumed == Assumed(role=Role.DECODE, labels={"group": "g", "rack": "a"})
    assert found.specs[0].settings.interval_s == 7.0
    assert found.left_out == ()


HOW = {
    "plain": ({}, "h:1", "http://h:1/metrics", "http://h:1/placement/v1/stream"),
    "scheme": ({"__scheme__": "https"}, "h:1", "https://h:1/metrics", "https://h:1/placement/v1/stream"),
    "default port": ({"__scheme__": "https"}, "h", "https://h:443/metrics", "https://h:443/placement/v1/stream"),
    "path": ({"__metrics_path__": "/m"}, "[::1]:1", "http://[::1]:1/m", None),
    "port of IPv6": ({"__metrics_path__": "/m"}, "[::1]", "http://[::1]:80/m", None),
    "parameters": ({"__param_model": "a b"}, "h:1", "http://h:1/metrics?model=a+b", None),
    "kind": ({"__tokenyard_kind__": "vllm"}, "h:1", "http://h:1/metrics", None),
}


@pytest.mark.parametrize("case", HOW)
def test_labels_that_say_how(case: str) -> None:
    labels, address, page, stream = HOW[case]
    (spec,) = listed({"targets": [address], "labels": labels}).specs
    assert (spec.target.page, spec.target.stream) == (page, stream)
    assert spec.assumed.labels == {"group": "g"}


def test_a_role_of_its_own_and_labels_that_look_like_numbers() -> None:
    (spec,) = listed({"targets": ["h:1"], "labels": {"__tokenyard_role__": "prefill", "shard": 3}}).specs
    assert spec.assumed.role is Role.PREFILL
    assert spec.assumed.labels == {"group": "g", "shard": "3"}


def test_what_is_no_target_is_left_out_and_the_others_go_on() -> None:
    found = listed({"targets": ["h:1", "no port", "user:secret@h:1", "h:1"]})
    assert [spec.target.name for spec in found.specs] == ["h:1"]
    assert len(found.left_out) == 2
    assert "secret" not in sd.summary(found.left_out)
    assert sd.summary(found.left_out).endswith("and 1 more")


def test_more_than_can_be_watched() -> None:
    found = listed({"targets": [f"h:{port}" for port in range(1, sd.MAX_TARGETS + 11)]})
    assert len(found.specs) == sd.MAX_TARGETS
    assert len(found.left_out) == 10


@pytest.mark.parametrize("document", [{"targets": []}, [{"targets": "h:1"}], [{"labels": {}}], ["h:1"], 3])
def test_what_is_no_list_of_groups(document: object) -> None:
    with pytest.raises(DocumentError, match="not a list of target groups"):
        sd.groups(document)


def test_an_empty_document_is_an_empty_list() -> None:
    assert sd.listed(sd.groups(None), LIKE).specs == ()


@given(
    st.lists(st.text(max_size=30), max_size=5),
    st.dictionaries(
        st.text(max_size=12) | st.sampled_from(["__scheme__", "__metrics_path__", "__param_a", "__tokenyard_kind__"]),
        st.text(max_size=20) | st.integers() | st.booleans() | st.none(),
        max_size=5,
    ),
)
def test_any_group_is_taken_or_left_out(addresses: list[str], labels: dict[str, object]) -> None:
    found = listed({"targets": addresses, "labels": labels})
    assert len(found.specs) + len(found.left_out) <= len(addresses)
    assert len(found.specs) + len(found.left_out) >= len(set(addresses)) or found.specs
    for text in (*found.left_out, *(name for spec in found.specs for name in spec.assumed.labels)):
        assert text.isprintable()
