"""Every glyph that carries meaning, in one place, each one cell wide; `?` prints this legend."""

from typing import Final

LIVE: Final = "●"
PAUSED: Final = "‖"
REPLAY: Final = "▶"
WAITING: Final = "○"
ENDED: Final = "■"

ABSENT: Final = "–"
UNSAMPLED: Final = "·"
NAN: Final = "NaN"
STALE: Final = "~"
TOO_FEW: Final = "n too small"
ESTIMATE: Final = "≈"
AT_LEAST: Final = "≥"
DOUBTFUL: Final = "?"
"""After a hit rate."""
UNEQUAL: Final = "≠"
MOVED: Final = "⇥"
OURS: Final = "◇"

SELECTED: Final = "▸"
RISING: Final = "↑"
FALLING: Final = "↓"

DOWN: Final = "✗"
VERDICT: Final = "▲"
ELLIPSIS: Final = "…"

HEIGHTS: Final = " ▁▂▃▄▅▆▇█"
"""Nothing, then eighths of a cell."""
BUCKET_HEIGHTS: Final = " ⡀⣀⣄⣤⣦⣶⣷⣿"
"""The same, of what is known to lie between two bounds."""
PAST_HEIGHTS: Final = " ⡀⡀⡄⡄⡆⡆⡇⡇"
"""The same, of what was not watched but had been stored."""
AREA: Final = "⣿ ⡪"
"""Of a chart: full, and thinned out."""
STALL: Final = "!"
UNOBSERVED: Final = "╌"

ACTIVE: Final = "█"
EVICTABLE: Final = "▒"
FREE: Final = "·"

BREAK: Final = "┊"
RESTART: Final = "↻"
NO_DATA: Final = "·"
CURSOR: Final = "┃"
BOOKMARK: Final = "◆"

LEGEND: Final[tuple[tuple[str, str], ...]] = (
    (SELECTED, "the panel that the keys go to, and the row under its cursor"),
    (f"{RISING}run {FALLING}run", "the column that rows are sorted by, the smallest or the largest first"),
    (ABSENT, "the back end does not say"),
    ("0", "known to be nothing"),
    (UNSAMPLED, "declared, but nothing counted yet"),
    (NAN, "the back end says so: not a number"),
    (STALE, "old: the last value, and its age"),
    (TOO_FEW, "fewer than 1/(1−q) samples for quantile q"),
    ("(25, 50] ms", "known only to lie between two bounds"),
    ("20 ±3 µs", "known to within so much"),
    ("> 2.5 s", "above the highest bound that is counted"),
    (f"{ESTIMATE} 1.2k", "an estimate: a bound, a proxy, or something was missed"),
    (BOOKMARK, "timeline: a bookmark"),
    (f"{ACTIVE}{EVICTABLE}{FREE}", "tier: in use by requests, evictable, free"),
    ("50 % act, a", "tier: active only; the back end does not tell what else is there"),
    ("64 %, b, l", "tier: hit rate by prompt tokens; by blocks, by look-ups; without % hit tokens"),
    (f"64 %{DOUBTFUL}", "tier: requests were preempted, and what they recompute may count as hits"),
    (f"{UNEQUAL} 68 tok", "tiers: prompt tokens that were neither computed nor found, or both"),
    (
        f"{UNEQUAL} {MOVED} {DOUBTFUL} {OURS}",
        "requests: tellers contradict each other, it was migrated, it may have been; our own probe",
    ),
    ("M R D", "requests: measured by our clock, reported by a server, derived from those"),
    (f"{AREA} {UNOBSERVED}", "tiers over time: active, evictable, not heard"),
    (f"{VERDICT} 53 % back", "tiers: so much of what is stored was evicted less than a window before"),
    ("↑99 [─99─]", "gaps: where p99 is; between two bounds of a page's buckets"),
    ("▁▄█", "river: tokens of 250 ms ÷ the row's top (at its right); brighter is later"),
    ("P D A", "river: prefill, decode, aggregated; T attention, F ffn, S draft, V verify"),
    (f"{STALL} {UNOBSERVED}", "river: a stall (gap > 5 × its request's median), not observed"),
    ("▁▄█", "timeline: worst worker's p99 − p50, 10 µs to 30 s, logarithmic"),
    ("⣀⣤⣿", "timeline: the same from a page's buckets: the middle of what it may be"),
    ("⡀⡄⡇", "timeline: the same, backfilled from a server's stored samples"),
    (f"{NO_DATA} {BREAK} {CURSOR}", "timeline: no data, a gap in observation, the moment shown"),
    (RESTART, "timeline: counters began anew: a restart; how bad it was only by colour"),
    (f"{DOWN} {STALE} e", "fleet: target down or rejected, stale; e: emulated, in a mixed fleet"),
)
