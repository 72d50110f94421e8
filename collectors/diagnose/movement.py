"""What it costs in energy to move KV between tiers, at the memory devices themselves. Assumed figures, and never to be added to what whole machines draw.

Joules a bit at the device (not the path to it); they differ by some 30 % between generations and sources:
SRAM 0.22 pJ (1 MB macro at 7 nm: Jouppi et al., Ten Lessons, ISCA 2021, table 2), HBM 3.9 (HBM2: O'Connor et al., Fine-Grained DRAM, MICRO-50, 2017), GDDR 6.5 (GDDR6),
DRAM 20 (DDR4; Horowitz, ISSCC 2014, has 20 to 41), flash 220 (a drive of 25 W at 14 GB/s). Of object stores and peers nothing is assumed.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from collectors.diagnose.tier_groups import Edge
from collectors.model.figure import Figure
from collectors.model.frame import Frame
from collectors.model.vocabulary import Provenance, Tier
from collectors.stats.figures import figure, total

PJ_PER_BIT: Final = {Tier.SRAM: 0.22, Tier.HBM: 3.9, Tier.GDDR: 6.5, Tier.DRAM: 20.0, Tier.FLASH: 220.0}
FORMULA: Final = "bytes moved a second × 8 × pJ/bit of the tier, read or written (assumed, ±30 %)"


class Movement(NamedTuple):
    """Of one tier: watts of moving KV out of it and into it. What a step reads of its own memory is not in it."""

    tier: Tier
    pj_per_bit: float
    out: Figure | None
    into: Figure | None


def movements(frame: Frame, ways: Sequence[Edge]) -> tuple[Movement, ...]:
    """Of the tiers that anything is known of, by what flows between them; None where nothing moved that way, as far as anybody tells."""
    found = [edge for edge in ways if edge.moved_per_s.unit == "bytes"]
    rows = (
        Movement(
            tier,
            pj,
            _watts([edge.moved_per_s for edge in found if edge.source is tier], pj),
            _watts(_written(frame, tier) or [edge.moved_per_s for edge in found if edge.to is tier], pj),
        )
        for tier, pj in PJ_PER_BIT.items()
    )
    return tuple(row for row in rows if row.out is not None or row.into is not None)


def _written(frame: Frame, tier: Tier) -> list[Figure]:
    """What was stored there, where single blocks are heard of: all that comes in, whatever from."""
    told = [row.stored_bytes_per_s for row in frame.tiers if row.tier is tier]
    return [one for one in told if isinstance(one, Figure) and one.value is not None]


def _watts(moved: list[Figure], pj: float) -> Figure | None:
    known = [one for one in moved if one.value is not None]
    if not known:
        return None
    whole = total(known, emulated=any(one.emulated for one in known))
    made = figure(
        (whole.value or 0) * 8 * pj * 1e-12,
        Provenance.ASSUMED,
        emulated=whole.emulated,
        heard_ns=whole.heard_ns,
        unit="watts",
    )
    return msgspec.structs.replace(made, estimate=True, formula=FORMULA, state=whole.state)
