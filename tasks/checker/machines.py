"""The printed program read as a machine: what it remembers while it passes over the tokens, and what it answers then.

Counts, length, membership and sums of a test over the tokens do not depend on their order: they become the names
``n_0``, ``n_1``, ... of how often each letter occurred. A loop over the tokens, ``tokens[0]``, tests of neighbours and
places become state, stepped token by token; ``tokens[-1]`` becomes the name ``last``. A step sees its token, what it
remembers itself and ``last``, and no other name of the program. Whatever else reads the tokens is refused, and so is
a call with one argument more. The text must have passed ``programs``.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tasks.checker.files import Rejected
from tasks.checker.programs import BUILTINS

State = tuple[Any, ...]


@dataclass(frozen=True)
class Machine:
    """``step(state, token, last)`` and ``answer(*counts, last, *state)``; ``asks_last``: steps depend on ``last``.

    ``counted``: letters whose counts matter; of the others, only their sum may.
    """

    start: State
    step: Callable[[State, str, str], State]
    answer: Callable[..., Any]
    asks_last: bool
    counted: frozenset[int]


def machine_of(text: str, alphabet: list[str]) -> Machine:
    """The machine that ``text`` is; raises Rejected for a program that cannot be followed."""
    if "" in alphabet:
        raise Rejected("cannot follow programs where a token is empty: it stands for none")
    *others, function = ast.parse(text).body
    if others or not isinstance(function, ast.FunctionDef):
        raise Rejected("cannot follow this program: it calls other functions")
    reader = _Reader(alphabet)
    body: list[ast.stmt] = []
    for statement in function.body:
        if isinstance(statement, ast.For):
            body = reader.loop(statement, body)
        else:
            body.append(reader.visit(statement))
    letters = [f"n_{n}" for n in range(len(alphabet))]
    for part in (*body, *reader.steps):
        for node in ast.walk(part):
            if isinstance(node, ast.For | ast.GeneratorExp) or getattr(node, "id", "") == "tokens":
                raise Rejected(f"cannot follow this program: {ast.unparse(part).splitlines()[0]}")
    names = [*reader.state]
    answer = _compiled(f"answer({', '.join([*letters, 'last', *names])})", body)
    back = ast.parse(f"({''.join(f'{name}, ' for name in names)})").body[0]
    assert isinstance(back, ast.Expr)
    step = _compiled(f"step({', '.join([*names, 'token', 'last'])})", [*reader.steps, ast.Return(back.value)])
    start = tuple(reader.state.values())
    known: dict[tuple[State, str, str], State] = {}

    def stepped(state: State, token: str, last: str) -> State:
        key = state, token, last
        if key not in known:
            try:
                after = known[key] = step(*state, token, last)
            except Exception as error:
                raise Rejected(f"the program fails at {token!r}: {type(error).__name__}") from error
            if [*map(type, after)] != [*map(type, start)]:
                raise Rejected("cannot follow this program: what it remembers changes its type")
        return known[key]

    asks = any(getattr(node, "id", "") == "last" for part in reader.steps for node in ast.walk(part))
    return Machine(start, stepped, answer, asks, frozenset(reader.counted))


@dataclass
class _Reader(ast.NodeTransformer):
    """Replaces what reads the tokens. ``state``: names and first values; ``steps``: what each token does to them;
    ``counted``: letters whose counts are read."""

    alphabet: list[str]
    state: dict[str, Any] = field(default_factory=dict)
    steps: list[ast.stmt] = field(default_factory=list)
    counted: set[int] = field(default_factory=set)

    def loop(self, loop: ast.For, before: list[ast.stmt]) -> list[ast.stmt]:
        """``for token in tokens`` becomes state; returns the statements before it without those that begin it."""
        names = [n for part in loop.body for n in ast.walk(part) if isinstance(n, ast.Name)]
        stored = {name.id for name in names if isinstance(name.ctx, ast.Store)}
        first = {}
        for statement in before:
            match statement:
                case ast.Assign([ast.Name(name)], ast.Constant(value)) if name in stored and name not in first:
                    first[name] = value
                case _ if {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)} & {*stored, "token"}:
                    raise Rejected("cannot follow this program: a loop changes what was read before it")
        plain = ast.unparse(loop.target) == "token" and ast.unparse(loop.iter) == "tokens" and not loop.orelse
        if not plain or first.keys() != stored or stored & {*self.state, "token"}:
            raise Rejected("cannot follow this program: expected loops over the tokens that begin from constants")
        self.state |= first
        if any(isinstance(node, ast.Return) for part in loop.body for node in ast.walk(part)):
            raise Rejected("cannot follow this program: a loop returns")
        self.steps += _only(self._alone(loop.body), {*stored, "token"})
        return [s for s in before if not (isinstance(s, ast.Assign) and ast.unparse(s.targets[0]) in stored)]

    def visit_Name(self, name: ast.Name) -> ast.Name:
        if name.id.startswith(("n_", "fold_")) or name.id == "last":
            raise Rejected(f"cannot follow this program: it uses the name {name.id}")
        return name

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        match ast.unparse(node):
            case "tokens[-1]":
                return ast.Name("last", ast.Load())
            case "tokens[0]":
                return self._fold({"": ""}, "{0} = {0} or token", None)
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        match node:
            case ast.Compare(ast.Constant(token), [ast.In() | ast.NotIn() as how], [ast.Name("tokens")]):
                return _expression(f"{self._count(token)} {'>' if isinstance(how, ast.In) else '=='} 0")
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(ast.Attribute(ast.Name("tokens"), "count"), [ast.Constant(token)], []):
                return _expression(self._count(token))
            case ast.Call(ast.Name("len"), [ast.Name("tokens")], []):
                return _expression(self._length())
            case ast.Call(ast.Name("sum"), [ast.GeneratorExp(test, [over])], []) if _over(over) == "token in tokens":
                (inner,) = self._alone([test])
                tests = [
                    ast.unparse(_Put("token", ast.Constant(token)).visit(deepcopy(inner))) for token in self.alphabet
                ]
                self.counted.update(range(len(tests)))
                return _expression(" + ".join(["0", *(f"n_{n} * ({text})" for n, text in enumerate(tests))]))
        return self._place(node) or self.generic_visit(node)

    def _place(self, node: ast.Call) -> ast.AST | None:
        """Neighbours and places, as folds."""
        match node:
            case ast.Call(ast.Name("any" | "sum" as name), [ast.GeneratorExp(test, [over])], []) if (
                _over(over) == "(before, token) in zip(tokens, tokens[1:])"
            ):
                if name == "any":
                    return self._fold({"": False, "b": ""}, "{0} = {0} or ({1} != '' and {2}); {1} = token", test)
                return self._fold({"": 0, "b": ""}, "{0} = {0} + ({2} if {1} != '' else 0); {1} = token", test)
            case ast.Call(
                ast.Name("max" | "next" as name), [ast.GeneratorExp(ast.Name("place"), [over]), *rest], more
            ) if _over(over) == "(place, token) in enumerate(tokens) if":
                others = [*map(ast.unparse, rest), *(f"{part.arg}={ast.unparse(part.value)}" for part in more)]
                if name == "max" and others == ["default=-1"]:
                    return self._fold({"": -1, "p": 0}, "{0} = {1} if {2} else {0}; {1} = {1} + 1", over.ifs[0])
                if name == "next" and others == ["len(tokens)"]:
                    step = "{0} = {1} if {0} < 0 and {2} else {0}; {1} = {1} + 1"
                    first = self._fold({"": -1, "p": 0}, step, over.ifs[0]).id
                    return _expression(f"{self._length()} if {first} < 0 else {first}")
        return None

    def _alone(self, parts: list[Any]) -> list[Any]:
        """These parts, read for one token: nothing in them may look at other tokens than the last one."""
        before = len(self.state)
        parts = [self.visit(deepcopy(part)) for part in parts]
        if len(self.state) > before:
            raise Rejected("cannot follow this program: a test on one token passes over all of them")
        return parts

    def _fold(self, first: dict[str, Any], text: str, test: ast.expr | None) -> ast.Name:
        """State of its own, stepped as ``text`` says; its first name is the value."""
        names = [f"fold_{len(self.state) + n}{mark}" for n, mark in enumerate(first)]
        self.state |= dict(zip(names, first.values(), strict=True))
        (read,) = _only(self._alone([test or _expression("token")]), {"token", "before"} if "b" in first else {"token"})
        inner = ast.unparse(_Put("before", ast.Name(names[-1], ast.Load())).visit(read))
        self.steps += ast.parse(text.format(*names, f"({inner})", *names)).body
        return ast.Name(names[0], ast.Load())

    def _length(self) -> str:
        return "(" + " + ".join(f"n_{n}" for n in range(len(self.alphabet))) + ")"

    def _count(self, token: Any) -> str:
        if token not in self.alphabet:
            return "0"
        self.counted.add(self.alphabet.index(token))
        return f"n_{self.alphabet.index(token)}"


@dataclass
class _Put(ast.NodeTransformer):
    """Writes ``new`` where ``name`` stands."""

    name: str
    new: ast.expr

    def visit_Name(self, name: ast.Name) -> ast.expr:
        return self.new if name.id == self.name else name


def _only(parts: list[Any], names: set[str]) -> list[Any]:
    """These parts of a step, which read no other ``names`` than these: others have their values elsewhere."""
    read = {node.id for part in parts for node in ast.walk(part) if isinstance(node, ast.Name)}
    if strange := read - {*names, *BUILTINS, "last"}:
        raise Rejected(f"cannot follow this program: a step reads {min(strange)}")
    return parts


def _over(part: ast.comprehension) -> str:
    return (
        "async" if part.is_async else f"{ast.unparse(part.target)} in {ast.unparse(part.iter)}" + " if" * len(part.ifs)
    )


def _expression(text: str) -> ast.expr:
    return ast.parse(f"({text})", mode="eval").body


def _compiled(head: str, body: list[ast.stmt]) -> Callable[..., Any]:
    module = ast.parse(f"def {head}: pass")
    function = module.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = body
    scope: dict[str, Any] = {"__builtins__": {name: getattr(builtins, name) for name in BUILTINS}}
    exec(compile(ast.fix_missing_locations(module), "<machine>", "exec"), scope)
    return scope[function.name]  # type: ignore[no-any-return]
