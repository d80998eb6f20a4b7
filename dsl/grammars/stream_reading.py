"""The text of a Python function of the numbers so far, read as the loop that it is; nothing of it is run.

    def total(tokens):                          before     names get whole numbers
        total = 0                               loop       over the tokens, from the first to the last: assignments,
        for token in tokens:                               += and the like, and conditions, one after the other
            total += int(token)                 after      assignments, and one return
        return total

Without a loop, ``sum(int(token) for token in tokens)`` stands for one that adds.

What ``Loop.source`` prints is read back as the loop that it was. Assignments of a step follow each other in the text
and are made at once in a ``Loop``: each value is put in the place of its name. A name that a step sets from the token
alone, before it is read, is no state; nor is one for a number of the step, or its text.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from copy import deepcopy

from dsl.grammars.comparisons import AT_MOST, LESS, NO_LESS, UNEQUAL
from dsl.grammars.motifs import EQUAL, GREATER, MINUS, PLUS, at_least, times
from dsl.grammars.positions import ABSOLUTE, GREATEST, LEAST, PRODUCT, divided, modulo
from dsl.grammars.streams import EITHER, INDICATOR, INPUTS, MOST, Loop, one_of, variables
from dsl.operators import BOOL, INT, GrammarError, Operator, Term
from dsl.scalars import identifier, variable
from dsl.text import replace
from dsl.theories.theory import find, literal

MOST_TEXT = 100_000  # characters
MOST_NODES = 4000  # of a value, once the values of names stand in it
AND, OR, NOT = find("and", (BOOL, BOOL)), find("or", (BOOL, BOOL)), find("not", (BOOL,))
COMPARED: Mapping[type[ast.cmpop], Operator] = {
    ast.Eq: EQUAL, ast.NotEq: UNEQUAL, ast.Lt: LESS, ast.LtE: AT_MOST, ast.Gt: GREATER, ast.GtE: NO_LESS,
}  # fmt: skip
SHAPE = "a loop over its one argument, such as: total = 0; for token in tokens: total += int(token); return total"
LAST = "last"
CALLED = {"int", "abs", "max", "min", "map", "sum"}
RESERVED = {*CALLED, *INPUTS, "token", "tokens"}
Values = dict[str, ast.expr]


def loop_from_text(text: str, inputs: int, alphabet: Sequence[str], name: str | None = None) -> Loop:
    """The loop that the function ``name`` of ``text`` is (None: its only one), with ``inputs`` numbers at a step.

    The function is given the tokens so far, texts of ``alphabet``: ``7``, or ``3,5``. Raises GrammarError for any other
    text.

    >>> read = loop_from_text("def f(s):\\n    a = 0\\n    for x in s: a = max(a, int(x))\\n    return a", 1, "0123")
    >>> print(read.source("f", "0123"))
    def f(tokens: list[str]) -> int:
        a = 0
        for token in tokens:
            a = max(a, int(token))
        return a
    """
    if len(text) > MOST_TEXT:
        raise GrammarError(f"expected at most {MOST_TEXT:,} characters of Python, got {len(text):,}")
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise GrammarError(f"expected a Python function, got no Python: {error}") from None
    if any(not isinstance(node, ast.FunctionDef) and not _is_text(node) for node in module.body):
        raise GrammarError("expected nothing beside functions in its file")
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    chosen = [node for node in functions if name in (None, node.name)]
    if len(chosen) != 1 or len(functions) > 1:
        raise GrammarError(f"expected one function, got {len(functions)}")
    try:
        return _Reading(chosen[0], inputs, tuple(alphabet)).loop()
    except RecursionError:
        raise GrammarError("it is nested too deeply") from None


class _Reading:
    """One function."""

    def __init__(self, function: ast.FunctionDef, inputs: int, alphabet: tuple[str, ...]) -> None:
        arguments = function.args
        is_plain = len(arguments.args) == 1 and not (
            arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs or arguments.defaults
        )
        if not is_plain or function.decorator_list:
            raise GrammarError(f"expected {SHAPE}")
        self.tokens, self.inputs, self.alphabet = arguments.args[0].arg, inputs, alphabet
        bound = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and not _is_read(node)}
        if CALLED & {function.name, self.tokens, *bound}:
            raise GrammarError(f"{min(CALLED & {function.name, self.tokens, *bound})!r} is given another meaning")
        self.are_digits = all(len(part) == 1 for token in alphabet for part in token.split(","))
        body = [node for node in function.body if not _is_text(node)]
        loops = [n for n, node in enumerate(body) if isinstance(node, ast.For)]
        if not loops and (sums := _Sums(self.tokens, function)).is_any(body):
            body, loops = sums.as_loop(body), [len(sums.added)]
        if not body or len(loops) > 1 or not isinstance(body[-1], ast.Return) or body[-1].value is None:
            raise GrammarError(f"expected {SHAPE}")
        split = loops[0] if loops else 0
        self.before, self.after, self.answer = body[:split], body[split + len(loops) : -1], body[-1].value
        self.each = body[split] if loops else None

    def loop(self) -> Loop:
        """The loop, with the states that its answer depends on."""
        if self.each is None:
            return self._of_last()
        each = self.each
        assert isinstance(each, ast.For)
        if not isinstance(each.target, ast.Name) or not _is(each.iter, self.tokens) or each.orelse:
            raise GrammarError(f"expected a loop over {self.tokens}, got: for {ast.unparse(each.target)} in "
                               f"{ast.unparse(each.iter)}")  # fmt: skip
        token = each.target.id
        firsts = {name: _number(value) for name, value in self._run(self.before, {}, "").items()}
        if {token, self.tokens} & firsts.keys():
            raise GrammarError(f"{token!r} is given another meaning")
        read_later = {
            one.id for node in (*self.after, self.answer) for one in ast.walk(node) if isinstance(one, ast.Name)
        }
        named = _renamed((*firsts, *sorted(read_later - firsts.keys())))
        names = {name: variable(named[name], INT)() for name in firsts}
        step = self._run(each.body, names, token)
        if {token, self.tokens} & step.keys():
            raise GrammarError("the loop changes what it goes over")
        updates = {name: self._term(step.get(name, ast.Name(name)), INT, names, token) for name in firsts}
        for name in sorted((step.keys() & read_later) - firsts.keys()):  # every step sets it, and there is one
            updates[name] = self._term(step[name], INT, names, token)
        firsts |= {name: 0 for name in updates if name not in firsts}
        names |= {name: variable(named[name], INT)() for name in updates}
        answer = self._run(self.after, names, "")
        output = self._term(_put(self.answer, answer), INT, names, "")
        needed, waiting = set[str](), [output]
        while waiting:
            read = variables(waiting.pop())
            fresh = [name for name in firsts if names[name].operator.name in read and name not in needed]
            needed.update(fresh)
            waiting += [updates[name] for name in fresh]
        kept = [name for name in firsts if name in needed]
        states = tuple((names[name].operator.name, firsts[name]) for name in kept)
        return Loop(self.inputs, states, tuple(updates[name] for name in kept), output)

    def _of_last(self) -> Loop:
        """A function of the last step alone: ``int(tokens[-1])``."""
        last = f"{self.tokens}[-1]"
        value = _put(self.answer, self._run([*self.before, *self.after], {}, last))
        of_inputs = self._term(value, INT, {}, last)
        known = {f"{LAST}{'' if self.inputs == 1 else f'_{INPUTS[n]}'}": INPUTS[n] for n in range(self.inputs)}
        names = {name: given for name, given in known.items() if given in variables(of_inputs)}
        puts = {given: variable(name, INT)() for name, given in names.items()}
        output = of_inputs.fold(
            lambda operator, arguments: (
                puts[operator.name] if operator.is_variable else Term(operator, tuple(arguments))
            )
        )
        updates = tuple(variable(given, INT)() for given in names.values())
        return Loop(self.inputs, tuple((name, 0) for name in names), updates, output)

    def _run(self, body: list[ast.stmt], names: Mapping[str, Term], token: str, known: Values | None = None) -> Values:
        """What names are after these statements, in terms of what they were before.

        Every value is read, whether anything depends on it or not: Python computes it, and may fail.
        """
        known = {} if known is None else dict(known)

        def read(value: ast.expr) -> ast.expr:
            found = _put(value, known)
            if not token or ast.unparse(found) not in self._parts(token):
                self._read(found, names, token)
            return found

        for statement in body:
            match statement:
                case ast.Assign([ast.Name(name)], value):
                    known[name] = read(value)
                case ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value):
                    known[name] = read(value)
                case ast.Assign([ast.Tuple(targets)], value) if all(isinstance(one, ast.Name) for one in targets):
                    values = [read(part) for part in self._several(value, len(targets))]
                    known |= {one.id: part for one, part in zip(targets, values, strict=True)}  # type: ignore[attr-defined]
                case ast.AugAssign(ast.Name(name), operator, value):
                    known[name] = read(ast.BinOp(ast.Name(name, ast.Load()), operator, value))
                case ast.If(test, then, otherwise):
                    test = read(test)
                    one, other = self._run(then, names, token, known), self._run(otherwise, names, token, known)
                    for name in {**one, **other}:
                        unset = known.get(name, ast.Name(name, ast.Load()))  # which is refused where it is read
                        values = [one.get(name, unset), other.get(name, unset)]
                        same = ast.dump(values[0]) == ast.dump(values[1])
                        known[name] = values[0] if same else ast.IfExp(test, *values)
                case ast.Pass():
                    pass
                case _:
                    raise GrammarError(f"not in a loop that is read: {ast.unparse(statement).splitlines()[0]}")
        return known

    def _several(self, value: ast.expr, count: int) -> list[ast.expr]:
        """The parts of what is given to several names."""
        match value:
            case ast.Tuple(parts) if len(parts) == count:
                return parts
            case ast.Call(ast.Attribute(_, "split")) if count == self.inputs:
                return [ast.parse(f"{ast.unparse(value)}[{n}]", mode="eval").body for n in range(count)]
            case ast.Call(ast.Name("map"), [ast.Name("int"), split], []) if count == self.inputs:
                text = ast.unparse(split)
                return [ast.parse(f"int({text}[{n}])", mode="eval").body for n in range(count)]
        raise GrammarError(f"expected {count} values, got {ast.unparse(value)}")

    # --- values -----------------------------------------------------------------------------------------------------

    def _input(self, node: ast.expr, token: str) -> int | None:
        """Which number of the step a text reads; None for another text."""
        match node:
            case ast.Call(ast.Name("int"), [part], []):
                return self._parts(token).get(ast.unparse(part))
        return None

    def _parts(self, token: str) -> dict[str, int]:
        """How the texts of a step's numbers are taken out of it."""
        if self.inputs == 1:
            return {token: 0}
        parts = {f"{token}.split(',')[{n}]": n for n in range(self.inputs)}
        return parts | ({f"{token}[{2 * n}]": n for n in range(self.inputs)} if self.are_digits else {})

    def _of_texts(self, operator: ast.cmpop, right: ast.expr) -> Term:
        """A token compared with texts: with the numbers that they are."""
        is_list = isinstance(operator, ast.In | ast.NotIn)
        parts = right.elts if is_list and isinstance(right, ast.Tuple | ast.List | ast.Set) else [right]
        texts = [part.value for part in parts if isinstance(part, ast.Constant)]
        if self.inputs != 1 or len(texts) != len(parts) or not set(texts) <= set(self.alphabet) or (
            is_list and parts == [right]
        ):  # fmt: skip
            raise GrammarError(f"expected a token of the network, got {ast.unparse(right)}")
        values, given = tuple(int(str(text)) for text in texts), variable(INPUTS[0], INT)()
        found = one_of(values)(given) if is_list else EQUAL(given, literal(values[0], INT)())
        return NOT(found) if isinstance(operator, ast.NotEq | ast.NotIn) else found

    def _term(self, node: ast.expr, sort: object, names: Mapping[str, Term], token: str) -> Term:
        """The term of ``sort`` that an expression is."""
        term = self._read(node, names, token)
        if sort == BOOL and term.sort != BOOL:
            raise GrammarError(f"expected a condition, got {ast.unparse(node)}")
        return INDICATOR(term) if sort == INT and term.sort == BOOL else term

    def _read(self, node: ast.expr, names: Mapping[str, Term], token: str) -> Term:
        def number(part: ast.expr) -> Term:
            return self._term(part, INT, names, token)

        def flag(part: ast.expr) -> Term:
            return self._term(part, BOOL, names, token)

        given = self._input(node, token) if token else None
        if given is not None:
            return variable(INPUTS[given], INT)()
        match node:
            case ast.Constant(bool() | int() as value) | ast.UnaryOp(ast.USub(), ast.Constant(int() as value)):
                return literal(_small(-int(value) if isinstance(node, ast.UnaryOp) else int(value)), INT)()
            case ast.Name(name) if name in names:
                return names[name]
            case ast.UnaryOp(ast.USub(), part):
                return MINUS(literal(0, INT)(), number(part))
            case ast.UnaryOp(ast.UAdd(), part):
                return number(part)
            case ast.UnaryOp(ast.Not(), part):
                return NOT(flag(part))
            case ast.BinOp(left, ast.Add(), right):
                return PLUS(number(left), number(right))
            case ast.BinOp(left, ast.Sub(), right):
                return MINUS(number(left), number(right))
            case ast.BinOp(left, ast.Mult(), right):
                return _product(number(left), number(right))
            case ast.BinOp(left, ast.FloorDiv() | ast.Mod() as operator, ast.Constant(int() as value)) if value > 0:
                row = divided if isinstance(operator, ast.FloorDiv) else modulo
                return row(_small(value))(number(left)) if value > 1 else _by_one(number(left), row is divided)
            case ast.Compare(left, [ast.Eq() | ast.NotEq() | ast.In() | ast.NotIn() as operator], [right]) if (
                token and self.inputs == 1 and ast.unparse(left) == token
            ):
                return self._of_texts(operator, right)
            case ast.Compare(left, [ast.In()], [ast.Tuple(parts) | ast.Set(parts) | ast.List(parts)]):
                return one_of(tuple(_number(part) for part in parts))(number(left))
            case ast.Compare(left, [ast.NotIn()], [ast.Tuple(parts) | ast.Set(parts) | ast.List(parts)]):
                return NOT(one_of(tuple(_number(part) for part in parts))(number(left)))
            case ast.Compare(left, [ast.GtE()], [ast.Constant(int() as value)]) if value > 0:
                return at_least(_small(value))(number(left))
            case ast.Compare(left, [operator], [right]) if type(operator) in COMPARED:
                return COMPARED[type(operator)](number(left), number(right))
            case ast.Compare(left, operators, parts) if len(operators) > 1:
                sides = [left, *parts]
                pairs = zip(sides, operators, parts, strict=False)
                flags = [flag(ast.Compare(one, [operator], [other])) for one, operator, other in pairs]
                return _joined(AND, flags)
            case ast.BoolOp(operator, parts):
                return _joined(AND if isinstance(operator, ast.And) else OR, [flag(part) for part in parts])
            case ast.IfExp(test, then, otherwise):
                return EITHER(flag(test), number(then), number(otherwise))
            case ast.Call(ast.Name("abs"), [part], []):
                return ABSOLUTE(number(part))
            case ast.Call(ast.Name("int"), [part], []):
                return number(part)
            case ast.Call(ast.Name("max" | "min" as how), [_, _, *_] as parts, []):
                return _joined(GREATEST if how == "max" else LEAST, [number(part) for part in parts])
        raise GrammarError(f"not in a loop that is read: {ast.unparse(node)}")


class _Sums(ast.NodeTransformer):
    """Takes sums over ``tokens`` out of statements: ``added`` has the new name of each, and what a token adds."""

    def __init__(self, tokens: str, function: ast.FunctionDef) -> None:
        self.tokens, self.used, self.added = tokens, {*_names(function), tokens}, dict[str, ast.expr]()
        self.token = self._free("token")

    def is_any(self, body: list[ast.stmt]) -> bool:
        """Whether there is one."""
        return any(self._each(node) is not None for statement in body for node in ast.walk(statement))

    def as_loop(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The same statements behind a loop that makes the sums."""
        after = [self.visit(deepcopy(statement)) for statement in body]
        firsts = [ast.parse(f"{name} = 0").body[0] for name in self.added]
        steps: list[ast.stmt] = [
            ast.AugAssign(ast.Name(name, ast.Store()), ast.Add(), each) for name, each in self.added.items()
        ]
        loop = ast.For(ast.Name(self.token, ast.Store()), ast.Name(self.tokens, ast.Load()), steps, [])
        return [*firsts, ast.fix_missing_locations(loop), *after]

    def visit_Call(self, node: ast.Call) -> ast.expr:
        each = self._each(node)
        if each is None:
            return self.generic_visit(node)  # type: ignore[return-value]
        name = self._free("total")
        self.added[name] = each
        return ast.Name(name, ast.Load())

    def _each(self, node: ast.AST) -> ast.expr | None:
        """What a token adds to the sum that ``node`` is."""
        match node:
            case ast.Call(ast.Name("sum"), [ast.Call(ast.Name("map"), [ast.Name("int"), ast.Name(name)], [])], []):
                return (
                    self._with_token(ast.parse("int(token)", mode="eval").body, "token")
                    if name == self.tokens
                    else None
                )
            case ast.Call(
                ast.Name("sum"),
                [ast.GeneratorExp(each, [ast.comprehension(ast.Name(token), ast.Name(name), tests, 0)])],
                [],
            ) if name == self.tokens:
                for test in reversed(tests):
                    each = ast.IfExp(test, each, ast.Constant(0))
                return self._with_token(each, token)
        return None

    def _with_token(self, each: ast.expr, token: str) -> ast.expr:
        return replace(deepcopy(each), {token: ast.Name(self.token, ast.Load())})

    def _free(self, name: str) -> str:
        names = (name if n == 1 else f"{name}_{n}" for n in range(1, len(self.used) + 2))
        free = next(new for new in names if new not in self.used)
        self.used.add(free)
        return free


def _renamed(wanted: Sequence[str]) -> dict[str, str]:
    """Names of states that mean nothing else in a printed loop."""
    found = dict[str, str]()
    for name in wanted:
        others = {*RESERVED, *found.values(), *(one for one in wanted if one != name)}
        free = (name if n == 1 else f"{name}_{n}" for n in range(1, 2 * len(others) + 3))
        found[name] = next(new for new in free if new not in others and identifier(new) == new)
    return found


def _is_read(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)


def _joined(operator: Operator, terms: list[Term]) -> Term:
    first, *rest = terms
    for other in rest:
        first = operator(first, other)
    return first


def _product(left: Term, right: Term) -> Term:
    for number, other in ((left, right), (right, left)):
        if number.operator.is_literal:
            factor = int(number.operator.value or 0)
            if other.operator.is_literal or factor == 0:
                return literal(_small(factor * int(other.operator.value or 0)) if factor else 0, INT)()
            size = other if abs(factor) == 1 else times(abs(factor))(other)
            return size if factor > 0 else MINUS(literal(0, INT)(), size)
    return PRODUCT(left, right)


def _by_one(term: Term, is_division: bool) -> Term:
    return term if is_division else literal(0, INT)()


def _number(node: ast.expr) -> int:
    """A whole number that stands in the text."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = None
    if type(value) not in (int, bool):
        raise GrammarError(f"expected a whole number, got {ast.unparse(node)}")
    return _small(int(value))


def _small(value: int) -> int:
    if not -MOST < value < MOST:
        raise GrammarError(f"expected numbers below {MOST:,}, got {value:,}")
    return value


def _put(node: ast.expr, known: Values) -> ast.expr:
    """An expression with the values of names in their place."""
    found = replace(node, {name: deepcopy(value) for name, value in known.items()})
    if sum(1 for _ in ast.walk(found)) > MOST_NODES:
        raise GrammarError("a value depends on too many others of the same step")
    return found


def _names(*nodes: ast.AST) -> set[str]:
    return {one.id for node in nodes for one in ast.walk(node) if isinstance(one, ast.Name)}


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
