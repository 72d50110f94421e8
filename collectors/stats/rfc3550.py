"""Smoothed interarrival jitter as RTP receivers report it (RFC 3550 §6.4.1): J += (|D| − J) / 16, with D the change from one gap to the next."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

GAIN: Final = 1 / 16


def smoothed_jitter(gaps: Sequence[float]) -> float:
    """J after the last of the gaps, in their unit; 0 for fewer than two."""
    jitter = 0.0
    for previous, gap in pairwise(gaps):
        jitter += (abs(gap - previous) - jitter) * GAIN
    return jitter
