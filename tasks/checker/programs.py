"""The printed program: as a Python function, and as a machine that passes over the tokens once.

Nothing runs that could do more than compute a label from tokens. What a program reads of them is one of ``FOLDS``, or a
loop over them: a value that every token moves, and that is read in the end. So sequences with the same values get the
same answer. ``tokens[-1]`` becomes the name ``_last``, which steps know ahead. Whatever else reads tokens is refused.

A program may read more than a machine can follow: any slice, order or table of the tokens. It is then executed alone.
"""

from __future__ import annotations

import ast
import builtins
import io
import re
import tokenize
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeGuard

from tasks.checker.files import Rejected, UnreadableError, confirm, expect
from tasks.checker.growth import MOST_TEXT, SCOPE, Bounded, expect_small
from tasks.checker.text import shown

BUILTINS = (
    "abs", "all", "any", "chr", "dict", "enumerate", "int", "len", "list", "max", "min", "next", "ord", "range",
    "reversed", "round", "set", "sorted", "str", "sum", "zip",
)  # fmt: skip
METHODS = (
    "count", "index", "get", "fromkeys", "upper", "lower", "capitalize", "title", "swapcase", "startswith", "endswith",
    "isdigit", "isalpha", "isupper", "islower", "join", "split",
)  # fmt: skip
KEYS = tuple(f"key={name}" for name in ("int", "str", "len", "tokens.count", "tokens.index"))
NODES = (
    "Module FunctionDef arguments arg Return If For Assign Compare BoolOp UnaryOp BinOp IfExp Call Name Constant "
    "Attribute Subscript Slice Tuple List Set Dict GeneratorExp ListComp comprehension keyword Load Store And Or "
    "Not USub Add Sub Mult Div FloorDiv Mod Eq NotEq Lt LtE Gt GtE In NotIn"
)
CONSUMERS = ("''.join", "all", "any", "dict.fromkeys", "list", "max", "min", "next", "set", "sorted", "sum")
PASSING = ("dict.fromkeys", "enumerate", "reversed", "zip")  # no values, but what CONSUMERS and loops go through
PAIRS, PLACES = "for before, token in zip(tokens, tokens[1:])", "place for place, token in enumerate(tokens) if E"
FOLDS = (
    ("len(tokens)", 0, "_ + 1", "_"),
    ("tokens.count(E)", 0, "_ + (token == E)", "_"),
    ("E in tokens", False, "_ or token == E", "_"),
    ("E not in tokens", True, "_ and token != E", "_"),
    ("tokens[0]", "", "_ if place else token", "_"),
    ("sum(E for token in tokens)", 0, "_ + E", "_"),
    (f"sum(E {PAIRS})", 0, "_ + E if place else _", "_"),
    (f"any(E {PAIRS})", False, "True if place and E else _", "_"),
    (f"all(E {PAIRS})", True, "False if place and not E else _", "_"),
    ("any(E for token in tokens)", False, "True if E else _", "_"),
    ("all(E for token in tokens)", True, "_ if E else False", "_"),
    (f"max(({PLACES}), default=-1)", -1, "place if E else _", "_"),
    (f"next(({PLACES}), len(tokens))", -1, "place if _ < 0 and E else _", "len(tokens) if _ < 0 else _"),
)  # what is read; its value _ before any token; _ after a token at a place, one before it; and what is read of _
Function = Callable[..., Any]
State = tuple[Any, ...]


def function_of(text: str, parameters: list[str]) -> Function:
    """The function that ``text`` defines last, with exactly these parameters.

    It has no comment and no docstring, so that it says nothing that was not checked; no attribute but ``METHODS``, no
    name that is not its own or one of ``BUILTINS``, no default, decorator or loop without end.
    """
    expect(len(text) <= MOST_TEXT, f"program.py: expected at most {MOST_TEXT:,} characters")
    try:
        tree = ast.parse(text)
        names = [token.type for token in tokenize.generate_tokens(io.StringIO(text).readline)]
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        raise UnreadableError(f"program.py is no Python: {error}") from error
    except (RecursionError, MemoryError):  # of the parser's stack
        raise UnreadableError("program.py is no Python: it is nested too deeply") from None
    expect_small(tree)
    expect(tokenize.COMMENT not in names, "program.py: a comment is not checked, and has no place there")
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    expect(functions and len(functions) == len(tree.body), "program.py: expected functions and nothing else")
    for function in functions:
        plain = re.fullmatch(r"(\w+(: [\w\[\]]+)?(, )?)*", ast.unparse(function.args)) and not function.decorator_list
        plain = plain and (function.returns is None or isinstance(function.returns, ast.Name))
        expect(plain, f"program.py: {function.name} has more than plain parameters")
    expect([arg.arg for arg in functions[-1].args.args] == parameters, f"program.py: expected {parameters}")
    own = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)} | {function.name for function in functions}
    expect(not own & {*BUILTINS, *SCOPE}, "program.py: a name is hidden")
    for node in ast.walk(tree):
        name, is_inner = type(node).__name__, isinstance(node, ast.FunctionDef) and node not in functions
        expect(name in NODES.split() and not is_inner, f"program.py: {name} is not understood")
        expect(not isinstance(node, ast.Attribute) or node.attr in METHODS, f"program.py: expected methods {METHODS}")
        expect(not isinstance(node, ast.Name) or node.id in own | {*BUILTINS}, "program.py: an unknown name")
        expect(not isinstance(node, ast.Constant) or type(node.value) in (str, int, bool), "program.py: a constant")
    _same_everywhere(functions)
    _calls_what_stands_before(functions)
    return _compiled(tree)


def _same_everywhere(functions: list[ast.FunctionDef]) -> None:
    """No value is a function, a generator or a set: their texts and the order in a set are others in every run."""
    nodes = [node for function in functions for part in function.body for node in ast.walk(part)]
    names = {*BUILTINS} | {function.name for function in functions}
    calls = [(ast.unparse(node.func), node) for node in nodes if isinstance(node, ast.Call)]
    known = {id(call.func) for _, call in calls}
    known |= {id(key.value) for _, call in calls for key in call.keywords if ast.unparse(key) in KEYS}
    known |= {id(key.value) for _, call in calls for key in call.keywords if _is_of_a_list(key)}
    known |= {id(call.func.value) for name, call in calls if name == "dict.fromkeys"}  # type: ignore[attr-defined]
    for node in nodes:
        is_function = isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and node.id in names)
        expect(not is_function or id(node) in known, "program.py: a function is not a value")
    ways = {id(node.iter) for node in nodes if isinstance(node, ast.For | ast.comprehension)}
    ways |= {id(call.args[0]) for name, call in calls if call.args and name in CONSUMERS}
    ways |= {id(part) for name, call in calls if name in ("enumerate", "zip") for part in call.args}
    looked_up = {id(call.func.value): call.func.value for _, call in calls if _is_lookup(call)}  # type: ignore[attr-defined]
    ways |= {id(pairs.args[0]) for pairs in looked_up.values()}
    sized = {id(call.args[0]) for name, call in calls if call.args and name == "len"}
    for name, call in calls:
        expect(name not in PASSING or id(call) in ways, f"program.py: {name}(...) is not a value")
        expect(name != "set" or id(call) in sized, "program.py: of a set only the size is known")
        is_known = name != "dict" or id(call) in looked_up
        expect(is_known, "program.py: of dict only dict.fromkeys and dict(zip(...)).get(...) are understood")
        expect(name == "dict.fromkeys" or not name.endswith(".fromkeys"), "program.py: fromkeys is of dict alone")
    alone = [node for node in nodes if isinstance(node, ast.GeneratorExp) and id(node) not in ways]
    expect(not alone, "program.py: a generator is not a value")
    asked = {id(part) for node in nodes if isinstance(node, ast.Compare) for part in _looked_into(node)}
    for node in nodes:
        among = not isinstance(node, ast.Set) or (id(node) in asked and all(map(_is_constant, node.elts)))
        expect(among, "program.py: a set is one of constants, and only what is in it is known")


def _is_lookup(call: ast.Call) -> bool:
    """Whether it is ``dict(zip(keys, values)).get(key, default)``: of pairs with one key the last counts."""
    match call:
        case ast.Call(
            ast.Attribute(ast.Call(ast.Name("dict"), [ast.Call(ast.Name("zip"), [_, _], [])], []), "get"), [_, _], []
        ):
            return True
    return False


def _is_of_a_list(key: ast.keyword) -> bool:
    """Whether things are ordered by how often, or where, they stand in a list."""
    return key.arg == "key" and isinstance(key.value, ast.Attribute) and key.value.attr in ("count", "index")


def _looked_into(node: ast.Compare) -> list[ast.expr]:
    """What stands to the right of one ``in`` or ``not in``."""
    return node.comparators if len(node.ops) == 1 and isinstance(node.ops[0], ast.In | ast.NotIn) else []


def _is_constant(node: ast.expr) -> bool:
    match node:
        case ast.Constant() | ast.UnaryOp(ast.USub(), ast.Constant()):
            return True
        case ast.Tuple(parts):
            return all(map(_is_constant, parts))
    return False


def _calls_what_stands_before(functions: list[ast.FunctionDef]) -> None:
    """No function calls itself, or one that calls it."""
    for n, function in enumerate(functions):
        later = {other.name for other in functions[n:]}
        expect(not later & _names(function), "program.py: a function calls itself, or one that comes after it")
    expect(len({function.name for function in functions}) == len(functions), "program.py: a function is hidden")


@dataclass(frozen=True)
class Machine:
    """``step(state, token, last)`` and ``answer(state, last)``; ``asks_last``: steps depend on ``last``.

    ``is_read``: which numbers of a state the next step may read, or leave as they are; of the others only an answer
    depends.
    """

    start: State
    step: Callable[[State, str, str], State]
    answer: Callable[[State, str], Any]
    asks_last: bool
    is_read: tuple[bool, ...]

    def lasting(self, state: State) -> State:
        """The state without what no later step and no later answer depends on."""
        return tuple(
            value if read else first for value, read, first in zip(state, self.is_read, self.start, strict=True)
        )


def machine_of(text: str, counted: list[str]) -> Machine:
    """The machine that ``text``, which passed ``function_of``, is; its state begins with the counts of ``counted``."""
    reader = _Reader()
    for token in counted:
        reader.visit(_expression(f"tokens.count({token!r})"))
    body = statements(text, reader, ast.Name("_last", ast.Load()))
    names, read = [*reader.state], {name for part in reader.steps for name in _names(part)}
    more = {name: what for name, what in {"place": (0, "place + 1"), "before": ("", "token")}.items() if name in read}
    after = ast.parse(f"({''.join(f'{name}, ' for name in [*names, *(text for _, text in more.values())])})").body[0]
    assert isinstance(after, ast.Expr)
    step = _function(f"step({', '.join([*names, *more, 'token', '_last'])})", [*reader.steps, ast.Return(after.value)])
    answer = _function(f"answer({', '.join([*names, '_last'])})", body)
    start = *reader.state.values(), *(first for first, _ in more.values())
    types = tuple(map(type, start))  # equal values of other types would be one state, and print differently

    def stepped(state: State, token: str, last: str) -> State:
        after: State = called(step, *state, token, last)
        _follow(tuple(map(type, after)) == types, "what it remembers changes its type")
        return after

    loaded = {node.id for part in reader.steps for node in ast.walk(part) if _is_loaded(node)}
    targets = [target for part in reader.steps if isinstance(part, ast.Assign) for target in part.targets]
    new = {name for target in targets for name in _stored(target)}  # in every step
    is_read = (*(name in loaded or name not in new for name in names), *(True for _ in more))
    return Machine(
        start, stepped, lambda state, last: called(answer, *state[: len(names)], last), "_last" in read, is_read
    )


def statements(text: str, reader: _Reader, last: ast.expr) -> list[ast.stmt]:
    """What the program does in the end; ``reader`` takes what reads the tokens, ``last`` stands for ``tokens[-1]``."""
    *others, function = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    strange = [name for name in _names(function) if name == function.name or name.startswith("_")]
    _follow(not others and not strange, f"it calls functions, or uses the names {strange}")
    _follow("tokens" not in _stored(function), "it changes what the tokens are")
    bound = {name for node in ast.walk(function) if isinstance(node, ast.comprehension) for name in _names(node.target)}
    function = _Renamed({"place", "before"} - bound).visit(function)
    body: list[ast.stmt] = []
    for statement in _Put({"tokens[-1]": last}).visit(function).body:
        if isinstance(statement, ast.For):
            body = reader.loop(statement, body)
        else:
            body.append(reader.visit(statement))
    for part in body:
        _follow("tokens" not in _names(part), ast.unparse(part).splitlines()[0])
    return body


def called(function: Function, *arguments: Any) -> Any:
    """What ``function`` returns; a program that fails has no answer."""
    try:
        return function(*arguments)
    except (Rejected, MemoryError):
        raise
    except Exception as error:
        raise Rejected(f"the program fails on {shown(arguments, 200)}: {type(error).__name__}") from error


@dataclass
class _Reader(ast.NodeTransformer):
    """Replaces what reads the tokens. ``state``: names and first values; ``steps``: what a token does to them."""

    state: dict[str, Any] = field(default_factory=dict)
    steps: list[ast.stmt] = field(default_factory=list)
    known: dict[str, ast.expr] = field(default_factory=dict)

    def visit(self, node: ast.AST) -> Any:
        for pattern, first, step, value in FOLDS if isinstance(node, ast.expr) else ():
            part = _hole(pattern, node)
            if part is not None:
                return self._fold(ast.unparse(node), _stored(_expression(pattern)), {"E": part}, first, step, value)
        return self.generic_visit(node)

    def _fold(self, text: str, bound: set[str], put: dict[str, ast.expr], first: Any, step: str, value: str) -> Any:
        """State of its own; what stands for ``text`` in the end."""
        if text not in self.known:
            _alone([put["E"]] if "E" in step else [], bound)
            name = f"_{len(self.known)}"
            put |= {"_": ast.Name(name, ast.Load())}
            self.state[name], self.known[text] = first, _Put(put).visit(_expression(value))
            self.steps.append(ast.Assign([ast.Name(name, ast.Store())], _Put(put).visit(_expression(step))))
        return self.visit(deepcopy(self.known[text]))

    def loop(self, loop: ast.For, before: list[ast.stmt]) -> list[ast.stmt]:
        """``for token in tokens`` becomes state; returns the statements before it without those that begin it."""
        stored, rest = {name for part in loop.body for name in _stored(part)}, []
        first: dict[str, Any] = {}
        for statement in before:
            match statement:
                case ast.Assign([ast.Name(name)], ast.Constant(value)) if name in stored and name not in first:
                    first[name] = value
                case ast.Assign([ast.Tuple(names)], ast.Tuple(values)) if _begins(names, values, stored, first):
                    first |= {one.id: ast.literal_eval(value) for one, value in zip(names, values, strict=True)}  # type: ignore[attr-defined]
                case _:
                    rest.append(statement)
        first |= dict.fromkeys(_read_at_once(loop) - first.keys(), 0)
        plain = ast.unparse(loop.target) == "token" and ast.unparse(loop.iter) == "tokens" and not loop.orelse
        begun = first.keys() == stored and not stored & {*self.state, "token", "place", "before"}
        _follow(plain and begun, "expected loops over the tokens that begin from constants")
        read = any({*stored, "token"} & _names(statement) for statement in rest)
        returns = any(isinstance(node, ast.Return) for part in loop.body for node in ast.walk(part))
        _follow(not read and not returns, "a loop returns, or changes what was read before it")
        _alone(loop.body, {*stored, "token"})
        self.state |= first
        self.steps += loop.body
        return rest


def _begins(names: list[ast.expr], values: list[ast.expr], stored: set[str], first: dict[str, Any]) -> bool:
    """Whether different names of a loop are given their first values, numbers all of them."""
    known = [one.id for one in names if isinstance(one, ast.Name)]
    numbers = all(_is_constant(value) and type(ast.literal_eval(value)) is int for value in values)
    return len({*known}) == len(names) == len(values) and numbers and {*known} <= stored - first.keys()


def _read_at_once(loop: ast.For) -> set[str]:
    """Names that a loop sets from the token alone before all else: what they were before matters nowhere in it."""
    found = set[str]()
    for statement in loop.body:
        if not isinstance(statement, ast.Assign) or _names(statement.value) - {*BUILTINS} != {"token"}:
            break
        found |= _stored(statement)
    return found


@dataclass
class _Renamed(ast.NodeTransformer):
    """Writes ``_name`` for these names of a program's own, which steps use for others."""

    names: set[str]

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """The name, or the other one."""
        return ast.Name(f"_{node.id}", node.ctx) if node.id in self.names else node


class _Put(ast.NodeTransformer):
    """Writes other expressions where these texts stand."""

    def __init__(self, put: dict[str, ast.expr]) -> None:
        self.put = put

    def visit(self, node: ast.AST) -> Any:
        known = isinstance(node, ast.Name | ast.Subscript) and ast.unparse(node) in self.put
        return deepcopy(self.put[ast.unparse(node)]) if known else self.generic_visit(node)


def _hole(pattern: str, node: ast.AST) -> ast.expr | None:
    """The part of ``node`` that stands where ``pattern`` (more than an E) says E, if they are otherwise the same."""
    form = _dumped(pattern)
    if not form.startswith(f"{type(node).__name__}("):
        return None
    whole, hole = ast.dump(node), ast.dump(ast.Name("E", ast.Load()))
    parts = (part for part in ast.walk(node) if isinstance(part, ast.expr))
    return next((part for part in parts if form.replace(hole, ast.dump(part)) == whole), None)


def _alone(parts: list[Any], names: set[str]) -> None:
    """Nothing in a step may read other ``names`` than these: others have their values elsewhere."""
    strange = {name for part in parts for name in _names(part)} - {*names, *BUILTINS, "_last"}
    _follow(not strange, f"a step reads {sorted(strange)}")


def _follow(holds: object, what: str) -> None:
    confirm(holds, f"cannot follow this program: {what}")


def _names(part: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(part) if isinstance(node, ast.Name)}


def _is_loaded(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _stored(part: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(part) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


@cache
def _dumped(pattern: str) -> str:
    return ast.dump(_expression(pattern))


def _function(head: str, body: list[ast.stmt]) -> Function:
    tree = ast.parse(f"def {head}: pass")
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    function.body = body
    return _compiled(tree)


def _compiled(tree: ast.Module) -> Function:
    """The last function of ``tree``, with operations that bound what they make."""
    scope: dict[str, Any] = {"__builtins__": {name: getattr(builtins, name) for name in BUILTINS} | SCOPE}
    tree = Bounded().visit(deepcopy(tree))
    try:
        exec(compile(ast.fix_missing_locations(tree), "<program.py>", "exec", dont_inherit=True), scope)
    except (SyntaxError, ValueError, NameError, TypeError) as error:
        raise UnreadableError(f"program.py is no Python: {error}") from error
    return scope[tree.body[-1].name]  # type: ignore[no-any-return, attr-defined]
