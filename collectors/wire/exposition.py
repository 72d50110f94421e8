"""Prometheus exposition text into keys and values: `parse` for one page, `PageReader` for the pages of one target, fast.

Between two scrapes of a target nothing but numbers changes, so a reader learns the layout once and then only compares bytes. Any page
that differs in more is read strictly again. Timestamps and exemplars are checked and left out. No I/O, and no idea what a metric means.
"""

from collections.abc import Callable

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
        self._cut: tuple[int, int] | None = None
        """Mark of the page last read."""

    def read(self, body: bytes) -> bool:
        """True if the series changed, so that `keys` have to be looked at again. Raises ExpositionError and then keeps the last page."""
        layout = self._layout
        if layout is not None and len(body) <= self._limits.max_body_bytes:
            cut = layout.cut(body)
            mark = None if cut is None else _mark(cut)
            if mark is not None and mark == self._cut:
                self.values = self.values.view()
                return False
            values = layout.reread(cut, self._limits) if cut is not None else None
            if values is not None:
                self.values, self._cut = values, mark
                return False
        learnt, values = learn(body, self._limits, self._wanted)
        learnt = shared(learnt)
        changed = layout is None or learnt.prefixes != layout.prefixes or learnt.keys != layout.keys
        cut = learnt.cut(body)
        self._layout, self._cut, self.values = learnt, None if cut is None else _mark(cut), values
        self.families = learnt.families
        if changed:
            self.keys = learnt.keys
        return changed


def _mark(page: bytes) -> tuple[int, int]:
    """Tells pages apart (64 bits, of a hash that is keyed anew in each process) without keeping them."""
    return len(page), hash(page)
