"""A goal beside its measured value."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """`met` is None where the goal is only informative."""

    name: str
    goal: str
    measured: str
    met: bool | None
