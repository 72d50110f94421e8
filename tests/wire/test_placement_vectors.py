"""Both decoders against the byte vectors of the format, and the vectors against the encoder that is written from the format's text."""

import json
from typing import Any, Final

import pytest

from collectors.model.batch import Inventory
from collectors.wire.placement_binary import BinaryDecoder
from collectors.wire.placement_format import PlacementError
from collectors.wire.placement_json import JsonDecoder
from tests.wire import placement_vectors
from tests.wire.placement_encoder import line
from tests.wire.placement_plain import expected, plain

FILE: Final[dict[str, Any]] = json.loads(placement_vectors.PATH.read_text(encoding="utf-8"))
HELLO: Final[dict[str, Any]] = FILE["vectors"][0]


def binary_after_hello() -> BinaryDecoder:
    decoder = BinaryDecoder()
    decoder.feed(bytes.fromhex(HELLO["frame"]))
    return decoder


def json_after_hello() -> JsonDecoder:
    decoder = JsonDecoder()
    decoder.feed(line(HELLO["message"]))
    return decoder


def cases(section: str, form: str) -> list[Any]:
    return [pytest.param(entry, id=entry["name"]) for entry in FILE[section] if form in entry]


def test_the_file_is_what_its_maker_makes() -> None:
    assert placement_vectors.PATH.read_text(encoding="utf-8") == placement_vectors.text()


def test_hello_becomes_an_inventory() -> None:
    (part,) = BinaryDecoder().feed(bytes.fromhex(HELLO["frame"]))
    assert isinstance(part, Inventory)
    assert [worker.id for worker in part.workers] == ["gpu-0/0", "lpu-0/0", "wse-é/0"]
    assert plain([part]) == expected([HELLO["message"]])


@pytest.mark.parametrize("entry", cases("vectors", "frame"))
def test_frame(entry: dict[str, Any]) -> None:
    decoder = binary_after_hello()
    assert plain(decoder.feed(bytes.fromhex(entry["frame"]))) == expected([entry["message"]])
    assert decoder.skipped == 0


@pytest.mark.parametrize("entry", cases("vectors", "message"))
def test_line(entry: dict[str, Any]) -> None:
    decoder = json_after_hello()
    assert plain(decoder.feed(line(entry["message"]))) == expected([entry["message"]])
    assert decoder.skipped == 0


@pytest.mark.parametrize("entry", cases("skipped", "frame"))
def test_skipped_frame(entry: dict[str, Any]) -> None:
    decoder = binary_after_hello()
    assert decoder.feed(bytes.fromhex(entry["frame"])) == []
    assert decoder.skipped == 1


@pytest.mark.parametrize("entry", cases("skipped", "message"))
def test_skipped_line(entry: dict[str, Any]) -> None:
    decoder = json_after_hello()
    assert decoder.feed(line(entry["message"])) == []
    assert decoder.skipped == 1


@pytest.mark.parametrize("entry", cases("rejected", "frame"))
def test_rejected_frame(entry: dict[str, Any]) -> None:
    with pytest.raises(PlacementError, match=r"^frame \d+ at byte \d+: "):
        binary_after_hello().feed(bytes.fromhex(entry["frame"]))


@pytest.mark.parametrize("entry", cases("rejected", "line"))
def test_rejected_line(entry: dict[str, Any]) -> None:
    with pytest.raises(PlacementError, match=r"^line \d+ at byte \d+: "):
        json_after_hello().feed(entry["line"].encode() + b"\n")
