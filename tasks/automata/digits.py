"""Programs over two numbers as machines over their digits, least significant first: schoolbook arithmetic.

    p a + q b + r  =  sum over k of  z_k base^k,      p a_k + q b_k + c_k  =  z_k + base c_(k+1),      c_0 = r

so the carry c is all that is remembered from the digits below (Knuth, TAOCP 2, 4.3.1). Whole numbers p, q and r of any
sign will do: division is rounded down, and a number is shown by n digits exactly where the carry after them is 0. A
remainder by a power of the base leaves the carry out.

The number is below 0 exactly where the carry after all digits is, whatever the digits: so a comparison is known last,
though what it decides (the digits of the larger number) comes first. A machine for that guesses: it starts in one state
for either outcome, the carry of the difference runs beside that of the number shown, and it may end only where that
carry agrees with the guess. So every pair has exactly one way from a start to an end.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from cegis.domain import DomainError
from cegis.operands import Operands, Pair
from dsl.function import docstring_lines
from dsl.operators import GrammarError

MOST_STATES, MOST_FACTOR = 64, 32
USED = ("max", "min", "abs", "int")  # functions of Python's own that a program may call
Form = tuple[int, int, int]  # p, q, r of p a + q b + r
State = tuple[int, int, int]  # what is guessed (1: below 0), the carry of what is tested, that of the number shown


@dataclass(frozen=True)
class Below:
    """Where the form ``tested`` is below 0, a program gives ``given``."""

    tested: Form
    given: Form


@dataclass(frozen=True)
class NumberProgram:
    """``p * a + q * b + r``, of which the remainder by ``modulus`` is taken, if that is not None; or another number
    where a form is ``below`` 0: the larger or smaller of two, a difference without its sign, a comparison as 1 or 0.

    >>> NumberProgram.parse("def f(a, b): return (a + b) % 113")
    NumberProgram(p=1, q=1, r=0, modulus=113, below=None)
    >>> NumberProgram(1, 1)(3, 4), NumberProgram(1, -1, 0, 10).expression
    (7, '(a - b) % 10')
    >>> NumberProgram.of("max(a, b)")
    NumberProgram(p=1, q=0, r=0, modulus=None, below=Below(tested=(1, -1, 0), given=(0, 1, 0)))
    >>> [NumberProgram.of(text)(3, 4) for text in ("max(a, b)", "min(a, b)", "abs(a - b)", "a < b", "a >= b")]
    [4, 3, 1, 1, 0]
    """

    p: int
    q: int
    r: int = 0
    modulus: int | None = None
    below: Below | None = None

    def __post_init__(self) -> None:
        forms = [self.form, *((self.below.tested, self.below.given) if self.below else ())]
        if max(abs(factor) for form in forms for factor in form) > MOST_FACTOR:
            raise GrammarError(f"expected factors up to {MOST_FACTOR}, got {self.expression}")
        if self.modulus is not None and self.modulus < 1:
            raise GrammarError(f"expected a modulus of 1 or more, got {self.modulus}")
        if self.modulus is not None and self.below is not None:
            raise GrammarError(f"expected a remainder of sums and differences of a and b, got {self.expression}")

    @property
    def form(self) -> Form:
        """What it gives, but for the remainder, where nothing is below 0."""
        return self.p, self.q, self.r

    def __call__(self, a: int, b: int) -> int:
        """The number for a pair."""
        if self.below is not None and _at(self.below.tested, a, b) < 0:
            return _at(self.below.given, a, b)
        value = _at(self.form, a, b)
        return value if self.modulus is None else value % self.modulus

    @property
    def expression(self) -> str:
        """The number in Python."""
        text = _written(self.form)
        if self.below is not None:
            return _either(self.form, self.below)
        if self.modulus is None:
            return text
        return f"{text if text.isalnum() else f'({text})'} % {self.modulus}"

    @property
    def size(self) -> int:
        """How many operators it applies; to take a comparison for 1 or 0 is none.

        >>> NumberProgram(1, 1).size, NumberProgram(2, -1, 0, 10).size, NumberProgram.of("int(a < b)").size
        (1, 3, 1)
        """
        kinds = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Call)
        nodes = [node for node in ast.walk(ast.parse(self.expression)) if isinstance(node, kinds)]
        return sum(not (isinstance(node, ast.Call) and ast.unparse(node.func) == "int") for node in nodes)

    def source(self, name: str = "program", docstring: str = "") -> str:
        """The function that is printed."""
        lines = [f"def {name}(a: int, b: int) -> int:", *docstring_lines(docstring), f"    return {self.expression}"]
        return "\n".join(lines) + "\n"

    @classmethod
    def of(cls, expression: str) -> NumberProgram:
        """The program that gives the value of an expression in a and b."""
        return cls.parse(f"def f(a, b): return {expression}")

    @classmethod
    def parse(cls, text: str, function: str = "") -> NumberProgram:
        """The program in the text of one Python function of two numbers; raises GrammarError for any other text.

        ``function`` names one of several. A comparison, True or False, is the number 1 or 0, as Python has it.
        """
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise GrammarError(f"expected a Python function of two numbers, got no Python: {error}") from None
        functions = [n for n in tree.body if isinstance(n, ast.FunctionDef) and function in ("", n.name)]
        others = [n for n in tree.body if not isinstance(n, ast.FunctionDef) and not _is_docstring(n)]
        if len(functions) != 1 or others:
            raise GrammarError("expected one Python function of two numbers, such as def f(a, b): return a + b")
        names = [argument.arg for argument in functions[0].args.args]
        body = [node for node in functions[0].body if not _is_docstring(node)]
        if len(names) != 2 or len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
            raise GrammarError("expected a function of two numbers with one return, such as def f(a, b): return a + b")
        if functions[0].decorator_list:
            raise GrammarError("expected a plain function of two numbers, got one with a decorator")
        own = {*names, *(n.name for n in tree.body if isinstance(n, ast.FunctionDef))} & {*USED}
        if own:
            raise GrammarError(f"expected {min(own)} to be Python's own, got another meaning of it in the program")
        return _program(body[0].value, names)


def _at(form: Form, a: int, b: int) -> int:
    return form[0] * a + form[1] * b + form[2]


def _minus(one: Form, other: Form) -> Form:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]


def _program(value: Any, names: list[str]) -> NumberProgram:
    """The program that gives the value of an expression."""

    def form(node: ast.expr) -> Form:
        return _linear(node, names)

    match value:
        case ast.BinOp(left, ast.Mod(), right):
            return NumberProgram(*form(left), _whole(right))
        case ast.Call(ast.Name("max" | "min" as which), [left, right], []):
            one, other = form(left), form(right)
            tested = _minus(one, other) if which == "max" else _minus(other, one)
            return NumberProgram(*one, below=Below(tested, other))
        case ast.Call(ast.Name("abs"), [inner], []):
            one = form(inner)
            return NumberProgram(*one, below=Below(one, _minus((0, 0, 0), one)))
        case ast.Call(ast.Name("int"), [ast.Compare() as inner], []):
            return _program(inner, names)
        case ast.Compare():
            tested, is_below = _compared(value, names)
            return NumberProgram(0, 0, int(not is_below), below=Below(tested, (0, 0, int(is_below))))
        case ast.IfExp(ast.Compare() as test, yes, no):
            tested, is_below = _compared(test, names)
            below, other = (form(yes), form(no)) if is_below else (form(no), form(yes))
            return NumberProgram(*other, below=Below(tested, below))
    return NumberProgram(*form(value))


def _compared(node: ast.Compare, names: list[str]) -> tuple[Form, bool]:
    """A form, and whether the comparison holds where that is below 0, rather than where it is not."""
    match node:
        case ast.Compare(left, [ast.Lt() | ast.GtE() as sign], [right]):
            return _minus(_linear(left, names), _linear(right, names)), isinstance(sign, ast.Lt)
        case ast.Compare(left, [ast.Gt() | ast.LtE() as sign], [right]):
            return _minus(_linear(right, names), _linear(left, names)), isinstance(sign, ast.Gt)
    raise GrammarError(f"expected one of < <= > >= between two sums, got {ast.unparse(node)}")


def _written(form: Form) -> str:
    """A form in Python."""
    terms = [_term(factor, name) for factor, name in zip(form[:2], "ab", strict=True) if factor]
    terms += [("-" if form[2] < 0 else "+", str(abs(form[2])))] if form[2] or not terms else []
    (sign, first), *rest = terms
    return ("-" if sign == "-" else "") + first + "".join(f" {sign} {term}" for sign, term in rest)


def _either(form: Form, below: Below) -> str:
    """``form``, and what is given where another is ``below`` 0, in Python.

    >>> [NumberProgram.of(text).expression for text in ("a if a >= b else b", "b if b < a else a", "a > b", "b >= a")]
    ['max(a, b)', 'min(a, b)', 'int(a > b)', 'int(a <= b)']
    >>> NumberProgram.of("a + b if a < b + 2 else 0").expression
    'a + b if a < b + 2 else 0'
    """
    tested, given = below.tested, below.given
    if tested == form and given == _minus((0, 0, 0), form):
        return f"abs({_written(form)})"
    if tested == _minus(form, given):
        return f"max({_written(form)}, {_written(given)})"
    if tested == _minus(given, form):
        return f"min({_written(form)}, {_written(given)})"
    is_turned = next((factor for factor in tested if factor), 1) < 0  # what stands on the left comes with a plus
    sides = [tuple(max(sign * x, 0) for x in tested) for sign in ((-1, 1) if is_turned else (1, -1))]
    left, right = (_written((side[0], side[1], side[2])) for side in sides)
    if (form, given) == ((0, 0, 1), (0, 0, 0)):
        return f"int({left} {'<=' if is_turned else '>='} {right})"
    less = f"{left} {'>' if is_turned else '<'} {right}"
    return (
        f"int({less})"
        if (form, given) == ((0, 0, 0), (0, 0, 1))
        else f"{_written(given)} if {less} else {_written(form)}"
    )


def _term(factor: int, name: str) -> tuple[str, str]:
    return "-" if factor < 0 else "+", name if abs(factor) == 1 else f"{abs(factor)} * {name}"


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _whole(node: ast.expr) -> int:
    """A constant, or a power of constants."""
    match node:
        case ast.Constant(int(value)) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(ast.USub(), inner):
            return -_whole(inner)
        case ast.BinOp(left, ast.Pow(), right):
            base, power = _whole(left), _whole(right)
            if abs(base) <= 1024 and 0 <= power <= 128:
                return int(base**power)
    raise GrammarError(f"expected a whole number, got {ast.unparse(node)}")


def _linear(node: ast.expr, names: list[str]) -> tuple[int, int, int]:
    """``p, q, r`` of what an expression adds up."""
    match node:
        case ast.Name(name) if name in names:
            return (1, 0, 0) if name == names[0] else (0, 1, 0)
        case ast.BinOp(left, ast.Add() | ast.Sub() as op, right):
            one, other = _linear(left, names), _linear(right, names)
            sign = 1 if isinstance(op, ast.Add) else -1
            p, q, r = (x + sign * y for x, y in zip(one, other, strict=True))
            return p, q, r
        case ast.UnaryOp(ast.USub(), inner):
            p, q, r = _linear(inner, names)
            return -p, -q, -r
        case ast.BinOp(left, ast.Mult(), right):
            number, inner = (left, right) if _is_number(left) else (right, left)
            factor = _whole(number)
            p, q, r = _linear(inner, names)
            return factor * p, factor * q, factor * r
        case ast.Constant() | ast.BinOp(_, ast.Pow(), _):
            return 0, 0, _whole(node)
    raise GrammarError(
        f"expected sums and differences of a and b with whole factors, and a remainder of that, got {ast.unparse(node)}"
    )


def _is_number(node: ast.expr) -> bool:
    return not any(isinstance(inner, ast.Name) for inner in ast.walk(node))


@dataclass(frozen=True)
class DigitMachine:
    """``program`` on ``operands``: a step reads the digits of both numbers, from ``starts`` to ``ends``.

    A state is a number, what it stands for is in ``meanings``. Beyond the digits of the operands it reads zeros. Raises
    DomainError where the answer of some pair has no such digits, and where ``operands`` has numbers up to anything but
    all of its digits.
    """

    program: NumberProgram
    operands: Operands

    def __post_init__(self) -> None:
        base, digits = self.operands.base, self.operands.shown_digits
        modulus = self.program.modulus
        if modulus is not None and modulus != base**digits:
            raise DomainError(f"expected a remainder by {base}**{digits}, as the answer has such digits, got {modulus}")
        if len(self.states) > MOST_STATES:
            raise DomainError(f"expected at most {MOST_STATES} states, got {len(self.states)}: use smaller factors")
        if modulus is None and not self._is_shown:
            raise DomainError(
                f"{self.program.expression} is not always a number of {digits} digits from 0 on, as an answer is"
            )

    @property
    def groups(self) -> int:
        """How many digits are read of each number."""
        return max(self.operands.shown_digits, self.operands.digits)

    @cached_property
    def states(self) -> tuple[int, ...]:
        """Every state that any digits lead to, in rising order."""
        return tuple(range(len(self.meanings)))

    @cached_property
    def meanings(self) -> tuple[State, ...]:
        """What is guessed and the carries, by state."""
        level, found = self._guessed, {*self._guessed}
        for power in range(self.groups):
            level = {self._next(s, a, b)[1] for s in level for a in self.values(power) for b in self.values(power)}
            found |= level
        return tuple(sorted(found))

    @property
    def _guessed(self) -> set[State]:
        """Before the first digit: one for every outcome of what is tested."""
        below = self.program.below
        if below is None:
            return {(0, 0, self.program.r)}
        return {(0, below.tested[2], self.program.r), (1, below.tested[2], below.given[2])}

    @cached_property
    def _numbers(self) -> dict[State, int]:
        return {state: n for n, state in enumerate(self.meanings)}

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The states before the first digit."""
        return tuple(sorted(self._numbers[state] for state in self._guessed))

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """The states after the last digit in which the guess is right: what is tested is below 0 where its carry is."""
        return tuple(n for n, (guess, tested, _) in enumerate(self.meanings) if guess == (tested < 0))

    @property
    def _is_shown(self) -> bool:
        """Whether the digits of the answer hold the number of every pair."""
        levels = [{*self.starts}]
        for power in range(self.groups):
            levels.append({self.step(s, *digits)[1] for s in levels[-1] for digits in self._both(power)})
        ends = levels[-1] & {*self.ends}
        if any(self.meanings[state][2] for state in ends):
            return False
        for power in reversed(range(self.operands.shown_digits, self.groups)):
            ways = [(state, *self.step(state, *digits)) for state in levels[power] for digits in self._both(power)]
            met = [(state, digit) for state, digit, after in ways if after in ends]
            if any(digit for _, digit in met):
                return False
            ends = {state for state, _ in met}
        return True

    def _both(self, power: int) -> list[tuple[int, int]]:
        return list(product(self.values(power), self.values(power)))

    def values(self, power: int) -> range:
        """The digits that an operand may have there; all are free of each other."""
        if power >= self.operands.digits:
            return range(1)
        top = self.operands.largest // self.operands.base**power % self.operands.base
        return range(top + 1) if self._is_cut(power) else range(self.operands.base)

    def answers(self, power: int) -> tuple[int, ...]:
        """The digits that an answer may have there, whatever the state."""
        values = self.values(power)
        return tuple(sorted({self.step(s, a, b)[0] for s in self.states for a in values for b in values}))

    def _is_cut(self, power: int) -> bool:
        """Whether numbers end at this digit or before: below it all are free, as in numbers up to 4,999."""
        base, largest = self.operands.base, self.operands.largest
        if power and base**power > largest:
            return True  # a leading zero
        rest = largest % base**power
        if rest != base**power - 1:
            raise DomainError(f"expected a largest number such as 4999, whose last digits are all free, got {largest}")
        return bool(largest // base ** (power + 1) == 0)

    def step(self, state: int, a: int, b: int) -> tuple[int, int]:
        """The digit of the answer, and the state after it."""
        digit, after = self._next(self.meanings[state], a, b)
        return digit, self._numbers[after]

    def _next(self, state: State, a: int, b: int) -> tuple[int, State]:
        guess, tested, shown = state
        below, base = self.program.below, self.operands.base
        p, q, _ = self.program.form if below is None or not guess else below.given
        carry, digit = divmod(p * a + q * b + shown, base)
        if below is not None:
            tested = (below.tested[0] * a + below.tested[1] * b + tested) // base
        return digit, (guess, tested, carry)


def digits_shown(program: NumberProgram, operands: Operands, pair: Pair) -> tuple[str, ...]:
    """The tokens of the answer of ``program`` to a pair."""
    return operands.answer(program(*pair))
