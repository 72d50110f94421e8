"""Requests of our own in a Frame. Part of the public object `tokenyard.snapshot/1`."""

import msgspec

from collectors.model.figure import Distribution, Figure


class ProbedWorker(msgspec.Struct, frozen=True, gc=False):
    """Who served probes in the window, as far as anybody says; `named_by` is what says so, `target`: nothing does."""

    worker: str
    named_by: str
    ttft: Distribution
    gap: Distribution


class ProbeRow(msgspec.Struct, frozen=True, gc=False):
    """Our own requests to `target`, which are in no other figure here: one every `every_s` of at most `max_tokens` output tokens, a window of their own.

    `sent` are those that ended, `failed` those of them that brought no whole answer, by why in `failures`; `skipped` those that were due and not sent, as
    `at_once` were under way. Times count from when a probe was due.
    """

    target: str
    source: str
    model: str
    path: str
    every_s: float
    max_tokens: int
    at_once: int
    window_s: float
    sent: Figure
    failed: Figure
    failures: dict[str, int]
    skipped: Figure
    ttft: Distribution
    workers: tuple[ProbedWorker, ...]
