"""Totals in two bytes or whole: any two rows are as far apart as in a table of whole numbers, whatever was appended, replaced, dropped, levelled or rearranged."""

import pickle

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from collectors.stats.totals import BLOCK, Counts, Totals

MOST_ROWS = 25
SLOW = 2**16 // MOST_ROWS - 1
growths = st.sampled_from([0, 1, SLOW - 1, SLOW, SLOW + 1, 2**16 - 1, 2**16, 2**16 + 1, 2**40])
does = st.one_of(
    st.tuples(st.just("append"), st.lists(growths, min_size=6, max_size=6)),
    st.tuples(st.just("run"), st.lists(st.sampled_from([0, 1, SLOW // 4, SLOW // 2, SLOW]), min_size=6, max_size=6)),
    st.tuples(st.just("replace"), st.lists(growths, min_size=6, max_size=6)),
    st.tuples(st.sampled_from(["drop", "level", "rearrange"]), st.lists(st.integers(0, 40), min_size=6, max_size=6)),
)


class Table:
    """The same, kept whole."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows: list[Counts] = []

    def newest(self) -> Counts:
        return self.rows[-1] if self.rows else np.zeros(self.columns, dtype=np.int64)


@example([("run", [SLOW] * 6), *[("append", [SLOW] * 6)] * 9, ("run", [SLOW // 4] * 6)])
@given(st.lists(does, min_size=1, max_size=30))
def test_as_in_a_table_of_whole_numbers(steps: list[tuple[str, list[int]]]) -> None:
    columns = 4
    table, totals = Table(columns), Totals(columns, MOST_ROWS)

    def append(growth: list[int]) -> None:
        if len(table.rows) == 3 * MOST_ROWS:
            table.rows.pop(0)
            totals.drop_oldest(1)
        table.rows.append(table.newest() + np.array(growth[:columns], dtype=np.int64))
        totals.append(table.rows[-1])

    for what, numbers in steps:
        if what == "append":
            append(numbers)
        elif what == "run":
            for _ in range(2 * BLOCK):
                append(numbers)
        elif what == "replace" and len(table.rows) >= 2:
            above = np.array(numbers[:columns], dtype=np.int64)
            newest = table.rows.pop() + above
            totals.drop_newest()
            table.rows.append(newest)
            totals.append(newest)
            append(numbers)
        elif what == "drop":
            gone = min(numbers[0], len(table.rows))
            del table.rows[:gone]
            totals.drop_oldest(gone)
        elif what == "level" and table.rows:
            chosen = np.array(numbers[:columns]) % 2 == 0
            for row in table.rows:
                row[chosen] = table.newest()[chosen]
            totals.level(chosen, table.newest())
        elif what == "rearrange":
            order = np.array(numbers) % (columns + 1) - 1
            kept = order >= 0
            totals = totals.rearranged(len(order), kept, order[kept])
            for index, row in enumerate(table.rows):
                table.rows[index] = np.zeros(len(order), dtype=np.int64)
                table.rows[index][kept] = row[order[kept]]
            table.columns = columns = len(order)
        assert len(totals) == len(table.rows)
        for first in range(0, len(table.rows), 7):
            for last in (first, len(table.rows) - 1):
                assert totals.grown(first, last).tolist() == (table.rows[last] - table.rows[first]).tolist()


def test_what_grows_slowly_again_takes_two_bytes_again() -> None:
    totals, total = Totals(50, MOST_ROWS), np.zeros(50, dtype=np.int64)
    sizes = []
    for step in range(4 * BLOCK):
        total = total + (2**20 if step == BLOCK else 1)
        totals.append(total)
        if step >= 2 * BLOCK:
            totals.drop_oldest(1)
        sizes.append(len(pickle.dumps(totals)))
    fast = 50 * BLOCK * 8
    assert max(sizes) > sizes[0] + fast
    assert sizes[-1] < sizes[0] + fast
