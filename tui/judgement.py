"""How surely objectives are met, in words. Nothing here knows of Textual."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tui import format as fmt
from tui.glyphs import ABSENT
from tui.plain import printable

if TYPE_CHECKING:
    from collectors.model.slo import ChipRow, Objective, Share, Slo
    from tui.format import Forms

NAMES: Final = {"ttft": "TTFT", "tpot": "TPOT", "request": "request"}


def share_forms(it: Share | None) -> Forms:
    """`92.1 %`, or between which two where only buckets are known; `–` where of no request it is known."""
    if it is None:
        return (ABSENT,)
    least, most = (percent(part / it.n) for part in (it.least, it.most))
    return (f"{least} %",) if least == most else (f"{least}–{most} %", f"{least}–{most}")


def interval_text(it: Share) -> str:
    """Where the true share lies with 95 % confidence."""
    return f"{percent(it.low)}–{percent(it.high)}"


def percent(share: float) -> str:
    """To a tenth of a per cent, and never rounded up to all or down to none."""
    shown = f"{100 * share:.1f}"
    if shown == "100.0" and share < 1:
        return ">99.9"
    if shown == "0.0" and share > 0:
        return "<0.1"
    return "100" if share == 1 else "0" if share == 0 else shown


def objective_text(it: Objective) -> str:
    number, unit = fmt.seconds(it.seconds).split(" ")
    return f"{NAMES.get(it.what, it.what)} ≤ {float(number):g} {unit} for {100 * it.share:g} %"


def assumed(chip: ChipRow) -> list[tuple[str, str]]:
    """What is assumed of a device of it, each with who says so, as of when: `2.95 $/h`, `public offer, 2026-05`."""
    both = ((chip.dollars_per_hour, "$/h"), (chip.watts, "W assumed"))
    return [
        (f"{it.value:g} {unit}", printable(", ".join(filter(None, (it.by, it.date)))))
        for it, unit in both
        if it is not None
    ]


def judgement(slo: Slo, *, emulated: bool) -> Iterator[str]:
    """A line for the profile, one for each objective, and who is not in it."""
    mark = "EMULATED · " if emulated else ""
    yield f"{slo.state} · {mark}profile {slo.profile} ({slo.source}) · window {slo.window_s:g} s"
    whole = slo.rows[0]
    for one in slo.objectives:
        yield f"{objective_text(one)}: {_told(getattr(whole, one.what))}"
    yield f"all of them: {_told(whole.attained)}"
    left = (
        (slo.errors, "ended in an error, and count as not met"),
        (slo.aborted, "given up by their clients, not judged"),
        (slo.unjudged, "not judged: a time is not known"),
    )
    yield from (f"{count} {what}" for count, what in left if count)


def _told(it: Share | None) -> str:
    if it is None:
        return "not known of any request"
    met = f"{it.least}" if it.least == it.most else f"{it.least} to {it.most}"
    return f"{met} of {it.n} requests, {share_forms(it)[0]}; {interval_text(it)} % with 95 % confidence: {it.state}"
