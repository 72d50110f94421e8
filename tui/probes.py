"""Our own requests to the fleet, in words: that they are made, what they cost, and how they went. Nothing here knows of Textual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.format import Unit, figure, quantile, seconds, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.model.figure import Distribution
    from collectors.model.probes import ProbeRow

GAPS_SHOWN: Final = 2
"""Workers whose gaps are told of for one target."""


def probing(rows: Sequence[ProbeRow]) -> str:
    """What is asked of the fleet; empty where nothing is."""
    if not rows:
        return ""
    per_minute = sum(60 / row.every_s for row in rows)
    who = rows[0].target if len(rows) == 1 else f"{len(rows)} targets"
    tokens = max(row.max_tokens for row in rows)
    cost = "its" if len(rows) == 1 else "their"
    return f"PROBING {who}: {significant(per_minute)} requests of our own a minute, up to {tokens} tokens each, at {cost} cost"


def probed(row: ProbeRow, now_ns: int) -> str:
    """How the probes of one target went: each figure with how many it is of."""
    failed, sent = (figure(it, Unit.COUNT, now_ns)[0] for it in (row.failed, row.sent))
    why = ", ".join(f"{n} {reason}" for reason, n in sorted(row.failures.items(), key=lambda one: -one[1]))
    said = [f"{failed} of {sent} failed{f' ({why})' if why else ''}"]
    if row.skipped.value:
        said.append(f"{figure(row.skipped, Unit.COUNT, now_ns)[0]} skipped")
    if row.ttft.n:
        said.append(f"TTFT {_quantiles(row.ttft, now_ns)}")
    gaps = [one for one in row.workers if one.gap.n]
    said += [f"gap {one.worker} {_quantiles(one.gap, now_ns)}" for one in gaps[:GAPS_SHOWN]]
    if (more := len(gaps) - GAPS_SHOWN) > 0:
        said.append(f"{more} more workers")
    return f"{'; '.join(said)}, in {seconds(row.window_s)}"


def _quantiles(it: Distribution, now_ns: int) -> str:
    p50, p99 = (quantile(one, Unit.SECONDS, now_ns)[0] for one in (it.p50, it.p99))
    return f"p50 {p50} p99 {p99} max {figure(it.max, Unit.SECONDS, now_ns)[0]} (n {it.n})"
