"""The printed program as a Python function: nothing runs that could do more than compute a label from tokens."""

from __future__ import annotations

import ast
import builtins
import io
import tokenize
from collections.abc import Callable
from typing import Any

from tasks.checker.files import UnreadableError, expect

BUILTINS = ("any", "enumerate", "int", "len", "list", "max", "min", "next", "set", "sorted", "str", "sum", "zip")
NODES = (
    "Module FunctionDef arguments arg Return If For Assign Compare BoolOp UnaryOp BinOp IfExp Call Name Constant "
    "Attribute Subscript Slice Tuple List Dict GeneratorExp comprehension keyword Load Store And Or Not USub Add Sub "
    "Mult Div FloorDiv Mod Eq NotEq Lt LtE Gt GtE In NotIn"
)


def function_of(text: str, parameters: list[str]) -> Callable[..., Any]:
    """The function that ``text`` defines last, with exactly these parameters.

    It has no comment and no docstring, so that it says nothing that was not checked; no attribute but ``count``, no
    name that is not its own or one of ``BUILTINS``, no default, decorator or loop without end.
    """
    try:
        tree = ast.parse(text)
        names = [token.type for token in tokenize.generate_tokens(io.StringIO(text).readline)]
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise UnreadableError(f"program.py is no Python: {error}") from error
    expect(tokenize.COMMENT not in names, "program.py: a comment is not checked, and has no place there")
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    expect(functions and len(functions) == len(tree.body), "program.py: expected functions and nothing else")
    for function in functions:
        a = function.args
        plain = not (a.posonlyargs or a.kwonlyargs or a.vararg or a.kwarg or a.defaults or function.decorator_list)
        expect(plain, f"program.py: {function.name} has more than plain parameters")
        function.returns = None
        for arg in a.args:
            arg.annotation = None
    expect([arg.arg for arg in functions[-1].args.args] == parameters, f"program.py: expected {parameters}")
    inner = [node for node in ast.walk(tree) if node not in functions and isinstance(node, ast.FunctionDef)]
    own = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)} | {function.name for function in functions}
    expect(not inner and not own & {*BUILTINS}, "program.py: a name is hidden, or a function defined inside another")
    for node in ast.walk(tree):
        name = type(node).__name__
        expect(name in NODES.split(), f"program.py: {name} is not understood")
        expect(not isinstance(node, ast.Attribute) or node.attr == "count", "program.py: only .count is understood")
        expect(not isinstance(node, ast.Name) or node.id in own | {*BUILTINS}, "program.py: an unknown name")
        expect(not isinstance(node, ast.Constant) or type(node.value) in (str, int, bool), "program.py: a constant")
    scope: dict[str, Any] = {"__builtins__": {name: getattr(builtins, name) for name in BUILTINS}}
    try:
        exec(compile(tree, "<program.py>", "exec"), scope)
    except (SyntaxError, ValueError) as error:
        raise UnreadableError(f"program.py is no Python: {error}") from error
    return scope[functions[-1].name]  # type: ignore[no-any-return]
