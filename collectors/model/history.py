"""What was, in a few bytes a sample, for pictures: how full tiers were, and how gaps were spread. What a byte means is `model.scales`'."""

import msgspec

from collectors.model.figure import Distribution, Figure
from collectors.model.vocabulary import Device, Tier


class TierPast(msgspec.Struct, frozen=True, gc=False):
    """A tier every TIER_STEP_S, TIER_SAMPLES of them, oldest first: shares of its capacity at that time, a byte each, 0 … FULL. 0 and FULL only where it was empty
    or full; UNKNOWN_SHARE where the share was not known, or nothing was heard."""

    owner: str
    tier: Tier
    used: bytes
    active: bytes


class GapRow(msgspec.Struct, frozen=True, gc=False):
    """Gaps of all workers of one device kind and one model, and never of several, in the window.

    `counts`: u32 little endian. Where `bounds` is empty, of the bins from number `first` on; else of the buckets of pages with these upper bounds (the last +Inf), of which
    only that is known. `past`: one of LINES each, a code (`moment`) a second, GAP_SAMPLES of them, oldest first; empty where single deliveries are not seen.
    """

    device: Device
    model: str
    workers: int
    gap: Distribution
    first: int
    counts: bytes
    bounds: tuple[float, ...] = ()
    past: tuple[bytes, ...] = ()
    rfc3550_s: Figure | msgspec.UnsetType = msgspec.UNSET
    """Mean over the requests that are being generated, of at least 16 gaps each: J of RFC 3550 §6.4.1, with a gap's difference from the one before as D."""
