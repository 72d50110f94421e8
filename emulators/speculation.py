"""Speculative decoding over two devices: a small model on an LPU drafts, the large one on a GPU verifies; what it accepts, and one token of its own, is one delivery.

    round = crossing + k · draft token + crossing + verifying step of k + 1 tokens for each sequence

Each drafted token is accepted with the same probability, independently, until the first that is not: with k drafted, a round yields (1 − a^(k + 1)) / (1 − a) tokens on average (Leviathan et al.,
ICML 2023, arXiv 2211.17192, equation 1). The sequences of a batch are drafted beside one another in the LPU's pipeline and verified in one step.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emulators.catalogue import Link
from emulators.gpu import Noise, StepModel
from emulators.round_worker import Round
from emulators.stats import Ints


@dataclass(slots=True)
class Speculation:
    """A deployment (`emulators.round_worker`). `draft_gap_ns`: time of a drafted token by context; `draft_reads`: bytes of weights and KV that one pass reads, by context."""

    steps: StepModel
    noise: Noise
    link: Link
    draft_gap_ns: Callable[[int], int]
    draft_reads: Callable[[int, int], tuple[int, int]]
    draft_tokens: int
    acceptance: float
    rng: np.random.Generator

    @property
    def counts(self) -> dict[str, int]:
        """What is counted, before the first round. `accepted_at_0`: of the tokens that were drafted first, those that were accepted, and so on."""
        return {
            "drafted_tokens": 0,
            "accepted_tokens": 0,
            **{f"accepted_at_{at}": 0 for at in range(self.draft_tokens)},
        }

    def plan(self, contexts: Ints, left: Ints) -> Round:
        """What is accepted of each sequence, and one token more; never more than it has yet to yield. Counted: what is drafted and accepted, also beyond the end of a request."""
        sequences, drafted = len(contexts), self.draft_tokens
        misses = self.rng.random((sequences, drafted)) >= self.acceptance
        accepted: Ints = np.where(misses.any(axis=1), misses.argmax(axis=1), drafted)
        tokens = np.minimum(accepted + 1, left)
        attended = self.steps.attended(contexts)
        noise = float(self.noise.peek(1)[0])
        self.noise.skip(1)
        computed = sequences * (drafted + 1)
        # Tokens to verify read the context of their sequence once: as a piece of prompt does.
        verify = self.steps.verify_seconds(sequences, drafted + 1, attended) * noise
        crossing = round(self.link.latency_s.value * 1e9)
        drafting = drafted * self.draft_gap_ns(int(contexts.max()) + drafted)
        verifying = round(verify * 1e9)
        weights, kv = (
            sum(parts) for parts in zip(*(self.draft_reads(one, drafted) for one in contexts.tolist()), strict=True)
        )
        return Round(
            duration_ns=2 * crossing + drafting + verifying,
            primary_ns=verifying,
            beside_after_ns=crossing,
            beside_ns=drafting,
            tokens=tokens,
            reads=self.steps.reads(computed, attended),
            beside_reads=(weights, kv),
            counts={
                "drafted_tokens": sequences * drafted,
                "accepted_tokens": int(accepted.sum()),
                **{f"accepted_at_{at}": int((accepted > at).sum()) for at in range(drafted)},
            },
        )
