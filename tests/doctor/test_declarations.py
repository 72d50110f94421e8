"""Every back end says what it is called and how more of it becomes visible."""

import pytest

from collectors.backends import registry
from collectors.backends.mapping import Backend
from collectors.backends.reach import Aspect, Evidence

ALL = [registry.named(name) for name in registry.NAMES]


@pytest.mark.parametrize("backend", ALL, ids=lambda one: one.name)
def test_a_declaration_can_be_weighed(backend: Backend) -> None:
    reach = backend.reach
    assert reach.title
    assert reach.page.startswith("/")
    for ask in reach.asks:
        assert ask.path.startswith("/")
        for nonsense in (b"", b"[]", b"\xff", b"{", b"null", b'"x"', b"[[" * 5_000):
            with pytest.raises(ValueError, match=r"."):
                ask.read(nonsense, "host")
    for hint in reach.hints:
        assert hint.aspect in Aspect
        assert hint.do
        assert hint.gains
        assert hint.when(Evidence()) in (True, False)


def test_titles_and_names_in_lists_of_models_are_told_apart() -> None:
    assert len({one.reach.title for one in ALL}) == len(ALL)
    owners = [one.reach.owned_by for one in ALL if one.reach.owned_by]
    assert len(set(owners)) == len(owners) >= 4


def test_what_makes_placement_tiers_and_jitter_visible_is_declared_where_there_is_a_flag() -> None:
    flags = {one.name: {hint.do.partition(" ")[0] for hint in one.reach.hints} | {one.reach.no_page} for one in ALL}
    assert {"--kv-events-config", "--custom-histogram-buckets", "--kv-cache-metrics"} <= flags["vllm"]
    assert {"--enable-metrics", "--enable-hierarchical-cache", "--bucket-inter-token-latency"} <= flags["sglang"]
    assert "return_perf_metrics: true" in flags["trtllm"]
    assert any("extra_fields" in hint.do for hint in registry.named("dynamo").reach.hints)
