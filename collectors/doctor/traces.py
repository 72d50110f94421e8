"""A look at a trace file, or at the address where spans are to come: whether it can be read, and what of its newest lines is understood."""

import asyncio
import socket
from collections import Counter
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from collectors.doctor.report import Examined, Help
from collectors.model.vocabulary import TargetStatus
from collectors.sources.otlp import PORT
from collectors.sources.target import Target, file_of
from collectors.sources.trace_file import matching
from collectors.traces.lines import LineReader
from collectors.wire.limits import DEFAULT
from collectors.wire.safe import safe_text
from collectors.wire.tail import Tail, TailError

MAX_PIECES: Final = 64
"""Read of a file, of 256 KiB each."""
_LOG: Final = Help(
    None,
    "DYN_LOGGING_JSONL=1 on the front end, and its log as a target: trace+file:///path",
    "where a request ran after a migration: the trace and every chunk go on naming the first decode worker",
)


async def examine_file(target: Target) -> Examined:
    path = Path(file_of(target))
    try:
        return await asyncio.to_thread(_looked_at, target, path)
    except (TailError, FileNotFoundError) as error:
        reason = "no such file (it is waited for)" if isinstance(error, FileNotFoundError) else str(error)
        return _told(target, TargetStatus.DOWN, reason)


def _looked_at(target: Target, path: Path) -> Examined:
    """Of the newest file. Raises TailError, FileNotFoundError."""
    files = matching(path)
    if not files:
        raise FileNotFoundError
    tail, reader = Tail(files[-1], from_start=True, max_line=DEFAULT.max_event_bytes), LineReader(target.name)
    tellers: Counter[str] = Counter()
    whole = False
    try:
        for _ in range(MAX_PIECES):
            piece = tail.read()
            tellers.update(account.teller for account in reader.read(piece.lines))
            whole = not piece.more
            if whole:
                break
    finally:
        tail.close()
    part = "" if whole else f"in its first {MAX_PIECES >> 2} MiB "
    notes = [f"{part}{count:,} lines of the kind {teller}" for teller, count in sorted(tellers.items())]
    notes += [f"{part}{count:,} lines {kind}" for kind, count in sorted(reader.wrong.items())]
    help_ = (_LOG,) if "dynamo trace" in tellers and "router log" not in tellers else ()
    return _told(target, TargetStatus.UP, "", tuple(notes or ["nothing in it is understood yet"]), help_)


def examine_listener(target: Target) -> Examined:
    """Whether spans could be received there: nobody is asked to send any."""
    parts = urlsplit(target.url)
    try:
        with socket.create_server((parts.hostname or "127.0.0.1", PORT if parts.port is None else parts.port)):
            pass
    except OSError as error:
        return _told(target, TargetStatus.DOWN, f"cannot listen there ({safe_text(error.strerror or 'no reason', 80)})")
    return _told(target, TargetStatus.UP, "", ("free: watch listens there for spans",))


def _told(
    target: Target, status: TargetStatus, reason: str, notes: tuple[str, ...] = (), help_: tuple[Help, ...] = ()
) -> Examined:
    title = "trace file" if target.kind == "trace" else "OTLP/HTTP receiver"
    return Examined(
        name=target.name,
        url=safe_text(target.url),
        status=status,
        reason=reason,
        backend=target.kind,
        title=title,
        notes=notes,
        help=help_,
    )
