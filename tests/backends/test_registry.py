"""Which back end a page is of, and what is said when it is of none."""

import pytest

from collectors.backends import registry
from collectors.backends.registry import UnknownBackendError
from tests.backends.pages import FIXTURES, read


def test_a_page_of_nothing_known_names_what_is() -> None:
    for page in (
        "sglang/production_metrics_doc.prom",
        "neuron/neuron-monitor.prom",
        "dynamo/frontend_under_load.metrics.txt",
    ):
        with pytest.raises(UnknownBackendError, match=r"^not a known back end; known: emulator, vllm$"):
            read((FIXTURES / page).read_text())


def test_a_family_that_is_only_declared_tells_too() -> None:
    assert read("# TYPE vllm:num_requests_running gauge\n").backend == "vllm"
    assert read("# TYPE vllm:num_requests_running gauge\n").mapping.series == ()


def test_back_ends_by_name() -> None:
    assert [registry.named(name).name for name in registry.NAMES] == ["emulator", "vllm"]
    with pytest.raises(UnknownBackendError, match="unknown back end 'vlm'; known: emulator, vllm"):
        registry.named("vlm")


def test_an_engine_behind_another_server_is_still_that_engine() -> None:
    known = read((FIXTURES / "dynamo" / "decode_worker1_under_load.metrics.txt").read_text())
    assert known.backend == "vllm"
    assert [worker.id for worker in known.mapping.workers] == ["target/0"]
