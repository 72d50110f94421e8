"""What is asked: a few tokens, by a prompt that begins like no other, known for ours."""

import json

import pytest

from collectors.model.vocabulary import PROBE_ID
from collectors.probe.requests import FORMS, MAX_TOKENS, Form, body, headers


@pytest.mark.parametrize("form", FORMS)
def test_a_few_tokens_streamed_and_the_new_part_of_the_prompt_first(form: Form) -> None:
    asked = json.loads(body(form, "m", "n1"))
    assert (asked["model"], asked["max_tokens"], asked["stream"]) == ("m", MAX_TOKENS, True)
    prompt = asked["prompt"] if form.path == "/v1/completions" else asked["messages"][0]["content"]
    assert prompt.startswith("n1 ")
    assert ("nvext" in asked, "continuous_usage_stats" in asked["stream_options"]) == (form.rich, form.rich)


def test_whoever_sees_it_knows_it_for_ours() -> None:
    said = headers("n1")
    assert (said["X-Request-Id"], said["User-Agent"]) == (f"{PROBE_ID}n1", "tokenyard-probe")
