"""Which expressions of a Python source are the status of a conversation, and which constants they are compared with.

A value is `SURE` when it was read under a name that only the status of a run has (`StatusReads.names`). It is `LIKELY` when it
was read under a name that many things have (`status`, `state`) from the answer of a route of conversations. Everything else is
none of ours: `state` of the route that initialises a server, `status` of a health check or of another service. Values are
followed through assignments, returns and arguments within the file, whatever the order of its lines.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import TypeAlias, TypeVar

from tailproof.protocol.adapter import StatusReads

MOST_STEPS = 5_000
"""How far one expression is followed: names that lead to each other have more ways than anybody can go."""
LOOSELY = frozenset({"status", "state"})
_LOOSE_ENDS = ("_status", "_state")
_SAME_VALUE = frozenset({"lower", "upper", "casefold", "strip"})
_FOLDS = frozenset({"lower", "upper", "casefold"})
_WRAPPERS = frozenset({"str", "set", "frozenset", "tuple", "list"})
_ROUTE = re.compile(r"^(/|\0|https?:)[^ ]*/[A-Za-z_]|^/[A-Za-z_]")

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Scope: TypeAlias = Function | ast.Lambda | None
Answer = TypeVar("Answer")


class Strength(IntEnum):
    """How sure it is that an expression is the status of a run."""

    NO = 0
    LIKELY = 1
    SURE = 2


class Values:
    """What the names of one source stand for."""

    def __init__(self, tree: ast.Module, reads: StatusReads) -> None:
        self._reads = reads
        self.other_words = reads.other_words
        self.parents: dict[ast.AST, ast.AST] = {}
        self._bound: dict[tuple[Scope, str], list[ast.expr]] = {}
        self._functions: dict[str, list[Function]] = {}
        self._returned: dict[Function, list[ast.expr]] = {}
        self._members: dict[tuple[str, str], ast.expr] = {}
        self._busy: set[tuple[str, ast.AST]] = set()
        self._left = 0
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
        for node in ast.walk(tree):
            self._learn_names(node)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self._learn_arguments(node)

    def status(self, node: ast.expr) -> Strength:
        """Whether the value of an expression is the status of a run."""
        return self._once(
            "status",
            node,
            lambda: max((self._status_of(one) for one in _alternatives(node)), default=Strength.NO),
            nothing=Strength.NO,
        )

    def folded(self, node: ast.expr) -> bool:
        """Its letters were made small or large before it is compared."""
        return any(isinstance(one, ast.Attribute) and one.attr in _FOLDS for one in ast.walk(node))

    def words(self, node: ast.expr) -> list[str]:
        """The strings that an expression stands for: a constant, or a collection of constants; else nothing."""
        return self._once("words", node, lambda: self._words_of(node), nothing=[])

    def _once(self, question: str, node: ast.AST, answer: Callable[[], Answer], *, nothing: Answer) -> Answer:
        """The answer to a question about a node; `nothing` when it leads back to itself, or to too many others."""
        if not self._busy:
            self._left = MOST_STEPS
        self._left -= 1
        if (question, node) in self._busy or self._left < 0:
            return nothing
        self._busy.add((question, node))
        try:
            return answer()
        finally:
            self._busy.discard((question, node))

    # -- a status -----------------------------------------------------------------------------------------------------

    def _status_of(self, node: ast.expr) -> Strength:
        read = _read(node)
        if read is not None:
            key, base = read
            if key in self._reads.names:
                return Strength.SURE
            if (key in LOOSELY or key.endswith(_LOOSE_ENDS)) and self._of_a_conversation(base):
                return Strength.LIKELY
            if key in ("value", "name") and isinstance(node, ast.Attribute):
                return self.status(base)
        if isinstance(node, ast.Name) and node.id in self._reads.names:
            return Strength.SURE
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in _SAME_VALUE:
                return self.status(node.func.value)
            if isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
                return self.status(node.args[0])
        return max((self.status(value) for value in self._values(node)), default=Strength.NO)

    def _of_a_conversation(self, node: ast.expr) -> bool:
        """It comes from the answer of a route of conversations; ids in such an answer are only ids."""
        return self._once("route", node, lambda: self._route_of(node), nothing=False)

    def _route_of(self, node: ast.expr) -> bool:
        parts = list(_parts(node))
        routes = [text for text in map(_template, parts) if text is not None and _ROUTE.search(text)]
        if routes:
            return any(map(self._reads.of_conversations.search, routes)) and not any(
                map(self._reads.elsewhere.search, routes)
            )
        return any(self._of_a_conversation(value) for part in parts for value in self._values(part))

    # -- what a name stands for -----------------------------------------------------------------------------------------

    def _values(self, node: ast.AST) -> list[ast.expr]:
        """What was assigned to a name or to an attribute of `self`, and what a function of this file returns."""
        if isinstance(node, ast.Name):
            return self._bound.get((self._home(node, node.id), node.id), [])
        if isinstance(node, ast.Attribute) and _is_self(node.value):
            return self._bound.get((None, f"self.{node.attr}"), [])
        if isinstance(node, ast.Call):
            return [value for function in self._functions.get(_called(node), ()) for value in self._returned[function]]
        return []

    def _home(self, node: ast.AST, name: str) -> Scope:
        """The innermost function around `node` that binds `name`; None for the module."""
        for scope in self._scopes(node):
            if (scope, name) in self._bound:
                return scope
        return None

    def _scopes(self, node: ast.AST) -> Iterator[Scope]:
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield node
        yield None

    def _learn_names(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind(target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr | ast.AugAssign) and node.value is not None:
            self._bind(node.target, node.value)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._functions.setdefault(node.name, []).append(node)
            self._returned.setdefault(node, [])
            plain = [*node.args.posonlyargs, *node.args.args]
            for argument, default in zip(reversed(plain), reversed(node.args.defaults), strict=False):
                self._bound.setdefault((node, argument.arg), []).append(default)
            for argument in [*plain, *node.args.kwonlyargs]:
                self._bound.setdefault((node, argument.arg), [])
        elif isinstance(node, ast.Return) and node.value is not None:
            scope = next(self._scopes(node))
            if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
                self._returned.setdefault(scope, []).append(node.value)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            around = self.parents.get(self.parents.get(target, target), target)
            if isinstance(around, ast.ClassDef):
                self._members[around.name, target.id] = value
                return
            self._bound.setdefault((next(self._scopes(target)), target.id), []).append(value)
        elif isinstance(target, ast.Attribute) and _is_self(target.value):
            self._bound.setdefault((None, f"self.{target.attr}"), []).append(value)
        elif isinstance(target, ast.Tuple | ast.List):
            values = value.elts if isinstance(value, ast.Tuple | ast.List) else [value] * len(target.elts)
            for one, part in zip(target.elts, values, strict=False):
                self._bind(one, part)

    def _learn_arguments(self, call: ast.Call) -> None:
        for function in self._functions.get(_called(call), ()):
            names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
            if names[:1] in (["self"], ["cls"]):
                names = names[1:]
            given = dict(zip(names, call.args, strict=False))
            given |= {word.arg: word.value for word in call.keywords if word.arg}
            for name, value in given.items():
                if (function, name) in self._bound and not isinstance(value, ast.Starred):
                    self._bound[function, name].append(value)

    # -- constants ------------------------------------------------------------------------------------------------------

    def _words_of(self, node: ast.expr) -> list[str]:
        match node:
            case ast.Constant(value=str(word)):
                return [word] if word else []
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                return [word for part in parts for word in self.words(part)]
            case ast.Dict(keys=keys):
                return [word for key in keys if key is not None for word in self.words(key)]
            case ast.BinOp(left=left, op=ast.BitOr() | ast.Add(), right=right):
                return [*self.words(left), *self.words(right)]
            case ast.Call(func=ast.Name(id=name), args=[one]) if name in _WRAPPERS:
                return self.words(one)
            case ast.Attribute(value=ast.Name(id=owner), attr=member) if (owner, member) in self._members:
                return self.words(self._members[owner, member])
            case ast.Attribute(value=ast.Attribute() as member, attr="value"):
                return self.words(member)
        found = (
            [self.words(value) for value in self._values(node)] if isinstance(node, ast.Name | ast.Attribute) else []
        )
        # A name that also stands for something else is a variable, no constant.
        return [word for words in found for word in words] if all(found) else []


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """The expressions of which one is the value of `node`."""
    match node:
        case ast.Await(value=value) | ast.NamedExpr(value=value):
            yield from _alternatives(value)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _alternatives(body)
            yield from _alternatives(orelse)
        case ast.BoolOp(values=values):
            for value in values:
                yield from _alternatives(value)
        case _:
            yield node


def _read(node: ast.AST) -> tuple[str, ast.expr] | None:
    """The name under which a value is read, and from what: `x.name`, `x["name"]`, `x.get("name")`, `getattr(x, "name")`."""
    match node:
        case ast.Attribute(value=base, attr=name):
            return name, base
        case ast.Subscript(value=base, slice=ast.Constant(value=str(name))):
            return name, base
        case ast.Call(func=ast.Attribute(value=base, attr="get" | "pop"), args=[ast.Constant(value=str(name)), *_]):
            return (name, base) if "/" not in name else None
        case ast.Call(func=ast.Name(id="getattr"), args=[base, ast.Constant(value=str(name)), *_]):
            return name, base
    return None


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what it is made of, without the insides of ids and of texts that are put together."""
    read = _read(node)
    if read is not None and (read[0] == "id" or read[0].endswith("_id")):
        return
    yield node
    if isinstance(node, ast.JoinedStr):
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                yield from _parts(value.value)
        return
    for child in ast.iter_child_nodes(node):
        yield from _parts(child)


def _template(node: ast.AST) -> str | None:
    """A text with a NUL for each part that is put in; None for what is no text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
    return None


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"
