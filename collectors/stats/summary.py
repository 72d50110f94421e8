"""What the statistics of one placement source say at a tick: plain columns, by which a Frame is made. Nothing is computed here."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collectors.model.frame import Gaps
from collectors.stats.fleet import Occupied, PoolKey
from collectors.stats.handovers import Moved
from collectors.stats.histograms import Quantiles
from collectors.stats.hops import Hop, Waited
from collectors.stats.paces import Pace, Piece
from collectors.stats.placements import Placed
from collectors.stats.prompts import Prompted, Reused
from collectors.stats.sketch import Counts, Floats, Ints
from collectors.stats.stalls import Stall


@dataclass(frozen=True, slots=True)
class Faults:
    """What a producer did that it should not have done, since the beginning."""

    holes: int
    """Deliveries that do not begin where the one before ended: some were missed."""
    disorder: int
    """Times that run backwards: negative gaps, durations and first-token times. Never counted as such."""
    late: int
    """Gaps that came after their second had left the window."""
    rejected: int
    """Deliveries of streams that cannot be."""


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """One source at tick `time_ns` over the window that ends there, of which it was connected for `window_s`. Arrays have a row for each of `workers`; row 0, whose id is empty, is what no known
    worker did. Times in seconds; NaN where there is nothing.
    """

    time_ns: int
    window_s: float
    workers: tuple[str, ...]
    gap: Quantiles
    """Population: gaps, by the worker of the later delivery."""
    smoothed: Ints
    """Sum of J (`rfc3550.PARTS` of a ns) over `settled` requests that are being generated, by the worker of their last delivery."""
    settled: Ints
    ttft: Quantiles
    """Population: requests that had their first token, by the worker that delivered it; from `received`."""
    tpot: Quantiles
    """Population: completed requests of at least two tokens, by the worker of their last delivery."""
    queue: Quantiles
    """Population: queue phases that ended, by worker."""
    ttft_all: Counts
    placed: Placed
    prompted: Prompted
    reused: Reused
    moved: Moved
    waited: dict[int, list[tuple[Hop, Waited]]]
    """By row."""
    running: Ints
    waiting: Ints
    stalled: Ints
    """Number of stalls."""
    longest_stall_s: Floats
    stalls: tuple[Stall, ...]
    """The newest ones, newest first."""
    longest_stalls: tuple[Stall, ...]
    """The longest ones of the window, longest first; they may be among the newest."""
    decisions: int
    ties: int
    rules: dict[str, int]
    received: int
    finished: dict[str, int]
    occupied: dict[PoolKey, Occupied]
    river_tokens: npt.NDArray[np.uint16]
    river_late: npt.NDArray[np.uint8]
    seconds: tuple[tuple[int, float | None], ...]
    """Seconds that ended since the last tick, each with its worst worker's p99 − p50 of the gaps; None if no worker had enough of them."""
    missed: Gaps
    paces: tuple[Pace, ...]
    """Of the same seconds."""
    pieces: tuple[Piece, ...]
    """Of work that has ended since the last tick."""
    disputed: dict[int, int]
    """By row, how many output tokens at most may be another worker's, or may lack in it: who made them was said after they had been counted."""
    faults: Faults
