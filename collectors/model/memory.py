"""Where KV is in a Frame: tiers, hits, what was moved between them, and where prompt tokens came from. Part of the public object `tokenyard.snapshot/1`."""

import msgspec

from collectors.model.figure import Distribution, Figure
from collectors.model.vocabulary import Phase, Tier


class HitRate(msgspec.Struct, frozen=True, gc=False):
    """Share of what was looked for that was found, `hits` ÷ `of`, both in `unit` (tokens, blocks, lookups), over `window_s`.

    `tiers` are those whose hits are in it; `of` is told by `population`. `preempted`: requests were preempted in the window, and what they recompute may count
    as hits; None where that is not known.
    """

    rate: Figure
    hits: Figure
    of: Figure
    unit: str
    population: str
    tiers: tuple[Tier, ...]
    window_s: float | None
    preempted: bool | None


class TierRow(msgspec.Struct, frozen=True, gc=False):
    owner: str
    worker: str | None
    tier: Tier
    used_bytes: Figure
    active_bytes: Figure
    capacity_bytes: Figure
    hit_tokens: Figure
    stored_per_s: Figure | msgspec.UnsetType = msgspec.UNSET
    """Blocks a second in the window that came to be in the tier, where single blocks are heard of; so the next two."""
    evicted_per_s: Figure | msgspec.UnsetType = msgspec.UNSET
    """Blocks that were removed one by one; those of a pool that was emptied as a whole are not among them."""
    promoted_per_s: Figure | msgspec.UnsetType = msgspec.UNSET
    """Those of the stored ones that a slower tier of the same worker held."""
    unread: Figure | msgspec.UnsetType = msgspec.UNSET
    """Share of what was stored here in the window that was never read since: about, as no faster tier of the same worker took it from here, or at least, by how much
    was fetched from here (`formula`)."""
    stored_bytes_per_s: Figure | msgspec.UnsetType = msgspec.UNSET
    evicted_bytes_per_s: Figure | msgspec.UnsetType = msgspec.UNSET
    stored_again: Figure | msgspec.UnsetType = msgspec.UNSET
    """Share of the blocks stored here in the window that had been removed from here at most a window before: what a tier that is too small takes back."""
    again_bytes_per_s: Figure | msgspec.UnsetType = msgspec.UNSET
    hit_rate: HitRate | msgspec.UnsetType = msgspec.UNSET


class PromptRow(msgspec.Struct, frozen=True, gc=False):
    """Where the prompt tokens of a worker came from in the window: computed, or found in some tier, never both.

    `residual_tokens` is prompt − computed − found: what does not add up, absent where one of the three is worked out from the others. `recompute_tax` is
    `recomputed_tokens` (after preemptions) ÷ all computed ones. Page counters may be counted at different moments of a request, so a residual comes and goes.
    """

    worker: str
    window_s: float | None
    prompt_tokens: Figure
    computed_tokens: Figure
    hit_tokens: Figure
    residual_tokens: Figure
    hit_rate: HitRate
    recomputed_tokens: Figure
    recompute_tax: Figure
    preemptions: Figure


class ReuseRow(msgspec.Struct, frozen=True, gc=False):
    """The reuse waterfall of a router: prompt tokens that the best worker was believed to hold when it chose, those that the chosen one was, and those that the
    engines then found."""

    router: str
    window_s: float | None
    prompt_tokens: Figure
    available_tokens: Figure
    captured_tokens: Figure
    delivered_tokens: Figure
    predicted_ratio: Distribution
    """What the router expected of each request, 0–1."""
    missing_tokens: Figure | msgspec.UnsetType = msgspec.UNSET
    """Of single requests, where these are told: tokens that the chosen worker was believed to hold and that were not found, and those found that it was not
    believed to hold; `n` counts the requests."""
    unforeseen_tokens: Figure | msgspec.UnsetType = msgspec.UNSET


class FlowRow(msgspec.Struct, frozen=True, gc=False):
    """KV that a worker, or a cache of several, moved from `tier` to `to` (None: not said). `moved_per_s` has its own unit: bytes, tokens or blocks a second."""

    owner: str
    worker: str | None
    tier: Tier
    to: Tier | None
    label: str
    moved_per_s: Figure
    duration: Distribution
    failures: Figure


class HandoverRow(msgspec.Struct, frozen=True, gc=False):
    """KV handed on from a prefill to a decode worker, told by `worker`: by the one that took it, or by a router that only knows a bound."""

    worker: str
    duration: Distribution
    bytes_per_s: Figure
    failures: Figure
    to: Tier | None = None
    """The tier into which it was moved, where that is said and only one."""


class HopRow(msgspec.Struct, frozen=True, gc=False):
    """How long requests waited for the KV of a token of their context, at `worker`: that it was computed there (`prefill`), fetched from `tier` (`fetch`), or handed
    over into `tier` (`transfer`). Of the phases that ended in the window and say how many tokens they are of.

    `s_per_token` is Σ durations ÷ `tokens`, `n` of both the phases: requests that share a step or a link each wait for all of it. `joules_per_token` of computing is what
    the worker's page counts for steps with prompts in them, ÷ tokens: absent where it counts none.
    """

    worker: str
    phase: Phase
    tier: Tier
    tokens: Figure
    s_per_token: Figure
    bytes_per_token: Figure
    joules_per_token: Figure
