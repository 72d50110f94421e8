"""What is shown of a page that says what cannot be: what is no figure is none, and the rest is as it was said."""

from typing import Any

import pytest

from collectors.model.snapshot import snapshot
from collectors.session.clock import TICK_NS
from collectors.session.session import Session
from collectors.sources.scrape import ScrapeSource
from collectors.wire.http import HttpClient
from tests.hostile.odd import ODD
from tests.hostile.targets import PATIENT
from tests.loopback import serving

Shown = dict[str, Any]


async def shown(name: str, steps: int) -> Shown:
    """The only worker's row after some steps, a tick apart."""
    session = Session("virtual")
    async with serving(ODD[name]().handler) as server, HttpClient(PATIENT) as client:
        source = ScrapeSource("t", f"{server.url}/metrics", client)
        for tick in range(1, steps + 1):
            await source.step(tick * TICK_NS, session.feed)
            frame = session.tick(tick * TICK_NS)
    (row,) = snapshot(frame)["workers"]
    found: Shown = row
    return found


def figures(row: Shown) -> list[tuple[float | None, str]]:
    """Running, waiting, tokens a second."""
    return [(row[name]["value"], row[name]["state"]) for name in ("running", "waiting", "tokens_per_s")]


NOT_SAID = (None, "absent")
NO_NUMBER = (None, "nan")


@pytest.mark.parametrize(
    ("name", "steps", "expected"),
    [
        ("NaN and infinities", 2, [NO_NUMBER, NO_NUMBER, NO_NUMBER]),
        ("counters below zero", 4, [(7, "ok"), (3, "ok"), NO_NUMBER]),
        ("counters beyond integers", 4, [(7, "ok"), (3, "ok"), NO_NUMBER]),
        ("times of another century", 2, [(7, "ok"), (3, "ok"), (0, "zero")]),
        ("types that change", 1, [(7, "ok"), (3, "ok"), NOT_SAID]),
        ("types that change", 2, [NOT_SAID, NOT_SAID, (0, "zero")]),
        ("types that change", 3, [(7, "ok"), (3, "ok"), NOT_SAID]),
        ("a page that shrinks", 1, [(7, "ok"), (3, "ok"), NOT_SAID]),
        ("a page that shrinks", 2, [(7, "ok"), NOT_SAID, NOT_SAID]),
        ("a page that shrinks", 3, [(7, "ok"), (3, "ok"), NOT_SAID]),
        ("HTTP/1.0 without a length", 1, [(7, "ok"), NOT_SAID, NOT_SAID]),
    ],
)
async def test_figures(name: str, steps: int, expected: list[tuple[float | None, str]]) -> None:
    row = await shown(name, steps)
    assert (row["id"], row["model"]) == ("t/0", "m")
    assert figures(row) == expected
    for figure in ("running", "waiting"):
        assert row[figure]["age_s"] is None or 0 <= row[figure]["age_s"] < 1  # by our clock, whatever the page says


@pytest.mark.parametrize(
    ("name", "n", "interval"),
    [
        ("bounds out of order", 30, (0.05, 0.1)),
        ("counts that fall with the bound", 30, (0.0, 0.05)),
        ("bounds that change", 0, (None, None)),
    ],
)
async def test_a_histogram(name: str, n: int, interval: tuple[float | None, float | None]) -> None:
    gap = (await shown(name, 2))["gap"]
    assert gap["n"] == n
    assert (gap["p50"]["low"], gap["p50"]["high"]) == interval


async def test_names_are_as_they_were_said_but_harmless() -> None:
    assert (await shown("braces and quotes in labels", 1))["model"] == r'a} 9 # {b="c",' + "\\"
    row = await shown("escapes in labels and names", 1)
    assert row["id"] == "t/red"
    assert row["model"] == "red" * 40
    assert figures(row)[:2] == [(7, "ok"), (3, "ok")]
