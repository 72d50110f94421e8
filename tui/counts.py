"""How much there is of what a Frame tells of, in words: targets and workers, and of how many workers the total rate is. Nothing here knows of Textual."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collectors.model.vocabulary import NO_TARGETS, TargetStatus
from tui.format import seconds

if TYPE_CHECKING:
    from collectors.model.frame import Frame, Gaps, TargetRow

UP, GONE = TargetStatus.UP, TargetStatus.GONE
"""Asked for once: looking a member of an enumeration up takes as long as all else that is done for a target."""


def observed(frame: Frame) -> tuple[str, bool]:
    """How many targets and workers there are, how many targets answer, how many are no longer listed; and whether all answer. What lists targets is none, nor is our probe."""
    listed = [one for one in frame.targets if one.status is not GONE and one.backend not in NO_TARGETS]
    gone = {one.name for one in frame.targets if one.status is GONE}
    up, total = [one.status for one in listed].count(UP), len(listed)
    targets = f"{total} target{'s' * (total != 1)}" if up == total else f"{up} of {total} targets up"
    left = f" · {len(gone)} gone" if gone else ""
    workers = sum(one.target not in gone for one in frame.workers) if gone else len(frame.workers)
    return f"{targets}{left} · {workers} worker{'s' * (workers != 1)}", up == total


def failed(target: TargetRow) -> str:
    """How many requests of its stream ended in an error or were given up, in words; empty where none ended in an error."""
    finished = target.finished
    errors = finished.get("error", 0) if finished else 0
    if not finished or not errors:
        return ""
    aborts, total = finished.get("abort", 0), sum(finished.values())
    given_up = f", {aborts} given up" if aborts else ""
    return f"{target.name}: {errors} of {total} requests ended in an error{given_up}"


def gaps_of(target: TargetRow) -> Gaps | None:
    """Of a stream; without loading what UNSET is of."""
    return target.gaps or None


def missed(target: TargetRow) -> str:
    """What was missed of its stream so far, in words; empty where nothing was."""
    gaps = gaps_of(target)
    if gaps is None or not gaps.count:
        return ""
    how_much = "nobody knows how many messages" if gaps.messages is None else f"{gaps.messages} messages"
    return f"{target.name}: {gaps.count} gap{'s' * (gaps.count != 1)} in its stream, {seconds(gaps.seconds)}, {how_much} missed"


def counted(frame: Frame) -> str:
    """`3/5`: of how many workers the total rate is where it is not of all; else empty."""
    n, of = frame.tokens_per_s.n, frame.tokens_per_s_workers
    return f"{n}/{of}" if isinstance(n, int) and n < of else ""
