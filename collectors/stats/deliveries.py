"""Everything that a placement source's deliveries, requests, decisions and phases say, as statistics over a sliding window, for one Frame a tick.

Fed with the parts of batches in their order; asked once a tick. How rows were split into batches between two ticks does not matter. What a figure is called and how
it is shown is not decided here.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from collectors.model.batch import (
    Admitted,
    Decision,
    Decisions,
    Deliveries,
    Inventory,
    Occupancy,
    Part,
    Phases,
    Received,
    Requests,
    Rows,
    Watermark,
)
from collectors.model.vocabulary import Phase
from collectors.stats.choices import Choices, ChoiceSlots
from collectors.stats.elsewhere import put
from collectors.stats.fleet import UNKNOWN_ROW, Fleet
from collectors.stats.gaps import CHUNK, GapStats, Hear, Keep
from collectors.stats.handovers import MOVES, Handovers
from collectors.stats.histograms import Histograms
from collectors.stats.hops import HOPS, Hops
from collectors.stats.lives import Life
from collectors.stats.outages import Outages
from collectors.stats.outcomes import Outcome, Outcomes, OutcomeSlots
from collectors.stats.paces import MOST_PIECES, PACES, PIECES, SLOW, Pace, Piece
from collectors.stats.pending import Pending
from collectors.stats.placements import Placements
from collectors.stats.prompts import Prompts
from collectors.stats.quantiles import enough
from collectors.stats.rfc3550 import by_row
from collectors.stats.river import TICK_NS
from collectors.stats.sketch import NO_MAXIMUM, Counts, Index, Ints
from collectors.stats.slots import NEVER, SECOND_NS, Tally
from collectors.stats.stalls import Rule
from collectors.stats.steps import Steps, whole
from collectors.stats.streams import MAX_STREAMS, UNSEEN
from collectors.stats.summary import Faults, Summary

HearEnd = Callable[[int, Outcome], None]
"""Is told how each request ended, with the session second of it."""
OTHER: Final = "(others)"
"""What is counted together when there are too many different names."""


class DeliveryStats:
    """The window is that of whole seconds: [ceil(T − window_s), T), from the first part on."""

    def __init__(
        self,
        window_s: int = 60,
        rule: Rule | None = None,
        keep: Keep | None = None,
        hear: Hear | None = None,
        hear_end: HearEnd | None = None,
    ) -> None:
        """`keep` takes the single deliveries, for whoever asks about one; `hear` for whoever takes them elsewhere, as `hear_end` how requests ended."""
        self._keep = keep
        self._hear = hear
        self._hear_end = hear_end
        self._window_ns = window_s * SECOND_NS
        self._rule = rule or Rule()
        self._observed_ns: int | None = None
        self._outages = Outages()
        self._replayed_until_ns: int | None = None
        """The emitter's time up to which the stream tells of a time without a connection."""
        self._since_ns = 0
        self._told = 0
        self._first = NEVER
        self._connected = False
        self._rejected = 0
        self._backwards = 0
        self._fleet = Fleet()
        self._gone_rows = 0
        """Rows that there were before they were last numbered anew: those of a Life go on from there."""
        self._begin()

    def _begin(self) -> None:
        rows = len(self._fleet.ids)
        self._placements = Placements(rows)
        self._gaps = GapStats(rows, self._rule, self._placements)
        self._gaps.keep, self._gaps.hear, self._gaps.ids = self._keep, self._hear, self._fleet.ids
        self._lives = self._gaps.lives
        self._lives.gone_rows = self._gone_rows
        self._tpot = Histograms(rows)
        self._queue = Histograms(rows)
        self._prompts = Prompts(rows)
        self._handovers = Handovers(rows)
        self._hops = Hops()
        self._outcomes = OutcomeSlots()
        self._choices = ChoiceSlots(OTHER)
        self._paces: list[Pace] = []
        self._pieces: list[Piece] = []
        self._rules: Tally[str] = Tally(OTHER)
        self._events: Tally[str] = Tally(OTHER)
        self._finished: Tally[str] = Tally(OTHER)
        self._disputed: Tally[int] = Tally(UNKNOWN_ROW)
        self._elsewhere = False
        """Whether any deliveries may be put elsewhere."""
        self._pending = Pending()

    def inventory(self, part: Inventory, time_ns: int) -> None:
        """`time_ns`, here and below, is that of the batch. The first call begins the observation."""
        self.flush()
        if not self._fleet.fits(part):
            # More workers have come and gone than there are rows: start anew with those that are there.
            self._gone_rows += len(self._fleet.ids)
            self._fleet = Fleet()
            self._begin()
            self._observed_ns = None
            self._outages.forget()
        lost_ns = self._outages.back(time_ns, part.resumed)
        if lost_ns is not None and part.resumed:
            self._connected = True
            self._told = min(self._told, lost_ns // SECOND_NS)
            self._gaps.river.heal(lost_ns // TICK_NS)
            self._replayed_until_ns = time_ns - part.clock_offset_ns
        elif lost_ns is not None:
            self._fleet.disconnect()
            self._lives.forget()
        self._learn(part)
        if not self._connected:
            self._since_ns = time_ns
        self._connected = True
        if self._observed_ns is None:
            self._observed_ns = time_ns
            self._told = time_ns // SECOND_NS
            self._expire(time_ns)

    def lend(self, part: Inventory) -> None:
        """The source's inventory with a worker more, whose slot meant nothing before."""
        if self._fleet.fits(part):
            self._learn(part)

    def _learn(self, part: Inventory) -> None:
        self._fleet.learn(part)
        rows = len(self._fleet.ids)
        for sized in (self._placements, self._gaps, self._tpot, self._queue, self._prompts, self._handovers):
            sized.resize(rows)

    def lost(self, heard_ns: int) -> None:
        """The source is not connected any more: unless the next inventory says that it goes on from there, nothing was observed from its last word until then, and what
        became of the requests will not be known."""
        self.flush()
        if self._connected:
            self._outages.lost(heard_ns)
        self._connected = False

    def watermark(self, part: Watermark, time_ns: int) -> None:
        if part.missed:
            self._outages.missed(part.missed, time_ns)
        else:
            self._outages.marked()
        if self._replayed_until_ns is not None and part.time_ns >= self._replayed_until_ns:
            self._replayed_until_ns = None

    def deliveries(self, part: Deliveries, time_ns: int) -> None:
        self._pending.add(part, time_ns)
        if self._pending.rows >= CHUNK:
            self.flush()

    def preparing(self, part: Part) -> Steps[None]:
        """What taking a part would begin with, in steps: a stream that is given to another request is the one's before until its deliveries are dealt with."""
        if isinstance(part, Requests) and any(
            isinstance(row, Received) and self._lives.taken(row.stream) for row in part.rows
        ):
            yield from self.flushing()

    def requests(self, part: Requests, time_ns: int) -> None:
        for row in part.rows:
            second = self._second(row.time_ns, time_ns)
            if isinstance(row, Received):
                if self._lives.taken(row.stream):
                    self.flush()
                names = self._outcomes
                self._lives.receive(
                    row.request,
                    row.stream,
                    row.time_ns,
                    row.prompt_tokens,
                    names.models.number(row.model),
                    names.labels.mask(row.labels),
                )
                if row.time_ns + self._fleet.clock_offset_ns >= self._since_ns:
                    self._events.add(second, "received")
            elif isinstance(row, Admitted):
                self._admit(row, second)
            else:
                self._lives.end(row.request, second, row.time_ns, row.reason, row.output_tokens)
                self._finished.add(second, row.reason)

    def decisions(self, part: Decisions, time_ns: int) -> None:
        for row in part.rows:
            second = self._second(row.time_ns, time_ns)
            self._events.add(second, "decided")
            self._rules.add(second, row.rule)
            self._choices.add(second, self._fleet.row(row.chosen), row)
            self._lives.label(row.request, self._outcomes.labels.mask(row.labels))
            if row.tie:
                self._events.add(second, "tied")
            believed = self._prompts.decide(second, self._lives.prompt_tokens(row.request), row)
            if believed is not None:
                self._prompts.deliver(self._lives.weigh(row.request, believed=(second, believed)))
            self._lives.send(row.request, self._fleet.row(_first_worker(row)))

    def phases(self, part: Phases, time_ns: int) -> None:
        waits, moves = [], []
        for row in part.rows:
            if row.duration_ns < 0:
                self._backwards += 1
                continue
            second = self._second(row.start_ns + row.duration_ns, time_ns)
            if row.phase in PIECES and len(self._pieces) < MOST_PIECES:
                self._pieces.append(Piece(second, self._fleet.row(row.worker), row))
            if row.phase in HOPS:
                self._hops.add(second, self._fleet.row(row.worker), row)
            if row.phase is Phase.QUEUE:
                waits.append((second, self._fleet.row(row.worker), row.duration_ns))
            elif row.phase is Phase.PREFILL and row.tokens:
                self._placements.add_prompt(second, self._fleet.row(row.worker), row.tier, row.tokens)
            elif row.phase in MOVES:
                moves.append((second, self._fleet.row(row.worker), row))
        _add(self._queue, waits)
        self._handovers.add(moves)

    def ended(self) -> list[tuple[str, Life]]:
        """Requests that have ended since this was asked, with how their deliveries were."""
        return self._lives.ended()

    def moved(self) -> list[tuple[str, Life]]:
        """Requests that went on with another worker since this was asked, and live."""
        return self._lives.moved()

    def taken_over(self, request: str, named: int, by: int, since: int, life: Life | None, time_ns: int) -> bool:
        """Who knows says that its tokens from `since` on are of the worker of slot `by`, though its deliveries go on naming slot `named`: so they are counted from now on. Those
        that were counted before are in dispute between the two. `life`: of a request that has ended. Whether it is known."""
        table, stream = self._gaps.table, self._lives.stream(request)
        if stream is not None:
            if table.taken_since[stream] != UNSEEN:
                self.flush()
            tokens, row = int(table.next_token[stream]), int(table.last_row[stream])
            table.taken_from[stream], table.taken_by[stream], table.taken_since[stream] = named, by, since
            self._elsewhere = True
        elif life is not None and life.row >= self._gone_rows:
            tokens, row = life.tokens, life.row - self._gone_rows
        else:
            return False
        other = self._fleet.row(by)
        if tokens > since and row != other:
            second = max(time_ns // SECOND_NS, self._first)
            for one in (row, other):
                self._disputed.add(second, one, tokens - since)
        return True

    def outcomes(self) -> Outcomes:
        """How the requests of the window ended, as of the last tick."""
        return self._outcomes.window()

    def choices(self) -> Choices:
        return self._choices.window()

    def begun(self) -> list[tuple[str, int, int]]:
        """Requests that were told of since this was asked, with when each was received and the serial number of its deliveries from then on."""
        return self._lives.begun()

    def life(self, request: str) -> Life | None:
        """Of one that lives."""
        return self._lives.of(request)

    def lives(self, request: str) -> bool:
        """Whether its end is still to be told: of one whose connection was lost it may never be."""
        return self._lives.has(request)

    def gaps_by_group(self, group_of_row: Index, groups: int, second: int | None = None) -> list[Counts]:
        """Gaps of the workers of each group, over the window or in one second; `group_of_row` has a group (or −1) for each of a Summary's workers."""
        return self._gaps.gap.grouped(group_of_row, groups, second)

    def worker(self, row: int) -> str:
        """The id of a Life's; empty where it is not known, or of those that there were before rows were numbered anew."""
        return self._fleet.ids[row - self._gone_rows] if row >= self._gone_rows else ""

    def rename(self, before: str, after: str) -> None:
        """A worker has another name from now on."""
        self._fleet.rename(before, after)

    def occupancy(self, part: Occupancy) -> None:
        self._fleet.occupancy(part.rows)

    def flush(self) -> None:
        """Deals with the deliveries that have come, and with the requests that ended after them; a tick does it by itself."""
        whole(self.flushing())

    def flushing(self) -> Steps[None]:
        """The same in steps, between which nothing may be fed or asked."""
        if self._pending.rows:
            yield from self._digest(*self._pending.take())
        _add(self._tpot, self._lives.settle())
        for second, outcome in self._lives.outcomes():
            self._outcomes.add(second, outcome)
            if self._hear_end is not None:
                self._hear_end(second, outcome)

    def tick(self, time_ns: int) -> Summary:
        """The state at a tick after all parts before it; ticks come in order."""
        return whole(self.ticking(time_ns))

    def ticking(self, time_ns: int) -> Steps[Summary]:
        """The same in steps, between which nothing may be fed."""
        yield from self.flushing()
        yield
        observed_ns = time_ns if self._observed_ns is None else self._observed_ns
        self._expire(time_ns)
        yield
        begin_ns = max(self._first * SECOND_NS, observed_ns)
        running, waiting = self._lives.places(len(self._fleet.ids))
        river_tokens, river_late = self._gaps.river.draw(time_ns // TICK_NS, self._connected)
        events = self._events.sums()
        smoothed, settled = by_row(self._gaps.table, len(self._fleet.ids))
        _, longest_ns = self._gaps.longest_stall.window()
        gap, ttft, ttft_all = self._gaps.gap.quantiles(), self._gaps.ttft.quantiles(), self._gaps.ttft.merged()
        yield
        seconds = self._tell(time_ns // SECOND_NS)
        yield
        return Summary(
            time_ns=time_ns,
            window_s=self._outages.observed(begin_ns, time_ns) / SECOND_NS,
            workers=tuple(self._fleet.ids),
            gap=gap,
            ttft=ttft,
            smoothed=smoothed,
            settled=settled,
            tpot=self._tpot.quantiles(),
            queue=self._queue.quantiles(),
            ttft_all=ttft_all,
            placed=self._placements.placed(),
            prompted=self._prompts.prompted(),
            reused=self._prompts.reused(),
            moved=self._handovers.moved(),
            waited=self._hops.waited(),
            running=running,
            waiting=waiting,
            stalled=self._gaps.stalled.sums(),
            longest_stall_s=np.where(longest_ns == NO_MAXIMUM, np.nan, longest_ns / 1e9),
            stalls=self._gaps.ledger.newest(),
            longest_stalls=self._gaps.ledger.longest(),
            decisions=events.get("decided", 0),
            ties=events.get("tied", 0),
            rules=self._rules.sums(),
            received=events.get("received", 0),
            finished=self._finished.sums(),
            occupied=dict(self._fleet.occupied) if self._connected else {},
            river_tokens=river_tokens,
            river_late=river_late,
            seconds=seconds,
            missed=self._outages.told(),
            paces=self._drain_paces(),
            pieces=self._drain_pieces(),
            disputed=self._disputed.sums(),
            faults=Faults(self._gaps.holes, self._gaps.disorder + self._backwards, self._gaps.gap.late, self._rejected),
        )

    def _drain_paces(self) -> tuple[Pace, ...]:
        paces, self._paces = self._paces, []
        return tuple(paces)

    def _drain_pieces(self) -> tuple[Piece, ...]:
        pieces, self._pieces = self._pieces, []
        return tuple(pieces)

    def _admit(self, row: Admitted, second: int) -> None:
        worker = self._fleet.row(row.worker)
        self._lives.admit(row.request, worker)
        hits = [(self._fleet.pool(slot), tokens) for slot, tokens in row.hits]
        if not row.again:
            for pool, tokens in hits:
                self._placements.add_hit(second, pool, tokens)
        prompt_tokens = self._lives.prompt_tokens(row.request)
        self._prompts.admit(second, worker, prompt_tokens, row.computed_tokens, hits, row.again)
        if not row.again:
            self._prompts.deliver(self._lives.weigh(row.request, found=sum(tokens for _, tokens in hits)))

    def _second(self, time_ns: int, limit_ns: int) -> int:
        """Session second of an event; one that claims to be later than its batch counts at the batch's time, and all that have left the window count in one."""
        return max(min(time_ns + self._fleet.clock_offset_ns, limit_ns) // SECOND_NS, self._first - 1)

    def _expire(self, time_ns: int) -> None:
        """The window is that of a tick at `time_ns` from now on."""
        self._first = -(-(time_ns - self._window_ns) // SECOND_NS)
        for part in (
            *(self._placements, self._gaps, self._tpot, self._queue, self._prompts, self._handovers),
            *(self._hops, self._rules, self._events, self._finished, self._outcomes, self._choices, self._disputed),
        ):
            part.expire(self._first)

    def _digest(self, rows: Rows, extras: Rows, limit_ns: Ints | int) -> Steps[None]:
        streams = int(rows["stream"].max()) + 1
        if streams > MAX_STREAMS or (len(extras) and rows["extra"].sum() != len(extras)):
            self._rejected += len(rows)
            return
        if self._elsewhere:
            self._gaps.table.reserve(streams)
            rows = put(rows, self._gaps.table)
        offset_ns, row_of_worker = self._fleet.clock_offset_ns, self._fleet.row_of_slot
        yield from self._gaps.adding(rows, streams, offset_ns, limit_ns, row_of_worker, extras)
        if len(extras):
            second = np.minimum(rows["time_ns"] + offset_ns, limit_ns) // SECOND_NS
            self._placements.add_extras(np.maximum(second, self._first - 1), rows, extras, row_of_worker)

    def _tell(self, second: int) -> tuple[tuple[int, float | None], ...]:
        told = []
        for one in range(max(self._told, second - self._window_ns // SECOND_NS), second):
            rows, n, values = self._gaps.gap.of_second(one, PACES)
            limits_ns = np.zeros(len(self._fleet.ids), np.int64)
            limits_ns[rows] = np.nan_to_num(SLOW * values[:, 1] * SECOND_NS)
            self._paces.append(Pace(one, rows, n, values, self._gaps.gap.above(one, limits_ns)[rows]))
            jitter = [
                p99 - p50
                for count, (_, p50, p99, _) in zip(n.tolist(), values.tolist(), strict=True)
                if enough(count, 0.99)
            ]
            told.append((one, max(jitter, default=None)))
        if self._replayed_until_ns is None:
            self._told = second
        return tuple(told)


def _first_worker(decision: Decision) -> int:
    """Slot of the worker that the request goes to first: the one that ingests its prompt, where that is another than the chosen one."""
    chosen = [candidate for candidate in decision.candidates if candidate.worker == decision.chosen]
    best = max(chosen, key=lambda candidate: candidate.score, default=None)
    return decision.chosen if best is None or best.prefill is None else best.prefill


def _add(histograms: Histograms, events: list[tuple[int, int, int]]) -> None:
    """(second, row, duration) each."""
    if events:
        second, row, value_ns = np.array(events, np.int64).T.copy()
        histograms.add(second, row, value_ns)
