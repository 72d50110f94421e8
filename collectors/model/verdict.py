"""What is wrong, where and why, as far as the evidence says. Part of the public object `tokenyard.snapshot/1`."""

from enum import StrEnum
from typing import Final

import msgspec

from collectors.model.figure import Figure


class Hop(StrEnum):
    """Where on a token's way; `target`: what tells of it cannot be trusted or heard."""

    TARGET = "target"
    ROUTE = "route"
    PREFILL = "prefill"
    TRANSFER = "transfer"
    TIER = "tier"
    DECODE = "decode"


class Kind(StrEnum):
    """What is wrong, in the order in which one is told before others: what makes figures untrue first, then causes, then what they lead to."""

    DOWN = "target down"
    RESTARTED = "restarted"
    FROZEN = "counters stand still"
    BACKWARDS = "counters run backwards"
    CLOCK = "clock was set"
    DESYNC = "off its period"
    STRAGGLER = "straggler"
    SLOW_PREFILL = "slow prompts"
    SLOW_LINK = "slow transfer"
    SLOW_TIER = "slow tier"
    THRASH = "tier thrash"
    POOL_FULL = "memory full"
    STALE_INDEX = "stale index"
    MIGRATION = "migration"
    IMBALANCE = "imbalance"
    QUEUE = "queue"
    PREFILL_BURSTS = "prefill bursts"


ORDER: Final = {kind: place for place, kind in enumerate(Kind)}


class Knows(StrEnum):
    QUIET = "nothing wrong"
    TROUBLE = "trouble"
    TOO_LITTLE = "not enough data"


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """One figure that says so, of the last `window_s` seconds; its `n` counts the samples, its `unit` is `s`, `ratio`, `bytes/s`, `tokens/s` … or `count`."""

    what: str
    figure: Figure
    window_s: float


class Finding(msgspec.Struct, frozen=True, gc=False):
    """`worker` is its id, or the name of a target, a router or a tier's owner; `since` is session time in seconds. `line` says all of it in a sentence: whose, `said`, `figures`, and
    in `knob` what to turn."""

    kind: Kind
    hop: Hop
    worker: str
    line: str
    knob: str
    since: float
    evidence: tuple[Evidence, ...] = ()
    said: str = ""
    figures: str = ""


class Diagnosis(msgspec.Struct, frozen=True, gc=False):
    """`findings` in the order of `Kind`: the first is the verdict. `missing` says what too little is known of."""

    knows: Knows
    findings: tuple[Finding, ...] = ()
    missing: str = ""
