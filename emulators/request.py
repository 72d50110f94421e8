"""One request on its way: what it asks for, and how far it has come. Workers move it along; nothing here acts."""

from collections.abc import Callable
from dataclasses import dataclass

from emulators.blocks import BLOCK_TOKENS, Context, blocks_for


def _nobody() -> None:
    """Whom a request tells that nobody waits for."""


@dataclass(slots=True, eq=False)
class Request:
    """Tokens are counts, times nanoseconds. `output` is what it will generate (the emulator knows), `limit` what it may."""

    id: str
    stream: int
    received_ns: int
    prompt: int
    output: int
    limit: int
    context: Context
    """KV blocks of prompt and output, by position: at least those are named."""
    labels: tuple[str, ...]
    findable: int = 1 << 62
    """Tokens of the context whose blocks another request may find; those behind are given up at the end."""
    workflow: str | None = None
    target_ttft_s: float | None = None
    workload: str = "asked"
    """Whose it is: a kind of session, `trace`, or `asked` of those that come from outside."""
    parents: tuple[str, ...] = ()
    """Ids of the requests of its workflow whose answers it follows from."""
    intended_ns: int = -1
    """When it was meant to be asked; later than that where it had to wait for an answer."""

    ingest: int = -1
    """Slot of the worker that computes the prompt, and of the one that generates."""
    generate: int = -1

    computed: int = 0
    """Tokens whose KV the ingesting worker holds, in the first `held` blocks."""
    held: int = 0
    goal: int = 0
    """Tokens whose KV must be there before the next one can be sampled: the prompt, and after a preemption what was generated, too."""
    produced: int = 0

    queued_ns: int = 0
    admitted_ns: int = -1
    first_ns: int = -1
    last_ns: int = -1
    decoding_ns: int = -1
    preempted_ns: int = -1
    preemptions: int = 0
    computed_prompt: int = 0
    fetches: int = 0
    """Transfers under way that it waits for."""
    answered: Callable[[], None] = _nobody
    """Told when it has ended."""
    aborted: bool = False
    """Whoever asked has gone; it ends before its output is whole."""
    failed: bool = False
    """Its worker was lost, and it could not go on elsewhere."""
    moves: int = 0
    """How often it was taken from a worker and sent to another."""
    named: tuple[int, int] | None = None
    """Slots of the workers that it was sent to first, who ingests and who generates: those that a front end names."""

    @property
    def reason(self) -> str:
        if self.aborted or self.failed:
            return "abort" if self.aborted else "error"
        return "length" if self.output == self.limit else "stop"

    def full_blocks(self, computed: int) -> int:
        """Of those that hold so many tokens, the blocks that are full, and of use to others."""
        return min(computed, self.findable) // BLOCK_TOKENS

    @property
    def most_blocks(self) -> int:
        """Blocks that it may come to need."""
        return blocks_for(self.prompt + self.limit)

    @property
    def final_tokens(self) -> int:
        """Tokens whose KV exists at the end: the last token sampled is not computed upon."""
        return self.prompt + self.output - 1
