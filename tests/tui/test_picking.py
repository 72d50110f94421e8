"""Filter and order of a panel's rows: by keys, by mouse, and as ticks go on."""

import msgspec

from tests.tui import frames
from tests.tui.playing import Played
from tests.tui.screen import lines, running, settled, text
from tui.app import TokenyardApp

FLEET = frames.emulated(3600, frames.big_fleet(16))


def first_words(app: TokenyardApp) -> list[str]:
    """The first word of each row of the panel that has the focus."""
    shown = [line.strip("│▸ ") for line in lines(app)]
    start = next(index for index, line in enumerate(shown) if "─▸" in line)
    words = [line.split()[0] for line in shown[start + 2 :] if line]
    return words[: next(index for index, word in enumerate(words) if "─" in word)]


async def test_a_filter_is_seen_while_it_is_typed_and_stays_until_it_is_taken_off() -> None:
    played = Played([FLEET])
    async with running(played, (150, 70)) as (app, pilot):
        await pilot.press("slash", *"kind:lpu")
        await settled(pilot)
        assert lines(app)[-1].startswith(" /kind:lpu")
        assert "─▸Fleet /kind:lpu · 8 of 16 ─" in text(app)
        await pilot.press("enter", "down")
        await settled(pilot)
        assert "quit" in lines(app)[-1], "the keys are there again"
        for tick in (3601, 3602):
            played.post(frames.emulated(tick, frames.big_fleet(16)))
            await settled(pilot)
            assert [word for word in first_words(app) if word.startswith("gpu")] == []
        await pilot.press("slash")
        await settled(pilot)
        assert lines(app)[-1].startswith(" /kind:lpu"), "it can be gone on with"
        await pilot.press("escape")
        await settled(pilot)
        assert "gpu-0" in text(app)
        assert "─▸Fleet window 60 s" in text(app)


async def test_escape_takes_a_kept_filter_off_before_it_leaves_the_zoom() -> None:
    async with running(Played([FLEET])) as (app, pilot):
        await pilot.press("z", "slash", *"gpu", "enter")
        await settled(pilot)
        assert "/gpu · 8 of 16" in text(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "/gpu" not in text(app)
        assert app.page.zoomed == "fleet"


async def test_what_says_nothing_is_told_beside_it_and_changes_no_row() -> None:
    async with running(Played([FLEET]), (150, 70)) as (app, pilot):
        await pilot.press("slash", *"worker:lpu", "space", *"gap>")
        await settled(pilot)
        assert "✗ gap may be gap.p50, gap.p99" in lines(app)[-1]
        assert set(first_words(app)) <= {f"lpu-{index}" for index in range(8)}
        await pilot.press("enter")
        await settled(pilot)
        assert "/worker:lpu gap · 0 of 16" in text(app) or "/worker:lpu · 8 of 16" in text(app)
        assert "quit" in lines(app)[-1]


async def test_letters_that_are_keys_elsewhere_are_typed() -> None:
    async with running(Played([FLEET])) as (app, pilot):
        await pilot.press("slash", *"qz1?")
        await settled(pilot)
        assert lines(app)[-1].startswith(" /qz1?")
        assert "no row is like that; esc shows all" in text(app)
        assert app.is_running


async def test_s_sorts_by_the_next_column_and_r_turns_it_round() -> None:
    frame = FLEET
    rates = [3, 16, 1, 9, 12, 5, 14, 7, 2, 10, 4, 15, 8, 11, 6, 13]
    workers = tuple(
        msgspec.structs.replace(row, tokens_per_s=frames.known(rate))
        for row, rate in zip(frame.workers, rates, strict=True)
    )
    order = [row.id.partition("/")[0] for _, row in sorted(zip(rates, workers, strict=True), key=lambda pair: -pair[0])]
    played = Played([msgspec.structs.replace(frame, workers=workers)])
    async with running(played, (150, 70)) as (app, pilot):
        await pilot.press(*["s"] * 7)
        await settled(pilot)
        assert "↓tok/s" in text(app)
        assert first_words(app) == order
        await pilot.press("r")
        await settled(pilot)
        assert "↑tok/s" in text(app)
        assert first_words(app) == order[::-1]
        unknown = msgspec.structs.replace(workers[1], tokens_per_s=frames.unknown())
        played.post(
            msgspec.structs.replace(frame, time_ns=frame.time_ns + 1, workers=(workers[0], unknown, *workers[2:]))
        )
        await pilot.press("r")
        await settled(pilot)
        assert first_words(app)[15] == order[0], "what is not known comes last"


async def test_a_click_on_a_heading_sorts_and_the_cursor_stays_with_its_row() -> None:
    async with running(Played([FLEET]), (150, 70)) as (app, pilot):
        await pilot.press("down", "down")
        await settled(pilot)
        y = next(y for y, line in enumerate(lines(app)) if "worker  " in line)
        for sign in ("↓", "↑", ""):
            await pilot.click(offset=(lines(app)[y].index("worker") + 2, y))
            await settled(pilot)
            assert f"{sign}worker" in text(app)
            assert any(line.startswith("│▸  gpu-1 ") for line in lines(app))
        assert "↑worker" not in text(app)
        assert first_words(app)[:3] == ["gpu-0", "lpu-0", "gpu-1"]


async def test_stalls_and_tiers_are_filtered_each_for_itself() -> None:
    async with running(Played([frames.emulated()]), (120, 50)) as (app, pilot):
        await pilot.press("tab", "slash", *"tier:sram", "enter", "tab", "tab", "slash", *"gap>300ms", "enter")
        await settled(pilot)
        assert "─ Tiers /tier:sram · 2 of 6 ─" in text(app)
        assert "▸Newest stalls /gap>300ms · " in text(app)
        assert "host-0" not in text(app)
        assert "212 ms   ×11" not in text(app)
        await pilot.press("tab", "slash")
        await settled(pilot)
        assert app.page.prompt.panel is None, "key figures are no rows"
