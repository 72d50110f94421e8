"""The Frames of a recording, one after the other: as they were shown, or, where it holds none, as a session makes them of what it holds."""

from collections.abc import Iterator

from collectors.export.span import Part
from collectors.model.batch import Tick
from collectors.model.frame import Frame, StallRow
from collectors.recording.reader import Reader
from collectors.session.session import Session


def frames(reader: Reader, of: Part) -> Iterator[Frame]:
    """Those of the part, in order of time; those of a chunk are in memory at a time."""
    if not reader.count_frames():
        yield from (frame for frame in _made(reader, of) if of.has(frame.time_ns))
        return
    some = reader.frames_at(of.begin_ns)
    while some:
        yield from (frame for frame in some if of.has(frame.time_ns))
        if some[-1].time_ns >= of.end_ns:
            return
        some = reader.frames_after(some[0].time_ns)


def _made(reader: Reader, of: Part) -> Iterator[Frame]:
    session = Session(reader.info().clock)
    for item in reader.items(None, of.end_ns):
        if isinstance(item, Tick):
            yield session.tick(item.time_ns, item.utc_s)
        else:
            session.feed(item)


class Stalls:
    """All that the ledgers of Frames listed, each as it was explained last; a Frame lists the newest and the longest."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, float], StallRow] = {}

    def see(self, frame: Frame) -> None:
        for row in (*frame.stalls, *frame.long_stalls):
            self._rows[row.request, row.at] = row

    def rows(self) -> list[StallRow]:
        """In order of time."""
        return sorted(self._rows.values(), key=lambda row: (row.at, row.request))
