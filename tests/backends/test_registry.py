"""Which back end a page is of, and what is said when it is of none."""

import pytest

from collectors.backends import registry
from collectors.backends.mapping import MappingError
from collectors.backends.registry import UnknownBackendError
from collectors.wire.exposition import PageReader
from tests.backends.pages import FIXTURES, read


def test_a_page_of_nothing_known_names_what_is() -> None:
    for page in ("", "up 1\n", "# TYPE http_requests_total counter\nhttp_requests_total 5\n", "python_info 1\n"):
        with pytest.raises(UnknownBackendError) as caught:
            read(page)
        assert str(caught.value) == f"not a known back end; known: {', '.join(registry.NAMES)}"


def reason(page: str) -> str:
    with pytest.raises(UnknownBackendError) as caught:
        read(page)
    return str(caught.value)


@pytest.mark.parametrize(
    "family",
    [
        "ray_vllm_num_requests_running",
        "ray_vllm:num_requests_running",
        "vllm_num_requests_running",
        "vllm_time_to_first_token_seconds",
        "sglang_num_running_reqs",
        "llamacpp_requests_processing",
        "lmcache_num_lookup_tokens",
    ],
)
def test_what_others_have_renamed_is_said_and_not_half_read(family: str) -> None:
    """As Ray and OpenTelemetry's collector write names: whose processes stand on such a page, and with which labels, we do not know."""
    found = reason(f"# TYPE {family} gauge\n{family} 1\n")
    assert f"under other names ({family})" in found
    assert "not a known back end" in reason("# TYPE my_vllm_proxy_requests gauge\nmy_vllm_proxy_requests 1\n")


def test_figures_of_several_targets_are_not_added() -> None:
    """As a Prometheus server's `/federate` writes them: without a word the two engines would be one."""

    def line(instance: str, job: str = ',job="vllm"') -> str:
        return f'vllm:num_requests_running{{engine="0",instance="{instance}"{job}}} 3\n'

    assert len(read(line("a:8000")).mapping.workers) == 1
    assert len(read(line("a:8000", "") + line("b:8000", "")).mapping.workers) == 1  # a label of the page's own
    with pytest.raises(MappingError, match=r"of 2 targets at once .*prom\+http"):
        read(line("a:8000") + line("b:8000"))


def test_families_of_a_second_back_end_are_not_left_out_without_a_word() -> None:
    def beside(page: str) -> tuple[str, ...]:
        reader = PageReader()
        reader.read(page.encode())
        families = {*reader.families, *(key.family for key in reader.keys)}
        return registry.beside(registry.recognise(families), families)

    vllm = 'vllm:num_requests_running{engine="0"} 1\n'
    assert beside(vllm + "DCGM_FI_DEV_POWER_USAGE 5\nnode_memory_MemTotal_bytes 5\n") == ("dcgm", "node")
    assert beside(vllm + "sglang:num_running_reqs 5\n") == ("vllm",)
    assert beside(vllm + "lmcache:num_lookup_tokens_total 5\n") == ()
    assert beside('nv_inference_request_success{model="m"} 1\n' + vllm) == ()
    pages = [*FIXTURES.glob("**/*.prom"), *FIXTURES.glob("**/*.metrics.txt")]
    read_ones = [page.read_text() for page in pages if "_tpot_" not in page.name and "readme" not in page.name]
    assert len(read_ones) > 70
    for text in read_ones:
        try:
            assert beside(text) == ()
        except UnknownBackendError:
            continue  # families of which nothing is mapped


def test_a_family_that_is_only_declared_tells_too() -> None:
    assert read("# TYPE vllm:num_requests_running gauge\n").backend == "vllm"
    assert read("# TYPE vllm:num_requests_running gauge\n").mapping.series == ()


def test_back_ends_by_name() -> None:
    assert [registry.named(name).name for name in registry.NAMES] == list(registry.NAMES) == sorted(registry.NAMES)
    assert {"emulator", "vllm", "dynamo"} < {*registry.NAMES}
    with pytest.raises(UnknownBackendError) as caught:
        registry.named("vlm")
    assert str(caught.value) == f"unknown back end 'vlm'; known: {', '.join(registry.NAMES)}"


def test_an_engine_behind_another_server_is_still_that_engine() -> None:
    known = read((FIXTURES / "dynamo" / "decode_worker1_under_load.metrics.txt").read_text())
    assert known.backend == "dynamo"
    assert [worker.id for worker in known.mapping.workers] == ["10877841985536116478/0"]
