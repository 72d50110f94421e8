"""A part of a recording as one look: the Frame of a session whose window is all of it, and what its Frames told one after the other."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from collectors.diagnose.judging import Judging
from collectors.export.frames import Stalls, frames
from collectors.export.output import ExportError
from collectors.export.span import Part, items
from collectors.model.batch import Tick
from collectors.model.frame import Frame, StallRow
from collectors.model.verdict import Finding
from collectors.recording.playback import Playback
from collectors.recording.reader import Info, Reader
from collectors.session.session import Session

MAX_S: Final = 6 * 3_600
"""What a session's window may be: its statistics hold every second of it."""
APART_S: Final = 5.0
"""A finding that comes again after so long is told anew."""
_SECOND_NS: Final = 1_000_000_000


@dataclass(slots=True)
class Episode:
    """A finding for as long as it was there: session seconds of the first and the last Frame that told of it, which told `finding`; `led`, whether it was the verdict."""

    first_s: float
    last_s: float
    finding: Finding
    led: bool


@dataclass
class Whole:
    """`first_s` and `last_s` are session seconds; `frame`'s window is from one to the other."""

    info: Info
    first_s: float
    last_s: float
    frame: Frame
    stalls: list[StallRow]
    episodes: list[Episode] = field(default_factory=list)
    timeline: bytes = b""
    """`Frame.timeline` of those seconds."""
    torn: str | None = None


def whole(reader: Reader, of: Part, judging: Judging | None = None) -> Whole:
    """Raises ExportError where there is nothing, or more than MAX_S."""
    info, played = reader.info(), Playback(reader)
    span = played.span()
    if info.t0_ns is None or info.t1_ns is None:
        raise ExportError(f"{reader.path}: nothing was recorded")
    begin_ns = max(of.begin_ns, info.t0_ns)
    end_ns = min(of.end_ns, info.t1_ns if span is None else max(span[1], info.t0_ns))
    window_s = math.ceil((end_ns - begin_ns) / _SECOND_NS)
    if window_s <= 0:
        raise ExportError(f"{reader.path}: nothing was recorded between --from and --until")
    if window_s > MAX_S:
        raise ExportError(
            f"{reader.path}: {window_s / 3_600:.1f} h in one report; choose at most {MAX_S // 3_600} h with --from and --until"
        )
    stalls, episodes = Stalls(), _Episodes()
    for frame in frames(reader, Part(begin_ns, end_ns + 1)):
        stalls.see(frame)
        episodes.see(frame)
    last = _last(reader, Part(begin_ns, end_ns), window_s, judging)
    # A ledger tells of its whole window, of which the first Frames may have more than the part.
    rows = [row for row in stalls.rows() if begin_ns <= row.at * 1e9 <= end_ns]
    line = _timeline(played.newest() or last, begin_ns / 1e9, last.time_ns / 1e9)
    return Whole(info, begin_ns / 1e9, last.time_ns / 1e9, last, rows, list(episodes.all()), line, reader.torn)


def _timeline(newest: Frame, first_s: float, last_s: float) -> bytes:
    later = int(newest.time_ns / 1e9) - int(last_s)
    line = newest.timeline[: len(newest.timeline) - later] if later > 0 else newest.timeline
    return line[-max(math.ceil(last_s - first_s), 1) :]


def _last(reader: Reader, of: Part, window_s: int, judging: Judging | None) -> Frame:
    """What a session with that window knew at the part's last tick: every second until then, so that nothing waits for long, and every tick of the last one."""
    session = Session(reader.info().clock, window_s, judging)
    last: Frame | None = None
    for item in items(reader, of):
        if not isinstance(item, Tick):
            session.feed(item)
        elif item.time_ns > of.end_ns:
            break
        elif last is None or item.time_ns - last.time_ns >= _SECOND_NS or of.end_ns - item.time_ns < _SECOND_NS:
            last = session.tick(item.time_ns, item.utc_s)
    return session.tick(of.end_ns) if last is None else last


class _Episodes:
    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Episode] = {}
        self._ended: list[Episode] = []

    def see(self, frame: Frame) -> None:
        now_s = frame.time_ns / 1e9
        for place, finding in enumerate(frame.diagnosis.findings if frame.diagnosis is not None else ()):
            key = finding.kind, finding.worker
            episode = self._open.get(key)
            if episode is not None and now_s - episode.last_s <= APART_S:
                episode.last_s, episode.finding, episode.led = now_s, finding, episode.led or not place
                continue
            if episode is not None:
                self._ended.append(episode)
            self._open[key] = Episode(now_s, now_s, finding, not place)

    def all(self) -> Iterator[Episode]:
        """In the order in which they began."""
        yield from sorted([*self._ended, *self._open.values()], key=lambda one: (one.first_s, one.finding.kind))
