"""The status words that a Python source waits for, each with its place.

A word is waited for when its appearance lets the script go on, or makes it give up: the test of a loop that goes on until the
word is there, a branch on it that leaves (break, return, raise, exit), an assertion, the value that a function returns. Not
waited for are words whose appearance keeps a loop going (`while status == "starting"`) and branches that only say something: a
server without such a word does no harm there. What is a status at all is decided in `status_values`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tailproof.clients.status_values import Strength, Values
from tailproof.protocol.adapter import StatusReads

_POSITIVE = (ast.Eq, ast.In, ast.Is)
_NEGATIVE = (ast.NotEq, ast.NotIn, ast.IsNot)
_EXITS = frozenset({"exit", "_exit", "quit", "fail", "abort"})


class SourceError(Exception):
    """The source is no Python that this interpreter can read; the message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitedFor:
    """The words of one comparison, in the order in which they stand there."""

    source: str
    """`poll.py:31`."""
    words: tuple[str, ...]


def waited_for(source: bytes | str, name: str, reads: StatusReads) -> list[WaitedFor]:
    """What a source waits for, in the order of its lines; `name` stands before each line number, and
    `reads` is how programs of a protocol read a status. Raises SourceError."""
    try:
        tree = ast.parse(source)
        values = Values(tree, reads)
        found = sorted(_comparisons(tree, values), key=lambda one: one[0])
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise SourceError(f"{name}:{line}: {getattr(error, 'msg', error)}") from error
    except (RecursionError, MemoryError) as error:
        raise SourceError(f"{name}: it is nested too deeply") from error
    return [WaitedFor(source=f"{name}:{line}", words=tuple(dict.fromkeys(words))) for line, words in found]


def _comparisons(tree: ast.Module, values: Values) -> Iterator[tuple[int, list[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            words = _compared(node, values)
            if words and _waits(node, values):
                yield node.lineno, words
        elif isinstance(node, ast.Match):
            strength = values.status(node.subject)
            for case in node.cases:
                words = _fit(list(_patterns(case.pattern, values)), strength, values)
                if words and strength and _leaves(case.body):
                    yield case.pattern.lineno, words


def _compared(node: ast.Compare, values: Values) -> list[str]:
    """The words that a status is compared with here; none when it is no status."""
    left, right = node.left, node.comparators[0]
    sides = [(left, right)]
    if isinstance(node.ops[0], ast.Eq | ast.NotEq):
        sides.append((right, left))
    for status, constants in sides:
        strength = values.status(status)
        words = values.words(constants) if strength else []
        if words:
            words = [word.lower() for word in words] if values.folded(status) else words
            return _fit(words, strength, values)
    return []


def _fit(words: list[str], strength: Strength, values: Values) -> list[str]:
    return [] if strength is Strength.LIKELY and values.other_words.issuperset(words) else words


def _patterns(pattern: ast.pattern, values: Values) -> Iterator[str]:
    match pattern:
        case ast.MatchValue(value=value):
            yield from values.words(value)
        case ast.MatchOr(patterns=parts):
            for part in parts:
                yield from _patterns(part, values)
        case ast.MatchAs(pattern=ast.pattern() as inner):
            yield from _patterns(inner, values)


def _waits(compare: ast.Compare, values: Values) -> bool:
    """Whether the appearance of the words lets the script go on."""
    appears = isinstance(compare.ops[0], _POSITIVE)
    if not appears and not isinstance(compare.ops[0], _NEGATIVE):
        return False
    node: ast.AST = compare
    around = values.parents[node]
    while isinstance(around, ast.BoolOp | ast.NamedExpr) or _turns(around):
        appears = appears != _turns(around)
        if isinstance(around, ast.NamedExpr):
            return appears
        node, around = around, values.parents[around]
    match around:
        case ast.While(test=test) if test is node:
            return not appears
        case ast.If(test=test, body=body, orelse=orelse) if test is node:
            if appears:
                return _leaves(body) or _goes_round(orelse) or _gives_up(orelse)
            return _goes_round(body) or _gives_up(body) or _leaves(orelse)
        case ast.Assert(test=test) if test is node:
            return appears
        case ast.Return() | ast.Lambda() | ast.Assign() | ast.AnnAssign():
            return appears
    return False


def _turns(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """What is done in any case: also inside `with` and `try`, not behind another condition."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.With | ast.AsyncWith | ast.Try):
            yield from _statements(statement.body)


def _leaves(body: Sequence[ast.stmt]) -> bool:
    return _gives_up(body) or any(
        isinstance(one, ast.Break | ast.Return) or _sets_flag(one) for one in _statements(body)
    )


def _goes_round(body: Sequence[ast.stmt]) -> bool:
    return any(isinstance(one, ast.Continue) for one in _statements(body))


def _gives_up(body: Sequence[ast.stmt]) -> bool:
    return any(isinstance(one, ast.Raise) or _exits(one) for one in _statements(body))


def _exits(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name))):
            return name in _EXITS
    return False


def _sets_flag(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name()], value=ast.Constant(value=bool())):
            return True
    return False
