"""How much of what a recording holds."""

import msgspec

from collectors.model.batch import (
    Batch,
    Blocks,
    Decisions,
    Deliveries,
    Received,
    Requests,
    Samples,
    Status,
    Watermark,
)
from collectors.recording.reader import Reader


class Contents(msgspec.Struct):
    """Counts over the whole file. `missed_messages` were known to be missing from a stream, `not_up` says how often a target was said not to be up."""

    batches: int = 0
    ticks: int = 0
    frames: int = 0
    sources: tuple[str, ...] = ()
    deliveries: int = 0
    tokens: int = 0
    requests: int = 0
    decisions: int = 0
    blocks: int = 0
    samples: int = 0
    missed_messages: int = 0
    not_up: int = 0


def contents(reader: Reader) -> Contents:
    """Reads all of it; `reader.torn` says afterwards whether that was possible."""
    held, sources = Contents(frames=reader.count_frames()), set[str]()
    for item in reader.items():
        if not isinstance(item, Batch):
            held.ticks += 1
            continue
        held.batches += 1
        sources.add(item.source)
        for part in item.parts:
            match part:
                case Deliveries():
                    held.deliveries += len(part.rows)
                    held.tokens += int(part.rows["tokens"].sum())
                case Requests():
                    held.requests += sum(isinstance(row, Received) for row in part.rows)
                case Decisions():
                    held.decisions += len(part.rows)
                case Blocks():
                    held.blocks += len(part.rows)
                case Samples():
                    held.samples += len(part.values)
                case Watermark():
                    held.missed_messages += part.missed
                case Status():
                    held.not_up += bool(part.reason)
                case _:
                    pass
    held.sources = tuple(sorted(sources))
    return held
