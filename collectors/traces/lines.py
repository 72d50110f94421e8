"""Lines of a trace file or a log: whose each one is, and what was wrong with those that are nobody's. Pure but for its counts."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from collectors.model.traces import Account
from collectors.traces import dynamo_log, dynamo_record
from collectors.traces.reading import NotARecordError
from collectors.wire.safe import safe_text

_RECORD: Final = b'"dynamo.request.trace.'
_REQUEST: Final = b'"request_id"'
_REASON: Final = 80


class LineReader:
    """`clock` names whose times they are. `wrong` counts by kind; `last` is why the newest of them is none."""

    def __init__(self, clock: str) -> None:
        self.wrong: Counter[str] = Counter()
        self.last = ""
        self._clock = clock

    def read(self, lines: Iterable[bytes]) -> list[Account]:
        found = []
        for line in lines:
            try:
                account = self._read(line)
            except NotARecordError as error:
                self.last = safe_text(str(error), _REASON)
                continue
            if account is not None:
                found.append(account)
        return found

    def _read(self, line: bytes) -> Account | None:
        """None for a line about something else."""
        if not line.startswith(b"{"):
            self.wrong["not JSON"] += 1
            raise NotARecordError("not a JSON object")
        kind, reader = ("trace", dynamo_record.read) if _RECORD in line else ("log", dynamo_log.read)
        if kind == "log" and _REQUEST not in line:
            return None
        try:
            return reader(line, self._clock)
        except NotARecordError:
            self.wrong[f"malformed {kind}"] += 1
            raise
