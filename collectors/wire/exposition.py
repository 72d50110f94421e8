"""Prometheus exposition text into keys and values: `parse` for one page, `PageReader` for the pages of one target, fast.

Between two scrapes of a target nothing but numbers changes, so a reader learns the layout once and then only compares bytes. Any page
that differs in more is read strictly again. Timestamps and exemplars are checked and left out. No I/O, and no idea what a metric means.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from collectors.wire.grammar import ExpositionError
from collectors.wire.layout import Layout, SampleKey, Values, shared
from collectors.wire.learn import learn
from collectors.wire.limits import DEFAULT, Limits

__all__ = ["ExpositionError", "PageReader", "SampleKey", "Values", "parse"]


def parse(body: bytes, limits: Limits = DEFAULT) -> tuple[tuple[SampleKey, ...], Values]:
    """Keys of all samples in page order, and their values. Raises ExpositionError."""
    layout, values = learn(body, limits)
    return layout.keys, values


STRIDE: Final = 61
"""Of the bytes by which two pages that look alike are told from those that do not."""


class PageReader:
    """Reads successive pages of one target.

    With `wanted`, a predicate of a family's name that never changes its mind, `keys` and `values` are of those families only, and a page
    that looks like the one before is not checked elsewhere. `values` is a new, read-only float64 array after each read; `families` are
    the declared ones with their types, whether or not they have samples.
    """

    def __init__(self, limits: Limits = DEFAULT, wanted: Callable[[str], bool] | None = None) -> None:
        self.keys: tuple[SampleKey, ...] = ()
        self.families: dict[str, str] = {}
        self.values: Values = np.empty(0)
        self._limits = limits
        self._wanted = wanted
        self._layout: Layout | None = None
        # What the wanted part of the page last read looks like, and, if it looked like the one before, its hash (64 bits, keyed anew in
        # each process): an idle target is told without keeping its pages, and a busy one does not pay for that.
        self._look: tuple[int, bytes] | None = None
        self._hash: int | None = None

    def read(self, body: bytes) -> bool:
        """True if the series changed, so that `keys` have to be looked at again. Raises ExpositionError and then keeps the last page."""
        layout = self._layout
        if layout is not None and len(body) <= self._limits.max_body_bytes:
            cut = layout.cut(body)
            look = None if cut is None else (len(cut), cut[::STRIDE])
            whole = hash(cut) if look is not None and look == self._look else None
            if whole is not None and whole == self._hash:
                self.values = self.values.view()
                return False
            values = layout.reread(cut, self._limits) if cut is not None else None
            if values is not None:
                self.values, self._look, self._hash = values, look, whole
                return False
        learnt, values = learn(body, self._limits, self._wanted)
        learnt = shared(learnt)
        changed = layout is None or learnt.prefixes != layout.prefixes or learnt.keys != layout.keys
        self._layout, self._look, self._hash, self.values = learnt, None, None, values
        self.families = learnt.families
        if changed:
            self.keys = learnt.keys
        return changed
