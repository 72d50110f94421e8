"""Deliveries that go on naming a worker from which their request was taken, put where somebody who knows says that they were made. Pure."""

import msgspec

from collectors.model.batch import Rows
from collectors.model.figure import Figure
from collectors.stats.streams import UNSEEN, StreamTable

IN_DISPUTE = "up to {:,} tokens are in dispute: their requests had been moved, and who took them over was said after they had been counted"


def put(rows: Rows, table: StreamTable) -> Rows:
    """The same rows where none of them was made elsewhere. The table has room for their streams."""
    since = table.taken_since[rows["stream"]]
    at = ((since != UNSEEN) & (rows["first_token"] >= since)).nonzero()[0]
    at = at[rows["worker"][at] == table.taken_from[rows["stream"][at]]]
    if not len(at):
        return rows
    made, streams = rows.copy(), rows["stream"][at]
    made["worker"][at] = table.taken_by[streams]
    table.elsewhere[streams] = 1
    return made


def disputed(made: Figure, tokens: int) -> Figure:
    """A figure of tokens, of which so many at most may be another worker's, or which lacks them."""
    if not tokens or made.value is None:
        return made
    return msgspec.structs.replace(made, estimate=True, formula=IN_DISPUTE.format(tokens))
