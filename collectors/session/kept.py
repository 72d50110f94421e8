"""Rows that are made anew only when something was heard, so that a tick costs what changed and not how much there is.

A row that is `kept` may depend on its owner and on what the owner's stamp tells of, and not on the tick itself: with the same stamp the
row of the last tick is given again, the same object.
"""

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Protocol, TypeVar

Kept = dict[object, tuple[Hashable, object]]
"""The newest result of each function, with the stamp it was made at."""


class Owner(Protocol):
    """Of whom rows are made."""

    @property
    def kept(self) -> Kept: ...

    def stamp(self, tick_ns: int, window_ns: int) -> Hashable:
        """Equal at two ticks only if every answer is; None if that is not known."""


One = TypeVar("One", bound=Owner)
Result = TypeVar("Result")


def kept(make: Callable[[One, int, int], Result]) -> Callable[[One, int, int], Result]:
    """`make(owner, tick_ns, window_ns)`, or what it gave when the owner had the same stamp."""

    @wraps(make)
    def keeping(owner: One, tick_ns: int, window_ns: int) -> Result:
        stamp = owner.stamp(tick_ns, window_ns)
        if stamp is None:
            return make(owner, tick_ns, window_ns)
        known = owner.kept.get(make)
        if known is not None and known[0] == stamp:
            return known[1]  # type: ignore[return-value]  # it was put there below
        result = make(owner, tick_ns, window_ns)
        owner.kept[make] = stamp, result
        return result

    return keeping
