"""What the tap keeps for readers that come back, and for how long."""

import pytest

from collectors.tap.replay import Replay, position


def kept(**bounds: float) -> Replay:
    replay = Replay(**bounds)  # type: ignore[arg-type]
    replay.clear(4)
    replay.add(7, 1_000_000_000, b"5\n6\n7\n")
    replay.add(8, 2_000_000_000, b"8\n")
    replay.add(10, 3_000_000_000, b"9\n10\n")
    return replay


@pytest.mark.parametrize(
    ("seq", "found"),
    [(3, None), (4, b"5\n6\n7\n8\n9\n10\n"), (6, b"7\n8\n9\n10\n"), (7, b"8\n9\n10\n"), (9, b"10\n"), (10, b""), (11, None)],
)  # fmt: skip
def test_it_goes_on_after_any_line_that_is_kept(seq: int, found: bytes | None) -> None:
    assert kept().after(seq) == found


@pytest.mark.parametrize("bounds", [{"kept_bytes": 9}, {"kept_s": 1.5}])
def test_the_oldest_leave(bounds: dict[str, float]) -> None:
    replay = kept(**bounds)
    assert replay.after(6) is None
    assert replay.after(7) == b"8\n9\n10\n"


def test_what_was_cleared_is_gone() -> None:
    replay = kept()
    replay.clear(11)
    assert replay.after(10) is None
    assert replay.after(11) == b""


@pytest.mark.parametrize(
    ("asked", "at"),
    [("e/7", ("e", 7)), ("", None), ("e", None), ("e/", None), ("e/-1", None), ("e/x", None), ("e/" + "9" * 20, None), ("e/²", None)],
)  # fmt: skip
def test_what_readers_ask_for(asked: str, at: tuple[str, int] | None) -> None:
    assert position(asked) == at
