"""What each section draws, from constructed Frames."""

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.frame import RIVER_COLUMNS, Frame, Gaps, JitterRow, RiverRow, TargetRow
from collectors.model.memory import TierRow
from collectors.model.vocabulary import Device, Listing, Role, State, TargetStatus, Tier
from tests.tui import frames
from tests.tui.frames import known, no_quantile, over, sketched, unknown
from tui.driver import Clock
from tui.line import Line, cells, text_of
from tui.playhead import Mode
from tui.summary import summary
from tui.theme import Ink, device_ink
from tui.view import View, worker_names
from tui.widgets.fleet import fleet
from tui.widgets.footer import footer
from tui.widgets.header import header
from tui.widgets.kpi import kpis, longest_stall, other_kind, ran_on, worst_jitter
from tui.widgets.kpi import strip as kpi_strip
from tui.widgets.notice import notices
from tui.widgets.river import drawn, top
from tui.widgets.stalls import stalls
from tui.widgets.tiers import Fill, bar, tiers


def view(
    frame: Frame | None,
    mode: Mode = Mode.FOLLOWING,
    *,
    newest: Frame | None = None,
    clock: Clock = "live",
    title: str = "",
    problem: str | None = None,
) -> View:
    names = worker_names(worker.id for worker in frame.workers) if frame is not None else {}
    return View(frame, newest or frame, mode, clock, title, problem, names=names)


def river_row(tokens: list[int], late: list[int], device: Device = Device.GPU) -> RiverRow:
    return RiverRow("w", device, Role.DECODE, struct.pack(f"<{len(tokens)}H", *tokens), bytes(late))


# names


def test_engine_zero_is_not_named_where_there_is_no_other() -> None:
    assert worker_names(["gpu-0/0", "lpu-0/0"]) == {"gpu-0/0": "gpu-0", "lpu-0/0": "lpu-0"}
    assert worker_names(["gpu-0/0", "gpu-0/1"]) == {"gpu-0/0": "gpu-0/0", "gpu-0/1": "gpu-0/1"}
    assert worker_names(["meta/llama/0"]) == {"meta/llama/0": "meta/llama/0"}


# header


@pytest.mark.parametrize(
    ("mode", "clock", "expected"),
    [
        (Mode.FOLLOWING, "live", "● LIVE 09:08:20"),
        (Mode.FOLLOWING, "replay", "▶ REPLAY 09:08:20"),
        (Mode.HELD, "live", "‖ PAUSED 09:08:20 (collecting goes on)"),
        (Mode.HELD, "replay", "‖ PAUSED 09:08:20"),
        (Mode.ENDED, "live", "■ LIVE ENDED 09:08:20"),
        (Mode.ENDED, "replay", "■ REPLAY ENDED 09:08:20"),
        (Mode.FAILED, "live", "✗ STOPPED 09:08:20"),
    ],
)
def test_the_header_says_how_the_moment_was_come_by(mode: Mode, clock: Clock, expected: str) -> None:
    text = text_of([header(view(frames.emulated(), mode, clock=clock), 120)])
    assert expected in text
    assert "collecting goes on" not in text or clock == "live"


def test_the_header_says_how_far_behind_the_view_is() -> None:
    text = text_of([header(view(frames.emulated(3400), Mode.HELD, newest=frames.emulated(3600)), 120)])
    assert "50 s behind" in text


@pytest.mark.parametrize("width", [80, 90, 120, 200])
def test_the_emulated_mark_is_never_shed(width: int) -> None:
    for mode in Mode:
        line = header(view(frames.emulated(), mode, title="a title that is far too long " * 4), width)
        assert (" EMULATED ", Ink.BADGE) in line
    assert "EMULATED" not in text_of([header(view(frames.vllm()), width)])


def test_a_mixed_fleet_says_how_much_of_it_is_emulated() -> None:
    frame = frames.emulated()
    real = msgspec.structs.replace(frame.workers[0], tokens_per_s=known(3, emulated=False))
    mixed = msgspec.structs.replace(frame, workers=(real, *frame.workers[1:]))
    assert " EMULATED 3 of 4" in text_of([header(view(mixed), 120)])
    marks = [line[0] for line in text_of(fleet(view(mixed), 76, 5, 0).lines).splitlines()[1:]]
    assert marks == [" ", "e", "e", "e"]


def test_targets_that_do_not_answer_are_counted() -> None:
    assert "3 of 6 targets up · 4 workers" in text_of([header(view(frames.with_trouble()), 120)])


# key figures


def test_the_worst_jitter_stands_beside_the_lpus_and_the_longest_stall() -> None:
    found = {item.name: (item.who, item.forms[0]) for item in kpis(view(frames.emulated()))}
    assert found["worst jitter"] == ("gpu-1", "193 ms")
    assert "µs" in found["LPU jitter"][1]
    assert found["longest stall"] == ("gpu-1", "313 ms")
    assert found["tokens ran on"][1] == "LPU 89 %  GPU 11 %"


def test_what_is_not_known_is_not_a_number() -> None:
    found = {item.name: item.forms[0] for item in kpis(view(frames.empty()))}
    assert set(found.values()) == {"–"}
    assert "tokens ran on" not in found
    assert ran_on(frames.vllm()) == ()


def test_jitter_above_every_bound_is_the_worst() -> None:
    rows = [
        JitterRow("a", "m", Device.GPU, sketched(9.0), known(0)),
        JitterRow("b", "m", Device.GPU, over(2.5), known(0.5)),
        JitterRow("c", "m", Device.LPU, no_quantile(State.TOO_FEW), unknown()),
        JitterRow("d", "m", Device.TPU, sketched(0.1), known(0)),
    ]
    worst = worst_jitter(rows)
    assert worst is not None
    assert worst.worker == "b"
    other = other_kind(rows, Device.GPU)
    assert other is None
    other = other_kind([row for row in rows if row.device is not Device.LPU], Device.GPU)
    assert other is not None
    assert other.worker == "d"
    stall = longest_stall(rows)
    assert stall is not None
    assert stall.worker == "b"
    assert worst_jitter([]) is None


def test_no_stall_is_none_and_not_zero() -> None:
    frame = frames.emulated()
    calm = msgspec.structs.replace(frame, jitter=frame.jitter[2:])
    assert {item.name: item.forms[0] for item in kpis(view(calm))}["longest stall"] == "none"


@pytest.mark.parametrize(("width", "last"), [(80, "tokens ran on"), (120, "LPU jitter")])
def test_key_figures_go_from_the_end(width: int, last: str) -> None:
    names, values = text_of(kpi_strip(view(frames.emulated()), width)).splitlines()
    assert names.endswith(last)
    assert "…" not in values


@pytest.mark.parametrize(("n", "of"), [(1, 2), (120, 640), (1000, 1024), (9999, 9999)])
def test_names_hold_their_numbers_in_the_narrowest_cell(n: int, of: int) -> None:
    frame = frames.emulated()
    part = msgspec.structs.replace(frame.tokens_per_s, n=n)
    many = msgspec.structs.replace(frame.ttft, n=12_345)
    frame = msgspec.structs.replace(frame, tokens_per_s=part, tokens_per_s_workers=of, ttft=many)
    names = text_of(kpi_strip(view(frame), 80)).splitlines()[0]
    assert f"{n}/{of}" in names or n == of
    assert "n12.3k" in names
    assert "…" not in names


def test_stale_tokens_are_no_part_of_where_tokens_ran() -> None:
    frame = frames.emulated()
    lost = tuple(
        msgspec.structs.replace(row, tokens=msgspec.structs.replace(row.tokens, state=State.STALE))
        if row.device is Device.GPU
        else row
        for row in frame.placements
    )
    assert ran_on(frame) == ("LPU 89 %  GPU 11 %", "LPU 89% GPU 11%", "LPU 89 %")
    assert ran_on(msgspec.structs.replace(frame, placements=lost))[0] == "LPU 100 %"
    only = msgspec.structs.replace(frame, placements=tuple(row for row in lost if row.device is Device.GPU))
    assert ran_on(only)[0] == "~GPU 100 %"
    assert [item.ink for item in kpis(view(only)) if item.name == "tokens ran on"] == [Ink.WARN]


# notices


def targets(*rows: TargetRow) -> Frame:
    return msgspec.structs.replace(frames.empty(), targets=rows)


TRIED = "no target was named; tried ports 8000, 30000, 29000, 8080, 3000, 9000, 8002, 8081 refused"


def test_what_was_tried_in_vain_is_read_to_its_end() -> None:
    down = TargetRow("usual ports", "", Listing.LOCAL, TargetStatus.DOWN, TRIED, None)
    text = text_of(notices(view(targets(down)), 80))
    assert " ".join(text.replace("✗", " ").split()) == TRIED
    up = msgspec.structs.replace(down, status=TargetStatus.UP)
    assert notices(view(targets(up)), 80) == []


def test_a_gap_in_a_stream_is_said_for_as_long_as_it_is_in_the_window() -> None:
    gaps = Gaps(count=2, seconds=3.25, messages=118, newest_at=10.0, resumed=1)
    tap = TargetRow("tap:9000", "", "tokenyard-tap", TargetStatus.UP, "", None, gaps=gaps)
    for at, messages, text in (
        (69, 118, "tap:9000: 2 gaps in its stream, 3.25 s, 118 messages missed"),
        (69, None, "tap:9000: 2 gaps in its stream, 3.25 s, nobody knows how many messages missed"),
        (71, 118, ""),
    ):
        row = msgspec.structs.replace(tap, gaps=msgspec.structs.replace(gaps, messages=messages))
        frame = msgspec.structs.replace(targets(row), time_ns=at * 10**9)
        assert text_of(notices(view(frame), 120)).removeprefix(" ✗ ").strip() == text
        assert ("in its stream" in summary(frame)) is True
    clean = msgspec.structs.replace(tap, gaps=Gaps(count=0, seconds=0, messages=0, newest_at=None, resumed=3))
    assert notices(view(targets(clean)), 120) == []


def test_errors_of_requests_are_said_and_who_gave_up_beside_them() -> None:
    tap = TargetRow("tap", "", "tokenyard-tap", TargetStatus.UP, "", None, finished={"stop": 5, "abort": 1, "error": 2})
    frame = targets(tap)
    assert "tap: 2 of 8 requests ended in an error, 1 given up" in text_of(notices(view(frame), 120))
    assert "2 of 8 requests ended in an error, 1 given up" in summary(frame)
    for finished in ({"stop": 5, "abort": 1}, {}):
        assert notices(view(targets(msgspec.structs.replace(tap, finished=finished))), 120) == []


def test_what_is_gone_and_what_only_lists_are_no_targets() -> None:
    rows = (
        TargetRow("a:1", "", "vllm", TargetStatus.UP, "", None),
        TargetRow("b:1", "", "vllm", TargetStatus.GONE, "no longer listed", None),
        TargetRow("file_sd x", "", Listing.FILE_SD, TargetStatus.UP, "", None),
    )
    assert "1 target · 1 gone · 0 workers" in text_of([header(view(targets(*rows)), 120)])
    assert "2 targets ·" in text_of([header(view(targets(rows[0], rows[0])), 120)])
    body = fleet(view(targets(*rows)), 100, 5, 0)
    assert "b:1" in text_of(body.lines)
    assert "no longer listed" in text_of(body.lines)
    assert "file_sd" not in text_of(body.lines)


def test_a_role_that_only_configuration_says_has_a_question_mark() -> None:
    frame = frames.emulated()
    first = msgspec.structs.replace(frame.workers[0], assumed=("role",))
    frame = msgspec.structs.replace(frame, workers=(first, *frame.workers[1:]))
    text = text_of(fleet(view(frame), 120, 8, 0).lines)
    assert "prefil?" in text
    assert "decode?" not in text


def test_the_verdict_is_there_only_when_there_is_one() -> None:
    assert notices(view(frames.emulated(verdict=False)), 80) == []
    assert text_of(notices(view(frames.emulated()), 80)).startswith(" ▲ gpu-1: prefill bursts")


def test_an_error_says_why() -> None:
    text = text_of(notices(view(None, Mode.FAILED, problem="collecting stopped: OSError: refused"), 120))
    assert text.startswith(" ✗ collecting stopped: OSError: refused")


# fleet


def test_every_state_has_its_sign_in_the_table() -> None:
    lines = text_of(fleet(view(frames.with_trouble()), 116, 12, 0).lines).splitlines()
    assert lines[1].split() == ["~", "gpu-0", "stale", "no", "answer", "within", "2", "s", "12", "s", "ago"]
    assert lines[2].split() == ["✗", "gpu-9", "down", "refused", "never", "heard"]
    assert "rejected not prometheus text: text/html" in lines[3]
    assert lines[4].split()[:8] == ["~", "gpu-0", "GPU", "prefill", "llama-3.1-8b", "~24", "·", "~12"]
    assert "NaN" in lines[4]


def test_buckets_are_intervals_in_the_table() -> None:
    body = fleet(view(frames.vllm()), 140, 9, 0, fold=True)
    words = text_of(body.lines)
    assert "(100,150]ms" in words
    assert "> 2.5 s" in words
    assert "≤ 300 ms" in words
    assert words.count("n too small") == 3


def test_rows_that_do_not_fit_are_counted_and_can_be_reached() -> None:
    it = view(frames.emulated(3600, frames.big_fleet()))
    body = fleet(it, 76, 5, 0)
    assert (body.first, body.shown, body.total) == (0, 4, 72)
    assert "lpu-35" in text_of(fleet(it, 76, 5, 1000).lines)


def test_a_folded_table_leaves_nothing_out() -> None:
    it = view(frames.emulated())
    assert fleet(it, 78, 10, 0).columns == 12
    folded = fleet(it, 78, 30, 0, fold=True)
    assert folded.columns == 0
    assert all(word in text_of(folded.lines) for word in ("TTFT p50", "queue p99", "TPOT p99", "64 × LPU-v1"))


def test_before_the_first_answer() -> None:
    assert "waiting for the first answer" in text_of(fleet(view(None, Mode.WAITING), 78, 5, 0).lines)
    assert "ended before" in text_of(fleet(view(None, Mode.FAILED), 78, 5, 0).lines)


# tiers


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(1, 2**40), st.integers(4, 60))
def test_a_bar_fills_its_room_and_never_rounds_to_nothing(active: int, more: int, capacity: int, size: int) -> None:
    used = active + more
    cells = bar(Fill(active, used, capacity, False, False), size)
    assert sum(cells) == size
    assert min(cells) >= 0
    assert (cells[0] + cells[1] == 0) == (used == 0)
    assert (cells[2] == 0) == (used >= capacity)


def test_an_unknown_tier_has_no_bar() -> None:
    assert bar(Fill(None, None, 10.0, False, False), 8) == (0, 0, 0)
    assert bar(Fill(3.0, 3.0, None, True, False), 8) == (0, 0, 0)


def test_active_and_evictable_differ_by_glyph() -> None:
    text = text_of(tiers(view(frames.emulated()), 76, 6, 0, 1).lines)
    assert "gpu-1  HBM   " in text
    assert "█▒" in text
    assert "▒·" in text


def test_a_gauge_that_knows_active_only_says_so() -> None:
    text = text_of(tiers(view(frames.vllm()), 76, 1, 0, 1).lines)
    assert "50 % act" in text
    assert "81.9k tok" in text
    assert "▒" not in text


def test_a_shared_tier_stands_once_and_an_owner_is_named_once() -> None:
    lines = text_of(tiers(view(frames.emulated()), 76, 6, 0, 1).lines).splitlines()
    assert lines[2].split()[:2] == ["host-0", "DRAM"]
    assert lines[3].split()[0] == "flash"
    assert sum("DRAM" in line for line in lines) == 1


def test_an_unknown_share_is_a_dash() -> None:
    row = TierRow("w", None, Tier.HBM, unknown(), unknown(), known(10), unknown())
    frame = msgspec.structs.replace(frames.emulated(), tiers=(row,))
    assert text_of(tiers(view(frame), 76, 1, 0, 1).lines).split() == ["w", "HBM", "–", "10", "B", "–"]


# river


def river_lines(row: RiverRow, columns: int, lines: int) -> list[Line]:
    return drawn([row], columns, lines)[0].lines


def test_rows_beside_each_other_are_drawn_as_each_alone() -> None:
    rows = [
        river_row([0, 5, 0xFFFF, 8] * 60, [1, 4, 0, 2] * 60),
        river_row([3] * 240, [0] * 239 + [3], Device.LPU),
        river_row([0xFFFF] * 240, [0] * 240),
        river_row([1, 2], [1, 1]),
    ]
    for columns, lines in ((240, 1), (100, 3), (250, 2), (1, 1)):
        assert drawn(rows, columns, lines) == [drawn([row], columns, lines)[0] for row in rows]


@pytest.mark.parametrize("columns", [0, 1, 80])
@pytest.mark.parametrize(("tokens", "late"), [(b"", b""), (b"\1\0\2\0\3\0", b"\1\1"), (b"\1\0\2", b"\1"), (b"", b"\1")])
def test_rows_of_a_damaged_recording_are_drawn_as_they_are(tokens: bytes, late: bytes, columns: int) -> None:
    odd = RiverRow("w", Device.GPU, Role.DECODE, tokens, late)
    for it in drawn([odd, river_row([1] * 240, [1] * 240)], columns, 2):
        assert [sum(cells(text) for text, _ in line) for line in it.lines] == [columns, columns]


def test_heights_are_relative_to_the_rows_top() -> None:
    [line] = river_lines(river_row([0, 1, 4, 8], [0, 1, 1, 1]), 4, 1)
    assert text_of([line]) == " ▁▄█"
    upper, lower = river_lines(river_row([0, 2, 5, 8], [1] * 4), 4, 2)
    assert (text_of([upper]), text_of([lower])) == ("  ▂█", " ▄██")


def test_a_stall_and_a_gap_show_without_colour() -> None:
    [line] = river_lines(river_row([8, 1, 0xFFFF, 8], [1, 4, 0, 1]), 4, 1)
    assert text_of([line]) == "█!╌█"


def test_late_ticks_are_brighter() -> None:
    [line] = river_lines(river_row([8, 8, 8, 8], [0, 1, 2, 3], Device.LPU), 4, 1)
    assert [ink for _, ink in line] == [device_ink(Device.LPU, step) for step in range(4)]


def test_the_newest_ticks_stand_right() -> None:
    row = river_row([1] * 239 + [8], [1] * 240)
    assert text_of(river_lines(row, 3, 1)) == "▁▁█"
    [line] = river_lines(row, 250, 1)
    assert text_of([line]).endswith("▁█")
    assert line[0][0].startswith(" " * (250 - RIVER_COLUMNS))


@given(st.lists(st.integers(0, 0xFFFE), min_size=1))
def test_the_top_is_the_highest_rounded_up(values: list[int]) -> None:
    assert max(values) <= top(max(values)) <= max(8, 2.01 * max(values))
    assert drawn([river_row([*values, 0xFFFF], [1] * (len(values) + 1))], 80, 1)[0].scale == top(max(values))


# stalls


def test_stalls_say_when_whose_how_long_and_why() -> None:
    text = text_of(stalls(view(frames.emulated()), 100, 4, 0).lines).splitlines()
    assert text[1].split()[:7] == ["09:08:17", "gpu-1", "r-1805", "223", "ms", "×12", "of"]
    assert text[1].endswith("prefill chunk of 2,048 tokens on gpu-1")


def test_stalls_of_one_step_are_one_event_with_its_longest_gap() -> None:
    frame = frames.emulated()
    one = msgspec.structs.replace(frame.stalls[0], at=frame.time_ns / 1e9)
    longest = msgspec.structs.replace(one, request="longest", gap_s=frames.known(0.9))
    elsewhere = msgspec.structs.replace(one, request="elsewhere", worker="lpu-0/0")
    many = msgspec.structs.replace(frame, stalls=(one, longest, one, elsewhere))
    body = stalls(view(many), 100, 4, 0)
    text = text_of(body.lines).splitlines()
    assert body.total == 2
    assert "longest +2" in text[0]
    assert "900 ms" in text[0]
    assert "elsewhere" in text[1]


def test_no_stalls_and_not_knowing_are_two_things() -> None:
    calm = msgspec.structs.replace(frames.emulated(), stalls=())
    assert "none in the window" in text_of(stalls(view(calm), 80, 4, 0).lines)
    assert "not known" in text_of(stalls(view(frames.vllm()), 80, 4, 0).lines)


# footer


def test_the_footer_says_what_space_does_now() -> None:
    assert "space pause" in text_of([footer(view(None), 80)[0]])
    assert "space resume" in text_of([footer(view(None, Mode.HELD), 80)[0]])


def test_keys_of_the_footer_are_where_they_are_drawn() -> None:
    line, keys = footer(view(None), 80)
    text = text_of([line])
    assert {key.action: text[key.start : key.end] for key in keys}["help"] == "? help"
    assert len(footer(view(None), 30)[1]) < len(keys)
