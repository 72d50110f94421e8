"""Lists of targets as plain data, whatever they unfold to."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.targets import documents
from collectors.targets.documents import DocumentError

GROUPS = [{"targets": ["h:1"], "labels": {"job": "a"}}]


def test_the_name_of_a_file_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('[{"targets": ["h:1"], "labels": {"job": "a"}}]')
    (tmp_path / "t.yml").write_text("- targets: [h:1]\n  labels: {job: a}\n")
    assert documents.read(tmp_path / "t.json") == documents.read(tmp_path / "t.yml") == GROUPS
    with pytest.raises(FileNotFoundError):
        documents.read(tmp_path / "none.json")
    with pytest.raises(DocumentError, match="directory"):
        documents.read(tmp_path)


LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n".encode() for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = b"a: &a {x: 1, y: 2}\n" + b"".join(
    f"{b}: &{b} {{<<: [{','.join([f'*{a}'] * 40)}]}}\n".encode() for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
BAD = {
    "laughs": (LAUGHS, "unfolds to too much"),
    "deep": (b"[" * 3_000, "not YAML"),
    "tag": (b"!!python/object/apply:os.system [ls]", "not YAML"),
    "torn": (b"- targets: [h:1", "not YAML: expected"),
    "binary": (b"\xff\xfe\x00", "not YAML"),
    "large": (b"#" * (documents.MAX_YAML_BYTES + 1), "larger than 512 KiB"),
}


@pytest.mark.parametrize("case", BAD)
def test_yaml_that_is_none_or_too_much(case: str) -> None:
    text, said = BAD[case]
    with pytest.raises(DocumentError, match=said) as caught:
        documents.yaml(text)
    assert str(caught.value).isprintable()


def test_merged_tables_do_not_grow() -> None:
    assert documents.yaml(MERGES)["i"] == {"x": 1, "y": 2}


def test_what_is_wrong_and_where() -> None:
    with pytest.raises(DocumentError, match="in line 2"):
        documents.yaml(b"- a: 1\n  b: : 2\n")
    with pytest.raises(DocumentError, match="not JSON"):
        documents.json(b'[{"targets": ')


@given(st.binary(max_size=200) | st.text("{}[]&*<>:-,ab1 \n\"'!|#%@", max_size=200).map(str.encode))
def test_any_bytes_are_data_or_an_error(data: bytes) -> None:
    for read in (documents.json, documents.yaml):
        with contextlib.suppress(DocumentError):
            read(data)
