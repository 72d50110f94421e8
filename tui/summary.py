"""A Frame as a few lines of plain text, for commands without a screen."""

from collections.abc import Iterator

from collectors.model.frame import Frame
from collectors.model.vocabulary import TargetStatus
from tui.counts import counted, failed, missed, observed
from tui.format import Unit, figure, percent, quantile
from tui.plain import printable
from tui.probes import probed, probing

STALLS_SHOWN = 5


def summary(frame: Frame) -> str:
    """Headline, targets in trouble, workers, placements, tiers, decisions and newest stalls; every figure of the window that the first line names."""
    return "\n".join(map(printable, _lines(frame)))


def _lines(frame: Frame) -> Iterator[str]:
    mark = "EMULATED · " if frame.emulated else ""
    yield f"tokenyard · {mark}{observed(frame)[0]} · window {frame.window_s:g} s at {frame.time_ns / 1e9:g} s"
    ttft, now_ns = frame.ttft, frame.time_ns
    part = f" of {of} workers" if (of := counted(frame)) else ""
    yield f"{figure(frame.tokens_per_s, Unit.RATE, now_ns)[0]} output tok/s{part} · TTFT p50 {quantile(ttft.p50, Unit.SECONDS, now_ns)[0]}, p99 {quantile(ttft.p99, Unit.SECONDS, now_ns)[0]} (n {ttft.n} {ttft.population})"
    for target in frame.targets:
        if target.status is not TargetStatus.UP or target.reason:
            yield f"! {target.name} ({target.backend or 'unknown'}) {target.status}: {target.reason}"
        for trouble in filter(None, (missed(target), failed(target))):
            yield f"! {trouble}"
    if told := probing(frame.probes):
        yield f"! {told}"
    for probe in frame.probes:
        yield f"  {probe.source}: {probed(probe, now_ns)}"
    if frame.workers:
        yield ""
        yield from table(
            ("worker", "kind", "role", "model", "run", "wait", "tok/s", "gap p50", "gap p99", "n", "longest stall"),
            [
                (
                    worker.id,
                    str(worker.device),
                    str(worker.role),
                    worker.model,
                    figure(worker.running, Unit.COUNT, now_ns)[0],
                    figure(worker.waiting, Unit.COUNT, now_ns)[0],
                    figure(worker.tokens_per_s, Unit.RATE, now_ns)[0],
                    quantile(worker.gap.p50, Unit.SECONDS, now_ns)[0],
                    quantile(worker.gap.p99, Unit.SECONDS, now_ns)[0],
                    str(worker.gap.n),
                    figure(worker.longest_stall_s, Unit.SECONDS, now_ns)[0],
                )
                for worker in frame.workers
            ],
        )
    if frame.placements:
        yield ""
        yield from table(
            ("tokens", "stage", "worker", "kind", "tier", ""),
            [
                (
                    figure(row.tokens, Unit.COUNT, now_ns)[0],
                    str(row.stage),
                    row.worker or "unknown",
                    str(row.device),
                    str(row.tier),
                    "output" if row.primary else "prompt" if row.stage == "prefill" else "",
                )
                for row in frame.placements
            ],
        )
    if frame.tiers:
        yield ""
        yield from table(
            ("tier", "owner", "used", "active", "capacity", "", "hit tokens"),
            [
                (
                    str(row.tier),
                    row.owner,
                    figure(row.used_bytes, Unit.BYTES, now_ns)[0],
                    figure(row.active_bytes, Unit.BYTES, now_ns)[0],
                    figure(row.capacity_bytes, Unit.BYTES, now_ns)[0],
                    percent(row.used_bytes.value, row.capacity_bytes.value)
                    if row.used_bytes.value is not None and row.capacity_bytes.value
                    else "",
                    figure(row.hit_tokens, Unit.COUNT, now_ns)[0],
                )
                for row in frame.tiers
            ],
        )
    if frame.decisions.total.value is not None:
        rules = ", ".join(
            f"{rule.rule} {figure(rule.count, Unit.COUNT, now_ns)[0]}" for rule in frame.decisions.by_rule
        )
        yield ""
        yield f"decisions {figure(frame.decisions.total, Unit.COUNT, now_ns)[0]}, ties {figure(frame.decisions.ties, Unit.COUNT, now_ns)[0]}: {rules}"
    if frame.stalls:
        yield ""
        yield "newest stalls"
        for stall in frame.stalls[:STALLS_SHOWN]:
            gap, median = figure(stall.gap_s, Unit.SECONDS, now_ns)[0], figure(stall.median_s, Unit.SECONDS, now_ns)[0]
            yield f"  {stall.at:9.3f} s  {stall.worker or 'unknown'}  {stall.request}  {gap} (median {median})  {', '.join(stall.causes)}"
    noticed = [row for row in frame.requests if row.migrations or row.disagree or row.doubt]
    if noticed:
        yield ""
        yield "requests that were migrated, or that sources tell differently"
    for row in noticed[:STALLS_SHOWN]:
        yield f"  {row.id}"
        for move in row.migrations:
            after = f"{'≥' if move.at_least else ''}{move.after_tokens}"
            yield f"    from {move.worker} after {after} tokens to {move.to or 'nobody that is named'} ({', '.join(move.tellers)})"
        for one in row.disagree:
            says = "; ".join(f"{said.value} say {', '.join(said.tellers)}" for said in one.says)
            yield f"    {one.about} from token {one.from_token}: {says}"
        if row.doubt:
            yield f"    {row.doubt}"
    if frame.verdict:
        yield ""
        yield frame.verdict


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
