"""Claims about figures, such as `p99(gap, gpu) > 20 * p99(gap, lpu)`, held against a Frame. Pure.

A figure is an interval: what is known of it. A comparison holds only where it holds for all of both intervals, and what is not known holds nothing. An expression is read by
Python's parser and walked here: names, numbers, texts, the functions of `claimed`, + - * /, < <= > >=, and, or, not.
"""

import ast
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from collectors.diagnose.claimed import FUNCTIONS, TRUTHS, Function, Told, Word, short
from collectors.diagnose.ranges import Range, UnknownError, added, at_most, below, divided, less, multiplied

MOST_LETTERS: Final = 400
MOST_NODES: Final = 100
_COMPARED: Final[Mapping[type[ast.cmpop], Callable[[Range, Range], bool | None]]] = {
    ast.Lt: below,
    ast.LtE: at_most,
    ast.Gt: lambda one, other: below(other, one),
    ast.GtE: lambda one, other: at_most(other, one),
}
_REACHED: Final[Mapping[type[ast.operator], Callable[[Range, Range], Range]]] = {
    ast.Add: added,
    ast.Sub: less,
    ast.Mult: multiplied,
    ast.Div: divided,
}


class ClaimError(ValueError):
    """What is no claim; the message says what is wrong, and what there is."""


@dataclass(frozen=True)
class Held:
    """`holds`: None where a figure is not known. `told`: each figure that was asked for, with its value or why there is none."""

    holds: bool | None
    told: tuple[tuple[str, str], ...]


def parsed(text: str, names: Collection[str] | None = None) -> ast.expr:
    """Raises ClaimError. `names` of what there will be to be asked for (workers, owners, targets); without them any name may be one."""
    if len(text) > MOST_LETTERS:
        raise ClaimError(f"a claim has at most {MOST_LETTERS} letters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ClaimError(f"not an expression: {getattr(error, 'msg', error)}") from None
    if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
        raise ClaimError("too long an expression")
    _check(tree, None if names is None else {short(one) for one in names}, truth=True)
    return tree


def held(claim: ast.expr, told: Told) -> Held:
    """Whether it holds of what was told."""
    reading = _Reading(told)
    try:
        holds: bool | None = reading.truth(claim)
    except UnknownError:
        holds = None
    return Held(holds, tuple(reading.asked.items()))


def _check(node: ast.expr, names: Collection[str] | None, *, truth: bool) -> None:
    """Whether it is a truth, or a number, of the kinds that there are."""
    if isinstance(node, ast.BoolOp) and truth:
        for value in node.values:
            _check(value, names, truth=True)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and truth:
        _check(node.operand, names, truth=True)
    elif isinstance(node, ast.Compare) and truth:
        if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARED:
            raise ClaimError("one comparison by < <= > or >=; several are joined by and")
        _check(node.left, names, truth=False)
        _check(node.comparators[0], names, truth=False)
    elif isinstance(node, ast.BinOp) and not truth and type(node.op) in _REACHED:
        _check(node.left, names, truth=False)
        _check(node.right, names, truth=False)
    elif isinstance(node, ast.Call):
        wanted: Mapping[str, Function[bool]] | Mapping[str, Function[Range]] = TRUTHS if truth else FUNCTIONS
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in wanted or node.keywords:
            raise ClaimError(f"{ast.unparse(node)!r}: there are {', '.join((*FUNCTIONS, *TRUTHS))}")
        one = wanted[name]
        if not one.least <= len(node.args) <= len(one.takes):
            raise ClaimError(f"{name} takes {one.text}")
        for argument, word in zip(node.args, one.takes, strict=False):
            _check_word(_word(argument), word, names)
    elif not (isinstance(node, ast.Constant) and type(node.value) in (int, float) and not truth):
        raise ClaimError(f"{ast.unparse(node)!r} is no {'comparison' if truth else 'figure'}")


def _word(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id.lower()
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.lower()
    raise ClaimError(f"{ast.unparse(node)!r}: a name, or one in quotes")


def _check_word(it: str, word: Word, names: Collection[str] | None) -> None:
    if it in word.known or (word.named and (names is None or short(it) in names)):
        return
    there = [*sorted(word.known), *(sorted(names or ()) if word.named else ())]
    raise ClaimError(f"{it!r} is not {word.text}; there are {', '.join(there)}")


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
