"""What a worker notes of its requests: counters, histograms, and the samples behind exact quantiles."""

from collections.abc import Sequence

from emulators import stats
from emulators.kv import Pool
from emulators.phases import Phases, Reads
from emulators.request import Request
from emulators.samples import Samples
from emulators.stats import WorkerStats


class Observed:
    """One worker's `WorkerStats`, kept up to date; see `emulators.stats` for which worker notes what."""

    __slots__ = ("beside_tokens", "gaps", "phases", "prefilled_tokens", "reads", "stage", "stats", "ttft")

    def __init__(self, *, fast_gaps: bool, keep: bool) -> None:
        self.stats = WorkerStats(histograms=stats.histograms(fast_gaps=fast_gaps))
        self.gaps = Samples(self.stats.histograms[stats.GAP], keep=keep)
        self.ttft = Samples(self.stats.histograms[stats.TTFT], keep=keep)
        self.prefilled_tokens = 0
        """Tokens computed in prefill chunks that have ended, recomputation included."""
        self.stage = "decode"
        """In which its output tokens are made, or, of a worker that samples none, which others' tokens pass."""
        self.beside_tokens = 0
        """Tokens that another worker sampled and that passed a stage here."""
        self.phases = Phases()
        self.reads = Reads()

    def steps(self, tokens: int, count: int) -> None:
        """So many steps of so many tokens each have ended."""
        self.stats.steps += count
        self.stats.histograms[stats.ITERATION_TOKENS].add_one(tokens, count)

    def admitted(self, now_ns: int, request: Request, hits: Sequence[tuple[Pool, int]]) -> None:
        """A prompt was begun; `hits` are tokens by the pool in which they were found. Another worker's pool is `peer` to this one."""
        counts = self.stats
        counts.prompt_tokens += request.prompt
        counts.computed_tokens += request.computed_prompt
        for pool, tokens in hits:
            pool.hit_tokens += tokens
            tier = pool.tier if pool.worker in (None, request.ingest) else stats.PEER
            counts.hit_tokens[tier] = counts.hit_tokens.get(tier, 0) + tokens
        self.queued(now_ns - request.queued_ns)

    def queued(self, duration_ns: int) -> None:
        self.stats.histograms[stats.QUEUE].add_one(duration_ns)

    def first_token(self, now_ns: int, request: Request) -> None:
        self.ttft.append(now_ns - request.received_ns)
        note = self.stats.histograms
        note[stats.PREFILL].add_one(now_ns - request.admitted_ns)
        note[stats.PROMPT_TOKENS].add_one(request.prompt)
        note[stats.COMPUTED_TOKENS].add_one(request.computed_prompt)

    def finished(self, now_ns: int, request: Request) -> None:
        self.stats.finished[request.reason] += 1
        if request.aborted:
            return
        note = self.stats.histograms
        note[stats.E2E].add_one(now_ns - request.received_ns)
        note[stats.INFERENCE].add_one(now_ns - request.admitted_ns)
        note[stats.DECODE].add_one(now_ns - request.first_ns)
        note[stats.GENERATION_TOKENS].add_one(request.output)
        note[stats.MAX_TOKENS].add_one(request.limit)
        note[stats.NUM_PREEMPTIONS].add_one(request.preemptions)
        if request.output > 1:
            note[stats.TPOT].add_one((now_ns - request.first_ns) // (request.output - 1))

    def flush(self) -> None:
        """Brings the histograms up to what has been added in bulk."""
        self.gaps.flush()
        self.ttft.flush()
