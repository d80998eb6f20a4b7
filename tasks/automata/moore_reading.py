"""An automaton as ``moore`` prints it, read back as the machine that it is; nothing of the text is run.

    state = 0                         the value before any token
    for token in tokens:              tokens[:i + 1] where the label of a place i is asked for
        if token == '(':              a step for each token: an expression of the value alone
            state = min(state + 1, 4)
        ...
    return (...)                      the label: an expression of the value alone

The values that occur are found by following every token from the first one on. What is read is then printed, and is the
program only where that is the text again (``Program.parse``), so this file need not be trusted.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from cegis import Program
from dsl.grammars.positions import PlacedSignature
from dsl.operators import GrammarError
from dsl.sequences import SequenceSignature
from tasks.automata.moore import Machine

MOST_STATES = 200
FUNCTIONS = {"min": min, "max": max, "str": str}


def read_machine(text: str, signature: SequenceSignature) -> Program:
    """The program that ``text`` prints, of one machine; raises GrammarError where it prints none."""
    try:
        machine = _machine(text, signature)
    except (SyntaxError, TypeError, ValueError, IndexError, KeyError, ArithmeticError, RecursionError) as error:
        raise GrammarError(f"not an automaton: {error}") from None
    return Program.parse(text, machine.grammar(signature))


def _machine(text: str, signature: SequenceSignature) -> Machine:
    (function,) = ast.parse(text).body
    if not isinstance(function, ast.FunctionDef):
        raise ValueError("expected one function")
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    match body:
        case [
            ast.Assign([ast.Name(name)], first),
            ast.For(ast.Name(variable), walked, [step], []),
            ast.Return(ast.expr() as label),
        ] if ast.unparse(walked) == ("tokens[:i + 1]" if isinstance(signature, PlacedSignature) else "tokens"):
            pass
        case _:
            raise ValueError("expected a value, a loop over the tokens, and a return")
    start = ast.literal_eval(first)
    if type(start) not in (bool, int, str):
        raise ValueError(f"it begins with {start!r}")
    values, moves = [start], dict[Any, list[Any]]()
    if type(start) is int:
        whole = [node for part in (step, label) for node in ast.walk(part) if isinstance(node, ast.Tuple)]
        values = list(range(max([1, *(len(table.elts) for table in whole)])))  # some may never occur
    elif type(start) is bool:
        values = [False, True]
    for value in values:  # grows while it is walked
        moves[value] = [_after(step, {name: value, variable: token}, name) for token in signature.alphabet]
        for other in moves[value]:
            if type(other) is not type(start):
                raise ValueError(f"a step leads from {value!r} to {other!r}")
            if other not in moves and other not in values:
                numbers = range(len(values), other + 1) if type(other) is int else [other]
                values += numbers
                if len(values) > MOST_STATES:
                    raise ValueError(f"more than {MOST_STATES} states")
    if start != values[0]:
        raise ValueError(f"it begins with {start!r}")
    columns = tuple(
        tuple(values.index(moves[value][token]) for value in values) for token in range(len(signature.alphabet))
    )
    outputs = tuple(signature.label_index(_value(label, {name: value})) for value in values)
    return Machine(columns, outputs)


def _after(step: ast.stmt, names: Mapping[str, Any], name: str) -> Any:
    """The value after one step: a chain of conditions on the token, each with one assignment."""
    match step:
        case ast.Assign([ast.Name(target)], value) if target == name:
            return _value(value, names)
        case ast.If(test, [then], otherwise) if len(otherwise) <= 1:
            if _value(test, names):
                return _after(then, names, name)
            return _after(otherwise[0], names, name) if otherwise else names[name]
    raise ValueError(f"not a step: {ast.unparse(step).splitlines()[0]}")


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """An expression of constants and ``names``, over the few operations that steps are printed with."""
    match node:
        case ast.Constant(value) if type(value) in (bool, int, str):
            return value
        case ast.Name(name) if name in names:
            return names[name]
        case ast.Tuple(parts) | ast.Set(parts):
            return [_value(part, names) for part in parts]
        case ast.UnaryOp(ast.Not(), value):
            return not _value(value, names)
        case ast.BinOp(left, operation, right):
            return _arithmetic(operation, _value(left, names), _value(right, names))
        case ast.Compare(left, [comparison], [right]):
            return _compared(comparison, _value(left, names), _value(right, names))
        case ast.IfExp(test, then, otherwise):
            return _value(then if _value(test, names) else otherwise, names)
        case ast.Subscript(ast.Tuple() as whole, place):
            return _value(whole, names)[_value(place, names)]
        case ast.Call(ast.Name(function), arguments, []) if function in FUNCTIONS:
            return FUNCTIONS[function](*[_value(argument, names) for argument in arguments])  # type: ignore[operator]
    raise ValueError(f"not an expression of automata: {ast.unparse(node)}")


def _arithmetic(operation: ast.operator, left: Any, right: Any) -> int:
    if type(left) is not int or type(right) is not int:
        raise ValueError("arithmetic of what is no number")
    match operation:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mod():
            return left % right
    raise ValueError(f"arithmetic by {type(operation).__name__}")


def _compared(comparison: ast.cmpop, left: Any, right: Any | Sequence[Any]) -> bool:
    match comparison:
        case ast.Eq():
            return bool(left == right)
        case ast.In() if isinstance(right, list):
            return left in right
        case ast.GtE() if type(left) is int and type(right) is int:
            return left >= right
    raise ValueError(f"a comparison by {type(comparison).__name__}")
