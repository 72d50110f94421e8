"""Files that grow: every whole line once, however it was written, rotated or cut."""

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.tail import Lines, Tail, TailError


def drain(tail: Tail) -> list[bytes]:
    found: list[bytes] = []
    while True:
        piece = tail.read()
        found += piece.lines
        if not piece.more:
            return found


def follow(path: Path, *, from_start: bool = True, max_line: int = 1_000) -> Tail:
    return Tail(path, from_start=from_start, max_line=max_line)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@given(st.lists(st.binary(max_size=30).filter(lambda one: b"\n" not in one and b"\r" not in one)), st.integers(1, 7))
def test_lines_come_out_as_they_went_in_however_they_are_cut(wanted: list[bytes], step: int) -> None:
    data, lines = b"".join(one + b"\n" for one in wanted), Lines(100)
    cut = [data[i : i + step] for i in range(0, len(data), step)]
    assert [line for part in cut for line in lines.feed(part)] == wanted
    assert lines.end() == []


@pytest.mark.parametrize("step", [1, 3, 1_000])
def test_a_long_line_is_passed_over_and_held_nowhere(step: int) -> None:
    lines, data = Lines(10), b"before\n" + b"x" * 900 + b"\nafter\n0123456789\n"
    found = []
    for i in range(0, len(data), step):
        found += lines.feed(data[i : i + step])
        assert len(lines._held) <= 10
    assert found == [b"before", b"after", b"0123456789"]
    assert lines.too_long == 1


def test_half_a_line_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one\ntw")
    tail = follow(path)
    assert drain(tail) == [b"one"]
    append(path, b"o")
    assert drain(tail) == []
    append(path, b"\r\nthree\n")
    assert drain(tail) == [b"two", b"three"]
    tail.close()


def test_from_the_end_the_line_that_is_being_written_is_nobodys(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old\nhal")
    tail = follow(path, from_start=False)
    assert drain(tail) == []
    append(path, b"f\nnew\n")
    assert drain(tail) == [b"new"]
    tail.close()


def test_a_renamed_file_is_read_to_its_end_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1\n")
    tail = follow(path)
    assert drain(tail) == [b"1"]
    append(path, b"2\nlast without an end")
    path.rename(tmp_path / "a.1")
    path.write_bytes(b"3\n")
    append(tmp_path / "a.1", b"\n2.5\n")
    assert drain(tail) == [b"2", b"last without an end", b"2.5", b"3"]
    tail.close()


def test_between_two_files_the_old_one_is_still_followed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1\n")
    tail = follow(path, from_start=False)
    drain(tail)
    path.rename(tmp_path / "a.1")
    append(tmp_path / "a.1", b"2\n")
    assert drain(tail) == [b"2"]
    path.write_bytes(b"3\n")
    assert drain(tail) == [b"3"]
    tail.close()


@pytest.mark.parametrize("longer", [b"", b"and it is longer now than it ever was before\n"])
def test_a_file_cut_in_place_is_begun_anew(tmp_path: Path, longer: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"first run, line 1\nhalf")
    tail = follow(path)
    assert drain(tail) == [b"first run, line 1"]
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(b"again\n" + longer)
    assert drain(tail) == [b"again", *longer.splitlines()]
    assert tail.truncated == 1
    tail.close()


def test_gzip_is_followed_member_by_member(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    whole = gzip.compress(b"1\n2\n") + gzip.compress(b"3\n")
    path.write_bytes(whole[:9])
    tail = follow(path)
    assert drain(tail) == []
    append(path, whole[9:])
    assert drain(tail) == [b"1", b"2", b"3"]
    append(path, gzip.compress(b"x" * 5_000_000 + b"\n4\n"))
    assert drain(tail) == [b"4"]
    assert tail.too_long == 1
    append(path, b"no gzip at all")
    with pytest.raises(TailError, match="damaged"):
        drain(tail)
    tail.close()


def test_the_past_of_a_gzip_file_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"1\n"))
    tail = follow(path, from_start=False)
    assert drain(tail) == []
    append(path, gzip.compress(b"2\n"))
    assert drain(tail) == [b"2"]
    tail.close()


def test_damaged_gzip_stays_so_until_another_file_is_there(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"one\n") + b"\x1f\x8b no member")
    tail = follow(path)
    assert tail.read().lines == [b"one"]
    for _ in range(3):
        with pytest.raises(TailError, match="is damaged gzip"):
            tail.read()
        append(path, b"more of it")
    path.rename(tmp_path / "old.gz")
    path.write_bytes(gzip.compress(b"two\n"))
    assert drain(tail) == [b"two"]


def test_a_deleted_file_is_missed_once_it_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    tail = follow(path)
    assert drain(tail) == [b"one"]
    append(path, b"two\n")
    path.unlink()
    assert tail.read().lines == [b"two"]
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            tail.read()
    path.write_bytes(b"three\n")
    assert drain(tail) == [b"three"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(TailError):
            follow(path).read()
    later = tmp_path / "later"
    tail = follow(later, from_start=False)
    with pytest.raises(FileNotFoundError):
        tail.read()
    later.write_bytes(b"1\n")
    assert drain(tail) == [b"1"]
    tail.close()
