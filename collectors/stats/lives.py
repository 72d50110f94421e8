"""Requests from `received` to `finished`: who has which stream, who runs and who waits where, and each request's TPOT at its end.

Rows come in the order of the stream's messages: `received` before, `finished` after all deliveries of a request. Deliveries are dealt with in larger pieces,
so an end is only noted and settled when the deliveries before it are.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from collectors.model.batch import UNCOUNTED, WHOLE
from collectors.stats.fleet import UNKNOWN_ROW
from collectors.stats.medians import GapMedians
from collectors.stats.outcomes import REASONS, UNKNOWN, Ended, Outcome
from collectors.stats.sketch import Ints
from collectors.stats.streams import MAX_STREAMS, UNSEEN, StreamTable

MAX_ENDED: Final = 1_024
"""Requests whose end nobody asked about yet."""
MAX_BEGUN: Final = 4_096
"""Requests that nobody asked about yet."""
COMPLETED: Final = frozenset({"stop", "length"})
"""Reasons after which a request's TPOT counts."""


class End(NamedTuple):
    """`second` is that of the end in session time, `time_ns` the emitter's; `output_tokens` as the producer counts them, None if it does not say."""

    request: str
    stream: int
    second: int
    time_ns: int
    reason: str
    output_tokens: int | None


class Life(NamedTuple):
    """How the deliveries of a request were, on the producer's clock: the first and the last of them, so many tokens, and the rows of the workers of the two, which no
    other worker of the source has had.

    `uncounted`: of some deliveries it is not known how many tokens they brought, so that each counts for one at least. `since`: the first token that the last worker made, where another, of `before_row`, had made those before; else UNSEEN. `elsewhere`: what its deliveries name since it was taken over is not so. `whole`: there was one delivery, of a response that was not streamed.
    """

    first_ns: int
    last_ns: int
    tokens: int
    first_row: int
    row: int
    whole: bool = False
    before_row: int = UNSEEN
    since: int = UNSEEN
    uncounted: bool = False
    elsewhere: bool = False


class Lives:
    """Shares the stream table with what deals with deliveries."""

    def __init__(self, table: StreamTable, medians: GapMedians) -> None:
        self._table = table
        self._medians = medians
        self._stream: dict[str, int] = {}
        self._request: dict[int, str] = {}
        self._ends: list[End] = []
        self._ended: deque[tuple[str, Life]] = deque(maxlen=MAX_ENDED)
        self._moved: deque[str] = deque(maxlen=MAX_ENDED)
        self._outcomes: list[tuple[int, Outcome]] = []
        self._serial = 0
        self.gone_rows = 0
        """The first row of now, as a Life has it."""
        self._begun: deque[tuple[str, int, int]] = deque(maxlen=MAX_BEGUN)

    def ended(self) -> list[tuple[str, Life]]:
        """Of the requests that have ended since this was asked, the newest."""
        ended = list(self._ended)
        self._ended.clear()
        return ended

    def went_on(self, streams: Iterable[int]) -> None:
        """They have moved. From who sampled the first token to who decodes is no move."""
        moved = (stream for stream in streams if self._table.since[stream] > 1)
        self._moved.extend(self._request[stream] for stream in moved if stream in self._request)

    def moved(self) -> list[tuple[str, Life]]:
        """Of the requests that went on with another worker since this was asked and still live, the newest."""
        moved = dict.fromkeys(self._moved)
        self._moved.clear()
        return [(request, life) for request in moved if (life := self.of(request)) is not None]

    def begun(self) -> list[tuple[str, int, int]]:
        """The requests that were given a stream since this was asked, each with when it was received and its serial number, the newest of them."""
        begun = list(self._begun)
        self._begun.clear()
        return begun

    def of(self, request: str) -> Life | None:
        """Of a request that lives, as far as it is dealt with."""
        stream = self._stream.get(request)
        return None if stream is None else self._life(stream)

    def stream(self, request: str) -> int | None:
        """Of one whose end is not settled."""
        ending = (end.stream for end in self._ends if end.request == request)
        return self._stream.get(request, next(ending, None))

    def has(self, request: str) -> bool:
        return request in self._stream

    def taken(self, stream: int) -> bool:
        """Whether a request has the stream whose deliveries may not all be dealt with."""
        return stream in self._request

    def outcomes(self) -> list[tuple[int, Outcome]]:
        """In which second requests have ended since this was asked, and how."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def receive(
        self,
        request: str,
        stream: int,
        time_ns: int,
        prompt_tokens: int | None = None,
        model: int = UNSEEN,
        labels: int = 0,
    ) -> None:
        """The stream is the request's from now on. One that it was taken from without an end is forgotten."""
        if not 0 <= stream < MAX_STREAMS:
            return
        table = self._table
        table.reserve(stream + 1)
        self._release(np.array([stream, self._stream.get(request, stream)]))
        self._stream[request] = stream
        self._request[stream] = request
        self._serial += 1
        self._begun.append((request, time_ns, self._serial))
        table.serial[stream] = self._serial
        table.received_ns[stream] = time_ns
        table.model[stream], table.labels[stream] = model, labels
        if prompt_tokens is not None:
            table.prompt_tokens[stream] = prompt_tokens

    def prompt_tokens(self, request: str) -> int | None:
        """Of a request that lives, if it was said."""
        stream = self._stream.get(request)
        known = UNSEEN if stream is None else int(self._table.prompt_tokens[stream])
        return None if known == UNSEEN else known

    def weigh(
        self, request: str, believed: tuple[int, int] | None = None, found: int | None = None
    ) -> tuple[int, int, int] | None:
        """In which second it was chosen among workers of which it was believed what they held, and of the chosen one how much; or what was `found` of its prompt:
        all three once they are known.

        Messages of one frame come by kind, so either may be first.
        """
        stream = self._stream.get(request)
        if stream is None:
            return None
        table = self._table
        weighed, known = table.weighed, table.found
        if believed is not None and weighed[stream] == UNSEEN:
            weighed[stream], table.believed[stream] = believed
        elif found is not None and known[stream] == UNSEEN:
            known[stream] = found
        else:
            return None
        told = int(weighed[stream]), int(table.believed[stream]), int(known[stream])
        return None if UNSEEN in told else told

    def send(self, request: str, row: int) -> None:
        """It was decided which worker the request goes to first."""
        stream = self._stream.get(request)
        if stream is not None:
            self._table.queued[stream] = row

    def admit(self, request: str, row: int) -> None:
        stream = self._stream.get(request)
        if stream is not None:
            self._table.home[stream] = row

    def label(self, request: str, labels: int) -> None:
        """What else is said of what kind it is."""
        stream = self._stream.get(request)
        if stream is not None:
            self._table.labels[stream] = max(int(self._table.labels[stream]), 0) | labels

    def end(self, request: str, second: int, time_ns: int, reason: str, output_tokens: int | None) -> None:
        stream = self._stream.pop(request, None)
        if stream is not None:
            self._ends.append(End(request, stream, second, time_ns, reason, output_tokens))

    def settle(self) -> list[tuple[int, int, int]]:
        """Ends what was noted; to be called when all deliveries before are in the table. (second, row of the last worker, TPOT in ns) of each completed request."""
        if not self._ends:
            return []
        ends = [end for end in self._ends if self._request.get(end.stream) == end.request]
        self._ends = []
        found = [(end, tpot) for end in ends if (tpot := self._tpot_ns(end)) is not None]
        tpot_of = dict(found)
        self._outcomes += [(end.second, self._outcome(end, tpot_of.get(end, UNKNOWN))) for end in ends]
        self._ended.extend((end.request, life) for end in ends if (life := self._life(end.stream)) is not None)
        tpots = [(end.second, int(self._table.last_row[end.stream]), tpot) for end, tpot in found]
        self._release(np.array([end.stream for end in ends], np.intp))
        return tpots

    def _life(self, stream: int) -> Life | None:
        table = self._table
        first_ns, last_ns = int(table.first_ns[stream]), int(table.last_ns[stream])
        if first_ns == UNSEEN or last_ns == UNSEEN:
            return None
        rows = self.gone_rows + int(table.first_row[stream]), self.gone_rows + int(table.last_row[stream])
        flags = max(int(table.flags[stream]), 0)
        before_row = int(table.before_row[stream])
        moved = before_row if before_row == UNSEEN else self.gone_rows + before_row, int(table.since[stream])
        tokens, uncounted = int(table.next_token[stream]), bool(flags & UNCOUNTED)
        elsewhere = bool(table.elsewhere[stream] == 1)
        return Life(first_ns, last_ns, tokens, *rows, bool(flags & WHOLE), *moved, uncounted, elsewhere)

    def _tpot_ns(self, end: End) -> int | None:
        table, stream = self._table, end.stream
        first_ns, delivered = int(table.first_ns[stream]), int(table.next_token[stream])
        tokens = delivered if end.output_tokens is None else end.output_tokens
        # A back end may count an end-of-sequence token that it does not deliver; where more is missing the last delivery was not seen.
        taken_ns = int(table.last_ns[stream]) - first_ns
        if end.reason not in COMPLETED or first_ns == UNSEEN or taken_ns < 0 or tokens < 2:
            return None
        flags = max(int(table.flags[stream]), 0)
        if flags & WHOLE or (flags & UNCOUNTED and end.output_tokens is None):
            return None
        if not flags & UNCOUNTED and delivered < tokens - 1:
            return None
        return round(taken_ns / (tokens - 1))

    def _outcome(self, end: End, tpot_ns: int) -> Outcome:
        table, stream = self._table, end.stream
        received_ns, first_ns = int(table.received_ns[stream]), int(table.first_ns[stream])
        whole = max(int(table.flags[stream]), 0) & WHOLE
        timed = received_ns != UNSEEN and first_ns >= received_ns and not whole
        rows = (int(column[stream]) for column in (table.last_row, table.home, table.queued))
        return Outcome(
            row=next((row for row in rows if row != UNSEEN), UNKNOWN_ROW),
            model=int(table.model[stream]),
            labels=max(int(table.labels[stream]), 0),
            ttft_ns=first_ns - received_ns if timed else UNKNOWN,
            tpot_ns=tpot_ns,
            request_ns=end.time_ns - received_ns if UNSEEN != received_ns <= end.time_ns else UNKNOWN,
            ended=REASONS.get(end.reason, Ended.COMPLETED),
        )

    def _release(self, streams: Ints) -> None:
        for stream in streams.tolist():
            request = self._request.pop(stream, None)
            if request is not None and self._stream.get(request) == stream:
                del self._stream[request]
        self._table.forget(streams)
        self._medians.forget(streams)

    def forget(self) -> None:
        """The connection is lost: what becomes of the requests will not be known."""
        self._ends.clear()
        self._stream.clear()
        self._request.clear()
        self._table.forget(slice(None))
        self._medians.forget(np.arange(MAX_STREAMS))

    def name(self, stream: int) -> str:
        """The request that has the stream; `#stream` if that was never said."""
        return self._request.get(stream, f"#{stream}")

    def places(self, rows: int) -> tuple[Ints, Ints]:
        """Requests that run on and wait for each worker. A request runs where its last delivery was made, before the first one where it was admitted."""
        table = self._table
        live = np.flatnonzero(table.received_ns != UNSEEN)
        began = table.next_token[live] != UNSEEN
        runs_on = np.where(began, table.last_row[live], table.home[live])
        waits_for = np.where(runs_on == UNSEEN, table.queued[live], UNSEEN)
        running, waiting = (np.bincount(at[at > UNKNOWN_ROW], minlength=rows) for at in (runs_on, waits_for))
        return running, waiting
