"""The gaps of single requests, as `Arrivals` has them, without all that it has beside: for tables of many requests. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from collectors.session.arrivals import Part, Wanted, parts_of
from collectors.session.kept_deliveries import Piece
from collectors.stats.sketch import Ints

_NO_TOKEN: Final = -1
_NONE: Final = np.zeros(0, np.int64)


class OwnGaps(NamedTuple):
    """Of a request, in order; when the last of its deliveries came (emitter's time), and the token after that."""

    gaps_ns: Ints
    last_ns: int
    next_token: int


def own_gaps(pieces: Iterable[Piece], wanted: Mapping[int, Wanted[OwnGaps]]) -> dict[int, OwnGaps]:
    """Of one source's pieces, oldest first: for each key what is wanted."""
    known = {key: one.before for key, one in wanted.items() if one.before is not None}
    return known | {key: _gone_on(parts, wanted[key].before) for key, parts in parts_of(pieces, wanted).items()}


def _gone_on(parts: Sequence[Part], before: OwnGaps | None) -> OwnGaps:
    found, last_ns, next_token = before or OwnGaps(_NONE, 0, _NO_TOKEN)
    gaps = [found]
    for piece, begin, end in parts:
        time_ns = piece.rows.time_ns[begin:end]
        first = piece.rows.first[begin:end].astype(np.int64)
        after = first + piece.rows.tokens[begin:end]
        if first[0] == next_token and time_ns[0] >= last_ns:
            gaps.append(time_ns[:1] - last_ns)
        step = time_ns[1:] - time_ns[:-1]
        gaps.append(step[(first[1:] == after[:-1]) & (step >= 0)])
        last_ns, next_token = int(time_ns[-1]), int(after[-1])
    return OwnGaps(np.concatenate(gaps), last_ns, next_token)
