"""The answer of an OpenAI-compatible server's `GET /v1/models`: which models, and what the server calls itself. Pure."""

from typing import Final

import msgspec

from collectors.wire.safe import safe_text

MODELS_PATH: Final = "/v1/models"
MAX_MODELS: Final = 64
"""Of one server that are looked at."""
_MAX_CELLS: Final = 120


class Model(msgspec.Struct, frozen=True):
    """Safe to show; empty where it is not said."""

    id: str
    owned_by: str


class _Model(msgspec.Struct):
    id: str = ""
    owned_by: str = ""


class _Answer(msgspec.Struct):
    data: list[_Model] = []


_answer: Final = msgspec.json.Decoder(_Answer).decode


def models_of(body: bytes) -> tuple[Model, ...]:
    """The first of them. Raises ValueError for what is no such answer."""
    try:
        found = _answer(body).data[:MAX_MODELS]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError(f"not the {MODELS_PATH} of an OpenAI-compatible server") from None
    return tuple(Model(safe_text(one.id, _MAX_CELLS), safe_text(one.owned_by, _MAX_CELLS)) for one in found)
