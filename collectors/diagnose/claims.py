"""Claims about figures, such as `p99(gap, gpu) > 20 * p99(gap, lpu)`, held against a Frame. Pure.

A figure is an interval: what is known of it. A comparison holds only where it holds for all of both intervals, and what is not known holds nothing. An expression is read by
Python's parser and walked here: names, numbers, texts, the functions of `FUNCTIONS`, + - * /, < <= > >=, and, or, not.
"""

import ast
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from collectors.model.figure import Distribution, Figure, Quantile
from collectors.model.frame import Frame, WorkerRow
from collectors.model.slo import Share
from collectors.model.vocabulary import State

MOST_LETTERS: Final = 400
MOST_NODES: Final = 100
_KNOWN: Final = (State.OK, State.ZERO)


class ClaimError(ValueError):
    """What is no claim; the message says what is wrong, and what there is."""


class UnknownError(Exception):
    """A figure that is not known; the message says which, and why."""


class Range(NamedTuple):
    """What is known of a figure: it lies in low … high."""

    low: float
    high: float

    @property
    def text(self) -> str:
        if self.high - self.low <= 1e-3 * abs(self.high):
            return f"{(self.low + self.high) / 2:.4g}"
        return f"{self.low:.4g} … {self.high:.4g}"


@dataclass(frozen=True)
class Held:
    """`holds`: None where a figure is not known. `told`: each figure that was asked for, with its value or why there is none."""

    holds: bool | None
    told: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Told:
    """What a claim is held against. `findings`: (kind, worker) of all that was found in that time."""

    frame: Frame
    findings: frozenset[tuple[str, str]] = frozenset()


def parsed(text: str) -> ast.expr:
    """Raises ClaimError."""
    if len(text) > MOST_LETTERS:
        raise ClaimError(f"a claim has at most {MOST_LETTERS} letters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ClaimError(f"not an expression: {getattr(error, 'msg', error)}") from None
    if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
        raise ClaimError("too long an expression")
    _check(tree, truth=True)
    return tree


def held(claim: ast.expr, told: Told) -> Held:
    """Whether it holds of what was told."""
    reading = _Reading(told)
    try:
        holds: bool | None = reading.truth(claim)
    except UnknownError:
        holds = None
    return Held(holds, tuple(reading.asked.items()))


def _check(node: ast.expr, *, truth: bool) -> None:
    """Whether it is a truth, or a number, of the kinds that there are."""
    if isinstance(node, ast.BoolOp) and truth:
        for value in node.values:
            _check(value, truth=True)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and truth:
        _check(node.operand, truth=True)
    elif isinstance(node, ast.Compare) and truth:
        if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARED:
            raise ClaimError("one comparison by < <= > or >=; several are joined by and")
        _check(node.left, truth=False)
        _check(node.comparators[0], truth=False)
    elif isinstance(node, ast.BinOp) and not truth and type(node.op) in _REACHED:
        _check(node.left, truth=False)
        _check(node.right, truth=False)
    elif isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        wanted: Mapping[str, Function | Truth] = TRUTHS if truth else FUNCTIONS
        if name not in wanted or node.keywords:
            raise ClaimError(f"{ast.unparse(node)!r}: there are {', '.join((*FUNCTIONS, *TRUTHS))}")
        least, most = wanted[name].arguments
        if not least <= len(node.args) <= most:
            raise ClaimError(f"{name} takes {wanted[name].takes}")
        for argument in node.args:
            _word(argument)
    elif not (isinstance(node, ast.Constant) and type(node.value) in (int, float) and not truth):
        raise ClaimError(f"{ast.unparse(node)!r} is no {'comparison' if truth else 'figure'}")


def _word(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise ClaimError(f"{ast.unparse(node)!r}: a name, or one in quotes")


def _lower(one: Range, other: Range, *, equal: bool) -> bool | None:
    """Whether one is below the other; None where what is known allows both."""
    if one.high < other.low or (equal and one.high <= other.low):
        return True
    return False if one.low > other.high or (not equal and one.low >= other.high) else None


_COMPARED: Final[Mapping[type[ast.cmpop], Callable[[Range, Range], bool | None]]] = {
    ast.Lt: lambda a, b: _lower(a, b, equal=False),
    ast.LtE: lambda a, b: _lower(a, b, equal=True),
    ast.Gt: lambda a, b: _lower(b, a, equal=False),
    ast.GtE: lambda a, b: _lower(b, a, equal=True),
}


def _spread(results: Iterable[float]) -> Range:
    found = list(results)
    if any(math.isnan(one) for one in found):
        raise UnknownError("nothing divided by nothing")
    return Range(min(found), max(found))


def _divided(a: Range, b: Range) -> Range:
    if b.low <= 0 <= b.high:
        raise UnknownError("divided by what may be 0")
    return _spread(x / y for x in a for y in b)


_REACHED: Final[Mapping[type[ast.operator], Callable[[Range, Range], Range]]] = {
    ast.Add: lambda a, b: Range(a.low + b.low, a.high + b.high),
    ast.Sub: lambda a, b: Range(a.low - b.high, a.high - b.low),
    ast.Mult: lambda a, b: _spread(x * y for x in a for y in b),
    ast.Div: _divided,
}


class _Reading:
    def __init__(self, told: Told) -> None:
        self._told = told
        self.asked: dict[str, str] = {}

    def truth(self, node: ast.expr) -> bool:
        """Raises UnknownError."""
        if isinstance(node, ast.BoolOp):
            # All of them, so that every figure is told.
            found = [self._maybe(value) for value in node.values]
            whole = all if isinstance(node.op, ast.And) else any
            settles = isinstance(node.op, ast.Or)
            if None in found and settles not in found:
                raise UnknownError("a part of it is not known")
            return whole(one is True for one in found) if None not in found else settles
        if isinstance(node, ast.UnaryOp):
            return not self.truth(node.operand)
        if isinstance(node, ast.Call):
            return TRUTHS[node.func.id].of(self._told, *map(_word, node.args))  # type: ignore[attr-defined]
        assert isinstance(node, ast.Compare)
        sides = []
        for side in (node.left, node.comparators[0]):
            try:
                sides.append(self.number(side))
            except UnknownError:
                continue
        if len(sides) < 2:
            raise UnknownError("one side is not known")
        settled = _COMPARED[type(node.ops[0])](sides[0], sides[1])
        if settled is None:
            raise UnknownError("the intervals overlap")
        return settled

    def _maybe(self, node: ast.expr) -> bool | None:
        try:
            return self.truth(node)
        except UnknownError:
            return None

    def number(self, node: ast.expr) -> Range:
        """Raises UnknownError."""
        if isinstance(node, ast.Constant):
            assert isinstance(node.value, int | float)
            return Range(float(node.value), float(node.value))
        if isinstance(node, ast.BinOp):
            return _REACHED[type(node.op)](self.number(node.left), self.number(node.right))
        assert isinstance(node, ast.Call)
        name = ast.unparse(node)
        try:
            found = FUNCTIONS[node.func.id].of(self._told, *map(_word, node.args))  # type: ignore[attr-defined]
        except UnknownError as error:
            self.asked[name] = f"not known: {error}"
            raise
        self.asked[name] = found.text
        return found


class Function(NamedTuple):
    """`arguments`: how many at least and at most; `takes`: which."""

    of: Callable[..., Range]
    arguments: tuple[int, int]
    takes: str


class Truth(NamedTuple):
    of: Callable[..., bool]
    arguments: tuple[int, int]
    takes: str


def workers(frame: Frame, whose: str) -> list[WorkerRow]:
    """Of a kind of device, a role, a worker (with or without its rank), or all. Raises UnknownError."""
    wanted = whose.lower()
    found = [
        row
        for row in frame.workers
        if wanted
        in ("all", row.device.value.lower(), row.role.value.lower(), row.id.lower(), row.id.lower().removesuffix("/0"))
    ]
    if not found:
        raise UnknownError(f"no worker is {whose!r}")
    return found


def known(it: Figure) -> Range:
    """Raises UnknownError."""
    if isinstance(it, Quantile) and it.low is not None and it.high is not None and it.value is not None:
        return Range(it.low, it.high)
    if it.value is None or it.state not in _KNOWN:
        raise UnknownError(str(it.state))
    return Range(float(it.value), math.inf if it.at_least is True else float(it.value))


def _quantile(which: str) -> Callable[..., Range]:
    def of(told: Told, what: str, whose: str = "all") -> Range:
        # A quantile of several together lies between theirs.
        found = [known(getattr(one, which)) for one in _distributions(told.frame, what, whose) if one.n]
        if not found:
            raise UnknownError(f"no {what}")
        return Range(min(one.low for one in found), max(one.high for one in found))

    return of


def _distributions(frame: Frame, what: str, whose: str) -> Sequence[Distribution]:
    if what not in ("gap", "ttft", "tpot", "queue"):
        raise UnknownError(f"{what!r} is none of gap, ttft, tpot, queue")
    if what == "ttft" and whose == "all":
        return [frame.ttft]
    together = [row.gap for row in frame.gaps if row.device.value.lower() == whose.lower()] if what == "gap" else []
    return together or [getattr(row, what) for row in workers(frame, whose)]


def _n(told: Told, what: str, whose: str = "all") -> Range:
    count = float(sum(one.n for one in _distributions(told.frame, what, whose)))
    return Range(count, count)


def _total(parts: Iterable[Figure]) -> Range:
    found = [known(one) for one in parts]
    return Range(sum(one.low for one in found), sum(one.high for one in found))


def _tokens(told: Told, whose: str = "all") -> Range:
    return _total(row.tokens_per_s for row in workers(told.frame, whose))


def _share(told: Told, whose: str) -> Range:
    """Of output tokens: those that a kind, worker or tier made."""
    rows = [row for row in told.frame.placements if row.primary]
    wanted = whose.lower()
    names = {row.id for row in told.frame.workers if wanted in (row.id.lower(), row.id.lower().removesuffix("/0"))}
    mine = [
        row.tokens
        for row in rows
        if wanted in (row.device.value.lower(), row.tier.value.lower()) or row.worker in names
    ]
    whole = _total(row.tokens for row in rows)
    return _divided(_total(mine), whole)


def _hit_rate(told: Told, whose: str = "all") -> Range:
    ids = {row.id for row in workers(told.frame, whose)}
    rows = [row for row in told.frame.prompts if row.worker in ids]
    return _divided(_total(row.hit_tokens for row in rows), _total(row.prompt_tokens for row in rows))


def _tier(name: str) -> Callable[..., Range]:
    """A figure of the pools of a tier, or of an owner, together."""

    def of(told: Told, whose: str) -> Range:
        wanted = whose.lower()
        found = [
            one
            for row in told.frame.tiers
            if wanted in (row.tier.value.lower(), row.owner.lower(), row.owner.lower().removesuffix("/0"))
            and isinstance(one := getattr(row, name), Figure)
        ]
        if not found:
            raise UnknownError(f"no pool is {whose!r}, or none tells")
        return _total(found)

    return of


def _flow(told: Told, source: str, to: str) -> Range:
    """Bytes a second from one tier to another; `peer` and the tier for what workers hand on."""
    from collectors.diagnose.tier_groups import edges

    found = [
        edge.moved_per_s
        for edge in edges(told.frame)
        if (edge.source or "").lower() == source.lower()
        and (edge.to or "").lower() == to.lower()
        and edge.moved_per_s.unit == "bytes"
    ]
    if not found:
        raise UnknownError(f"nobody tells of bytes from {source} to {to}")
    return _total(found)


def _attained(told: Told, whose: str = "all") -> Range:
    rows = [row for row in (told.frame.slo.rows if told.frame.slo is not None else ()) if _is(row.of, row.name, whose)]
    shares: list[Share] = [row.attained for row in rows if row.attained is not None]
    n = sum(one.n for one in shares)
    if not n:
        raise UnknownError("no request that ended can be judged")
    return Range(sum(one.least for one in shares) / n, sum(one.most for one in shares) / n)


def _is(of: str, name: str, whose: str) -> bool:
    wanted = whose.lower()
    return of == "all" if wanted == "all" else wanted in (name.lower(), name.lower().removesuffix("/0"))


def _cost(name: str) -> Callable[..., Range]:
    """Of the workers together: what they took by the tokens that they made."""

    def of(told: Told, whose: str) -> Range:
        ids = {row.id: row.tokens_per_s for row in workers(told.frame, whose)}
        rows = [
            row
            for row in (told.frame.slo.rows if told.frame.slo is not None else ())
            if row.of == "worker" and row.name in ids
        ]
        made = _total(ids[row.name] for row in rows)
        spent = [_REACHED[ast.Mult](known(getattr(row, name)), known(ids[row.name])) for row in rows]
        if not spent:
            raise UnknownError(f"nobody tells what a token takes at {whose}")
        return _divided(Range(sum(one.low for one in spent), sum(one.high for one in spent)), made)

    return of


def _verdict(told: Told, kind: str, worker: str = "") -> bool:
    return any(
        kind == found and worker.lower() in ("", whose.lower(), whose.lower().removesuffix("/0"))
        for found, whose in told.findings
    )


_OF_WHAT: Final = "gap, ttft, tpot or queue, and whose (a kind of device, a role, a worker; all)"
_WHOSE: Final = "whose: a kind of device, a role, a worker; all"
FUNCTIONS: Final[dict[str, Function]] = {
    "p50": Function(_quantile("p50"), (1, 2), _OF_WHAT),
    "p99": Function(_quantile("p99"), (1, 2), _OF_WHAT),
    "max": Function(_quantile("max"), (1, 2), _OF_WHAT),
    "n": Function(_n, (1, 2), _OF_WHAT),
    "tokens": Function(_tokens, (0, 1), _WHOSE),
    "share": Function(_share, (1, 1), "a kind of device, a worker or a tier"),
    "hit_rate": Function(_hit_rate, (0, 1), _WHOSE),
    "hits": Function(_tier("hit_tokens"), (1, 1), "a tier or an owner"),
    "used": Function(_tier("used_bytes"), (1, 1), "a tier or an owner"),
    "stored": Function(_tier("stored_bytes_per_s"), (1, 1), "a tier or an owner"),
    "evicted": Function(_tier("evicted_bytes_per_s"), (1, 1), "a tier or an owner"),
    "flow": Function(_flow, (2, 2), "two tiers"),
    "attained": Function(_attained, (0, 1), "a kind of device or a worker; all"),
    "joules": Function(_cost("joules_per_token"), (1, 1), _WHOSE),
    "dollars": Function(_cost("dollars_per_mtok"), (1, 1), _WHOSE),
}
TRUTHS: Final[dict[str, Truth]] = {"verdict": Truth(_verdict, (1, 2), "a kind of finding, and whose")}


def names() -> Iterator[str]:
    """Each function with what it takes, for a list."""
    every: Mapping[str, Function | Truth] = {**FUNCTIONS, **TRUTHS}
    yield from (f"{name}: {one.takes}" for name, one in every.items())
