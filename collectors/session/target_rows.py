"""The targets of a Frame: how each is, and what of it is not as it may seem."""

from collections.abc import Sequence

import msgspec

from collectors.model.batch import Probing
from collectors.model.frame import TargetRow
from collectors.session.source_state import SourceState


def target_rows(sources: Sequence[SourceState]) -> tuple[TargetRow, ...]:
    probed = {source.probing.of: source.probing for source in sources if source.probing and not source.gone}
    return tuple(_row(source, probed.get(source.name)) for source in sources)


def _row(source: SourceState, probed: Probing | None) -> TargetRow:
    status = source.status
    said = [status.reason or status.warning]
    if source.twice:
        said.append(f"the same requests as {source.twice}: counted once, there")
    if probed is not None and source.connected:
        said.append(
            f"our own probes are in its figures, streams included: one every {probed.every_s:g} s of {probed.max_tokens} tokens at most"
        )
    reason = "; ".join(filter(None, said))
    if status.limit:
        reason = f"{reason} (limits.{status.limit})"  # the setting that would let it through
    return TargetRow(
        source.name,
        status.url,
        status.backend,
        status.status,
        reason,
        source.heard_ns,
        source.over_limits,
        msgspec.UNSET if source.summary is None else source.summary.missed,
        msgspec.UNSET if source.summary is None else source.summary.finished,
        source.resets,
        None if source.reset_ns is None else source.reset_ns / 1e9,
    )
