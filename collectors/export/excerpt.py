"""A part of a recording as a recording of its own, which can be read alone."""

from contextlib import closing
from pathlib import Path

from collectors.export.output import ExportError
from collectors.export.span import Part
from collectors.model.batch import Batch
from collectors.recording.playback import Playback
from collectors.recording.reader import Reader
from collectors.recording.writer import Writer


def excerpt(reader: Reader, of: Part, path: Path) -> None:
    """All Frames of the part, and what they were made of, from the last moment before it on at which all that held was said. Raises `RecordingError` and `ExportError`."""
    info, frames = reader.info(), Playback(reader)
    writer = Writer(path, clock=info.clock, version=info.writer, emulated=info.emulated, redaction=info.redaction)
    with closing(writer):
        for item in reader.since_key(of.begin_ns, of.end_ns):
            if isinstance(item, Batch):
                writer.batch(item)
                continue
            writer.tick(item.time_ns, item.utc_s)
            if (
                of.has(item.time_ns)
                and (frame := frames.at(item.time_ns)) is not None
                and frame.time_ns == item.time_ns
            ):
                writer.frame(frame)
    if writer.error is not None:
        raise ExportError(writer.error)
