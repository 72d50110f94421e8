"""Requests that went on with another worker: from which one, and from which token on. The last time, where it was more than once.

Where one worker ingests and another decodes, a prompt that is computed again after a move is sampled by the one, for a single token, and goes on with the other: that is one move, from the
worker that decoded before, and the token counts for the new one.
"""

import numpy as np

from collectors.stats.pieces import Pieces
from collectors.stats.streams import UNSEEN, Chunk, StreamTable


def remember_moves(chunk: Chunk, pieces: Pieces, table: StreamTable) -> list[int]:
    """Brings the table up to the end of the chunk; to be called while its `last_row` is still of before. Gives the streams that moved."""
    began = chunk.stream[chunk.fresh]
    table.before_row[began] = table.since[began] = UNSEEN
    opening = np.append(0, pieces.last[:-1] + 1)
    before = np.roll(pieces.row, 1)
    before[opening] = table.last_row[chunk.stream]
    before[opening[chunk.fresh]] = UNSEEN
    moved = ((before != pieces.row) & (before != UNSEEN)).nonzero()[0]
    run = opening.searchsorted(moved, side="right") - 1
    moved, run = moved[chunk.last[run]], run[chunk.last[run]]
    if not len(moved):
        return []
    total = pieces.tokens.cumsum()
    since = chunk.next_token[run] - (total[pieces.last[run]] - total[moved] + pieces.tokens[moved])
    # Of a stream that moved twice the later move stays.
    streams: list[int] = chunk.stream[run].tolist()
    for stream, row, token in zip(streams, before[moved].tolist(), since.tolist(), strict=True):
        if not 1 < table.since[stream] == token - 1:
            table.before_row[stream], table.since[stream] = row, token
    return streams
