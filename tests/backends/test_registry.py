"""Which back end a page is of, and what is said when it is of none."""

import pytest

from collectors.backends import registry
from collectors.backends.registry import UnknownBackendError
from tests.backends.pages import FIXTURES, read


def test_a_page_of_nothing_known_names_what_is() -> None:
    for page in ("", "up 1\n", "# TYPE http_requests_total counter\nhttp_requests_total 5\n", "python_info 1\n"):
        with pytest.raises(UnknownBackendError) as caught:
            read(page)
        assert str(caught.value) == f"not a known back end; known: {', '.join(registry.NAMES)}"


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
