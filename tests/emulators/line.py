"""Blocks by small numbers, all on one chain, for tests of pools."""

from collections.abc import Iterable
from itertools import groupby

from emulators.blocks import Chain, Run
from emulators.kv import Pool

LINE = Chain(1)
LINE.grow(1_000)
NUMBERS = {name: number for number, name in enumerate(LINE.names(0, 1_000).tolist())}


def runs(*numbers: int) -> list[Run]:
    """Neighbours that follow each other are one run."""
    steps: Iterable[tuple[int, int]] = enumerate(numbers)
    grouped = [[number for _, number in group] for _, group in groupby(steps, key=lambda step: step[1] - step[0])]
    return [(LINE, group[0], group[-1] + 1) for group in grouped]


def numbers(pool: Pool) -> dict[int, int]:
    """References to each resident block."""
    return {NUMBERS[name]: refs for name, refs in pool.residents().items()}
