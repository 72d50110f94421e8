"""When the process behind a page began: read under any back end whose counters are the process's own."""

import pytest

from collectors.backends import registry
from collectors.model.signals import Kind, Signal
from tests.backends.pages import FIXTURES, OF_THE_PROCESS, Read, read

VLLM = 'vllm:num_requests_running{engine="0"} 1\n'


def said(known: Read) -> dict[Signal, float]:
    """Of the page's process, which is no worker."""
    found = zip(known.mapping.series, known.found.tolist(), strict=True)
    return {one.signal: value for one, value in found if one.signal in OF_THE_PROCESS and one.worker == ""}


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("vllm/under_load", {Signal.PROCESS_STARTED: 1795438592.74}),
        ("dynamo/decode_worker1_under_load", {Signal.PROCESS_UPTIME: 23.193157708}),
    ],
)
def test_captured_pages_tell_when_they_began(page: str, expected: dict[Signal, float]) -> None:
    assert said(read((FIXTURES / f"{page}.metrics.txt").read_text())) == expected


def test_two_start_times_are_none() -> None:
    two = VLLM + 'process_start_time_seconds{pid="1"} 5\nprocess_start_time_seconds{pid="2"} 6\n'
    assert said(read(two)) == {}
    assert said(read(VLLM)) == {}
    assert said(read(VLLM + "process_start_time_seconds 5\n")) == {Signal.PROCESS_STARTED: 5.0}


def test_what_is_scaled_and_derived_keeps_its_place() -> None:
    """The start is put between what is taken from the page and what is made of it."""
    for path in sorted(FIXTURES.glob("*/*.metrics.txt")):
        page = path.read_text()
        if "process_start_time_seconds" in page:
            continue
        before, after = read(page), read(page.removesuffix("# EOF\n") + "process_start_time_seconds 5\n")
        assert after.values == before.values
        assert after.buckets == before.buckets
        assert [one.kind for one in after.mapping.series if one.signal is Signal.PROCESS_STARTED] == [Kind.GAUGE]


def test_counters_that_outlive_the_process_that_tells_them_are_not_reset_with_it() -> None:
    energy = 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="GPU-1"} 7\n'
    known = read(energy + "process_start_time_seconds 5\n")
    assert (known.backend, said(known)) == ("dcgm", {})
    assert registry.wanted("process_start_time_seconds")


def created(page: str) -> dict[str, float]:
    known = read(page)
    found = zip(known.mapping.series, known.found.tolist(), strict=True)
    return {one.label: value for one, value in found if one.signal is Signal.COUNTER_CREATED}


TEXT = """# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0"} 7
vllm:generation_tokens_total{engine="1"} 8
# TYPE vllm:generation_tokens_created gauge
vllm:generation_tokens_created{engine="0"} 1.7e+09
vllm:generation_tokens_created{engine="1"} 1.8e+09
"""
OPEN_METRICS = """# TYPE vllm:generation_tokens counter
vllm:generation_tokens_total{engine="0"} 7
vllm:generation_tokens_created{engine="0"} 1.7e+09
# EOF
"""


def test_when_counters_were_created_is_read_where_nothing_else_tells() -> None:
    assert created(TEXT) == {
        "vllm:generation_tokens_created engine=0": 1.7e9,
        "vllm:generation_tokens_created engine=1": 1.8e9,
    }
    assert created(OPEN_METRICS) == {"vllm:generation_tokens_created engine=0": 1.7e9}
    assert read(OPEN_METRICS).total(Signal.GENERATION_TOKENS) == 7
    assert created(TEXT + "process_start_time_seconds 5\n") == {}
    many = "".join(f'vllm:generation_tokens_created{{engine="{number}"}} 1.7e+09\n' for number in range(2, 40))
    assert len(created(TEXT + many)) == 16
