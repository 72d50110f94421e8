"""TGI, of which no page was at hand: text built from its reference, held to the names that its own dashboard asks for."""

import math
import re

import pytest

from collectors.backends import registry
from collectors.backends.mapping import MappingError
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Tier
from tests.backends.flows import flows
from tests.backends.pages import FIXTURES, read

PAGE = """\
# TYPE tgi_queue_size gauge
tgi_queue_size 3
# TYPE tgi_batch_current_size gauge
tgi_batch_current_size 5
# TYPE tgi_batch_current_max_tokens gauge
tgi_batch_current_max_tokens 6000
# TYPE tgi_batch_max_total_tokens gauge
tgi_batch_max_total_tokens 131072
# TYPE tgi_request_count counter
tgi_request_count 160
# TYPE tgi_request_success counter
tgi_request_success 150
# TYPE tgi_request_failure counter
tgi_request_failure{err="generation"} 2
tgi_request_failure{err="validation"} 4
# TYPE tgi_request_input_length histogram
tgi_request_input_length_bucket{le="100"} 90
tgi_request_input_length_bucket{le="+Inf"} 150
tgi_request_input_length_sum 18000
tgi_request_input_length_count 150
# TYPE tgi_request_generated_tokens histogram
tgi_request_generated_tokens_bucket{le="+Inf"} 150
tgi_request_generated_tokens_sum 12500
tgi_request_generated_tokens_count 150
# TYPE tgi_request_skipped_tokens summary
tgi_request_skipped_tokens{quantile="0.5"} 2
tgi_request_skipped_tokens_sum 700
tgi_request_skipped_tokens_count 400
# TYPE tgi_request_queue_duration histogram
tgi_request_queue_duration_bucket{le="0.00015"} 100
tgi_request_queue_duration_bucket{le="+Inf"} 150
tgi_request_queue_duration_sum 3.2
tgi_request_queue_duration_count 150
# TYPE tgi_request_duration histogram
tgi_request_duration_bucket{le="0.5"} 20
tgi_request_duration_bucket{le="+Inf"} 150
tgi_request_duration_sum 400
tgi_request_duration_count 150
# TYPE tgi_request_mean_time_per_token_duration histogram
tgi_request_mean_time_per_token_duration_bucket{le="0.025"} 30
tgi_request_mean_time_per_token_duration_bucket{le="+Inf"} 150
tgi_request_mean_time_per_token_duration_sum 4.5
tgi_request_mean_time_per_token_duration_count 150
# TYPE tgi_batch_inference_duration histogram
tgi_batch_inference_duration_bucket{method="prefill",le="0.1"} 6
tgi_batch_inference_duration_bucket{method="prefill",le="+Inf"} 7
tgi_batch_inference_duration_bucket{method="decode",le="0.1"} 8
tgi_batch_inference_duration_bucket{method="decode",le="+Inf"} 9
tgi_batch_inference_duration_count{method="decode"} 9
# TYPE tgi_batch_forward_duration histogram
tgi_batch_forward_duration_bucket{method="decode",le="0.1"} 10
tgi_batch_forward_duration_bucket{method="decode",le="+Inf"} 11
"""


def test_a_page() -> None:
    known = read(PAGE)
    assert known.backend == "tgi"
    assert registry.named("tgi").never_seen
    assert known.mapping.workers == (WorkerFacts("target/0"),)
    assert flows(PAGE) == {
        (Signal.REQUESTS_WAITING, None, None, ""): [3],
        (Signal.REQUESTS_RUNNING, None, None, ""): [5],
        (Signal.KV_CAPACITY_TOKENS, Tier.HBM, None, ""): [131072],
        (Signal.REQUESTS_FINISHED, None, None, ""): [150],
        (Signal.REQUEST_ERRORS, None, None, "generation"): [2],
        (Signal.REQUEST_ERRORS, None, None, "validation"): [4],
        (Signal.PROMPT_TOKENS, None, None, ""): [18000],
        (Signal.GENERATION_TOKENS, None, None, ""): [12500],
        (Signal.SPEC_ACCEPTED_TOKENS, None, None, ""): [700],
    }
    inf = math.inf
    assert known.buckets == {
        ("target/0", Signal.QUEUE): {0.00015: 100, inf: 150},
        ("target/0", Signal.E2E): {0.5: 20, inf: 150},
        ("target/0", Signal.TPOT): {0.025: 30, inf: 150},
        ("target/0", Signal.PREFILL): {0.1: 6, inf: 7},
        ("target/0", Signal.DECODE): {0.1: 8, inf: 9},
        ("target/0", Signal.ITERATION): {0.1: 10, inf: 11},
    }


def test_a_batch_s_steps_are_no_request_s_phases() -> None:
    labels = {(one.signal, one.label) for one in read(PAGE).mapping.series if one.kind is Kind.BUCKET}
    batches = {(Signal.PREFILL, "batch"), (Signal.DECODE, "batch"), (Signal.ITERATION, "decode")}
    assert labels == {(Signal.QUEUE, ""), (Signal.E2E, ""), (Signal.TPOT, ""), *batches}
    signals = {signal for signal, _ in labels}
    assert not signals & {Signal.GAP, Signal.TTFT}


def test_its_own_dashboard_asks_for_the_same_names() -> None:
    expressions = (FIXTURES / "tgi" / "dashboard_expressions.txt").read_text()
    asked = set(re.findall(r"tgi_[a-z_]+", expressions))
    taken = {one.metric for one in read(PAGE).mapping.series}
    families = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in asked}
    ours = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in taken}
    assert ours - families == {"tgi_batch_max_total_tokens"}
    assert families - ours == {
        "tgi_request",  # `_count`, which counts the failed ones too
        "tgi_batch_current_max_tokens",
        "tgi_batch_concat",
        "tgi_batch_concat_duration",
        "tgi_batch_decode_duration",
        "tgi_batch_filter_duration",
    }


def test_methods_and_types_that_are_not_as_they_should_be() -> None:
    page = (
        "# TYPE tgi_batch_inference_duration histogram\n"
        'tgi_batch_inference_duration_bucket{method="dream",le="1"} 1\ntgi_batch_inference_duration_bucket{le="1"} 1\n'
        "# TYPE tgi_queue_size histogram\ntgi_queue_size 1\ntgi_request_failure 3\n"
    )
    assert read(page).buckets == {}
    assert flows(page) == {(Signal.REQUEST_ERRORS, None, None, ""): [3]}
    assert read("# TYPE tgi_queue_size gauge\n").mapping.workers == ()


def test_a_bucket_without_a_bound_spoils_the_page() -> None:
    with pytest.raises(MappingError, match="without a bound"):
        read("# TYPE tgi_request_duration histogram\ntgi_request_duration_bucket 1\n")
