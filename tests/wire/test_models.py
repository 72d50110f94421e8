"""What servers call themselves in their list of models: as captured, and what is none."""

import json

import pytest

from collectors.backends import registry
from collectors.wire.models import MAX_MODELS, Model, models_of
from tests.backends.pages import FIXTURES


@pytest.mark.parametrize(("folder", "owner", "backend"), [("vllm", "vllm", "vllm"), ("dynamo", "nvidia", "dynamo")])
def test_a_captured_list(folder: str, owner: str, backend: str) -> None:
    found = models_of((FIXTURES / folder / "v1_models.json").read_bytes())
    assert found == (Model("tiny", owner),)
    known = registry.calling_itself({one.owned_by for one in found})
    assert known is not None
    assert known.name == backend


def test_an_owner_that_nobody_is() -> None:
    assert registry.calling_itself({"", "me"}) is None


def test_it_is_bounded_and_made_safe() -> None:
    body = {"data": [{"id": "\x1b[2Jm\u202e" + "x" * 500, "owned_by": None}]}
    with pytest.raises(ValueError, match="not the /v1/models"):
        models_of(json.dumps(body).encode())
    body["data"][0]["owned_by"] = "y" * 500
    (one,) = models_of(json.dumps(body).encode())
    assert (len(one.id), len(one.owned_by)) == (120, 120)
    assert one.id.startswith("mxxx")
    assert len(models_of(json.dumps({"data": [{}] * 1_000}).encode())) == MAX_MODELS


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"data": 1}', b'{"data": [1]}', b"[" * 100_000])
def test_what_is_no_list(body: bytes) -> None:
    with pytest.raises(ValueError, match="not the /v1/models"):
        models_of(body)
