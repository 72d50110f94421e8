"""A trace on the simulation's clock: every call is asked at the time the trace intends, however slow the answers are.

Contents are not known but by the trace's blocks: these become blocks of KV of 16 tokens with equal names where the trace's are equal after equal ones. What a
trace does not name, and all answers, are a call's own. Where prompts are named, an answer comes again in the next prompt under the names that the trace has for it, so its own blocks are given up when it
ends: kept, it would be held twice.
"""

import logging
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

import numpy as np

from emulators.asking import Asked
from emulators.blocks import BLOCK_TOKENS, Hashes, blocks_for, chained, mix
from emulators.loop import Loop
from emulators.prompts import Prompts
from emulators.randomness import generator
from emulators.traces import Trace
from emulators.traces.formats import Call, calls
from emulators.traces.lines import TraceError
from emulators.traces.links import Links
from emulators.traces.timeline import timeline

MAX_TOLD: Final = 10
"""Lines that could not be read of which each is told; of further ones only the count is."""
_log: Final = logging.getLogger(__name__)


class Replay:
    """Plans a trace's calls on the loop, one ahead of now, and hands each to `ask` when it is due.

    Lines that cannot be read are counted (`skipped`), the first told to the log, and the others replayed. TraceError if the file cannot be read or its first call cannot be found.
    """

    def __init__(self, loop: Loop, seed: int, trace: Trace, ask: Callable[[Asked], None]) -> None:
        self._loop, self._ask = loop, ask
        self.asked = self.skipped = 0
        self._prompts = Prompts()
        self._links = Links()
        rng = generator(seed, "trace", trace.name)
        self._due = timeline(calls(trace.path, self._skip), trace, rng)
        if not self._plan():
            raise TraceError(f"{trace.path}: no call in it could be read ({self.skipped} lines could not)")

    def _plan(self) -> bool:
        due = next(self._due, None)
        if due is not None:
            self._loop.at(max(self._loop.now_ns, due[0]), self._begin, *due)
        return due is not None

    def _begin(self, at_ns: int, call: Call) -> None:
        self._plan()
        self.asked += 1
        output = max(1, call.output)
        workflow = call.session or None
        self._ask(
            Asked(
                id=f"t-{call.line}",
                prompt=call.input,
                output=output,
                limit=output if call.cut else output + 1,
                context=self._prompts.context(names(call)),
                kind="interactive",
                findable=call.input if call.blocks else 1 << 62,
                workload="trace",
                workflow=workflow,
                parents=self._links.follow(call) if workflow else (),
                intended_ns=at_ns,
            )
        )

    def _skip(self, error: TraceError) -> None:
        self.skipped += 1
        if self.skipped <= MAX_TOLD:
            _log.warning("%s; the line is left out%s", error, "" if self.skipped < MAX_TOLD else ", as others may be")


def names(call: Call) -> Hashes:
    """Names of all blocks of KV that a call's prompt and answer take."""
    whose = _number(call.session)
    own = _number(f"{call.session} {call.line}")
    contents: Hashes = np.full(blocks_for(call.input + max(1, call.output)), own, dtype=np.uint64)
    if call.blocks:
        pieces = call.block_tokens // BLOCK_TOKENS
        first: Hashes = np.concatenate([np.arange(ids.start, ids.stop, dtype=np.uint64) for ids in call.blocks])
        told: Hashes = np.add.outer(first * np.uint64(pieces), np.arange(pieces, dtype=np.uint64)).ravel()
        told = told[: call.input // BLOCK_TOKENS]
        contents[: len(told)] = mix(told ^ whose)
    return chained(contents)[0]


def _number(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little"))
