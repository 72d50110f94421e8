"""Which questions a Prometheus server is asked: a few for the whole fleet, each for one or more metric names. Pure text."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

import msgspec

NAMES_A_QUERY: Final = 24
"""Of scalars. The buckets of a histogram are a query of their own: there may be dozens of them a worker."""
MAX_ASKED: Final = 1_000
"""Metric names asked for."""
MAX_JOBS_TEXT: Final = 4_000
"""Characters; with more of them every job is asked for."""

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_PARTS: Final = ("_bucket", "_sum", "_count")


class Plan(msgspec.Struct, frozen=True):
    """`scalars` and `buckets` are the selectors of what to ask for; `left_out` names were too many."""

    names: frozenset[str] = frozenset()
    scalars: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    left_out: int = 0


def plan(names: Iterable[str], wanted: Callable[[str], bool]) -> Plan:
    """For the names of a server of which something is `wanted`."""
    found = sorted({name for name in names if len(name) < 200 and wanted(name) and _NAME.fullmatch(name)})
    asked = found[:MAX_ASKED]
    buckets = [name for name in asked if name.endswith("_bucket")]
    others = [name for name in asked if not name.endswith("_bucket")]
    groups = [others[start : start + NAMES_A_QUERY] for start in range(0, len(others), NAMES_A_QUERY)]
    return Plan(
        frozenset(asked),
        tuple(map(_named, groups)),
        tuple(_named([name]) for name in buckets),
        len(found) - len(asked),
    )


def jobs(selector: str) -> str:
    """The expression whose answer's `job` labels are all the jobs that have what is selected."""
    return f"count by (job) ({selector})"


def up(of_jobs: Collection[str], metric: str = "up") -> str:
    """The selector of the targets of these jobs, by `up` or by another metric that anything may have."""
    text = "|".join(re.escape(job) for job in sorted(of_jobs))
    return metric if not of_jobs or len(text) > MAX_JOBS_TEXT else f"{metric}{{job=~{_quoted(text)}}}"


def named(names: Collection[str]) -> str:
    """The selector of all series of these names."""
    return _named(sorted(names))


def scraped_at(name: str) -> str:
    """The expression whose values are the times at which the series of this name were scraped."""
    return f"timestamp({named([name])})"


def ranged(selector: str, window_s: int) -> str:
    """The raw samples of the last `window_s` seconds, each with the time at which it was scraped."""
    return f"{selector}[{window_s}s]"


def family_of(name: str, names: Collection[str], counters: Collection[str] = ()) -> tuple[str, str]:
    """(family, type) of a sample's name as far as the names beside it tell, and what is known of `counters`: answers to queries repeat no types.

    An untyped sample is what a back end's rules say of its name.
    """
    for part in _PARTS:
        base = name.removesuffix(part)
        if base != name and (part == "_bucket" or f"{base}_bucket" in names):
            return base, "histogram"
    return name, "counter" if name.endswith("_total") or name in counters else "untyped"


def _named(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f'{{__name__="{names[0]}"}}'
    return f'{{__name__=~"{"|".join(names)}"}}'


def _quoted(text: str) -> str:
    """A PromQL string: its escapes are Go's, of which JSON's are a part."""
    return msgspec.json.encode(text).decode()
