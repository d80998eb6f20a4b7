"""What programs are made of: sorts, operators with three readings, and terms.

One operator is one row: its name, its sorts, and three readings of the same function, side by side:

- ``numpy(inputs, *arguments)`` evaluates it on a batch of examples (search); the last axes belong to the batch, any
  leading axes to a stack of terms evaluated at once: arrays of the shapes (examples,), (terms, examples), and blocks
  such as (m, 1, examples) and (1, n, examples), that broadcast; of no example, of one and of many; read-only ones.
  Work element by element (``np.vectorize`` with ``otypes``, where nothing else does), and write to none of them;
- ``smt(inputs, *arguments)`` builds a PySMT formula (proof);
- ``python`` is the text a reader sees (output): an expression with holes ``_0``, ``_1``, ... for the arguments, where
  ``_0(x)`` puts ``x`` for the bound variable ``token`` of a position-wise argument. A row whose text is a loop
  writes it as statements that build the variable ``state``.

``tests/property`` holds the three readings equal. Nothing here searches, proves or prints a whole program.
"""

from __future__ import annotations

import builtins
import keyword
import math
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from dsl.combination import Combination
from dsl.references import Call, Named, reference
from dsl.showing import cut

LONGEST = 2**15  # tokens of a sequence, as far as numbers of programs are bounded
MOST_SHOWN = 100  # operators of a term that is written out at the prompt
RESERVED = ("token", "tokens")  # names that every program's text uses


class GrammarError(ValueError):
    """A grammar, operator or program text that does not fit together.

    >>> Program.parse('def f(tokens):\\n    return 1', grammar)
    Traceback (most recent call last):
        ...
    dsl.operators.GrammarError: not in this grammar, as Label: 1
    """


@dataclass(frozen=True)
class Sort:
    """The type of a term. ``dtype`` is that of its numpy value; a ``positional`` value has one entry per position.

    >>> INT, bitvector(8)
    (Sort('Int'), Sort('(_ BitVec 8)'))
    """

    name: str
    dtype: str
    positional: bool = False
    width: int = 0  # bits, for a bit-vector

    def __repr__(self) -> str:
        return f"Sort({self.name!r})"

    def __hash__(self) -> int:
        return hash(self.name)  # which Python keeps


def bitvector(width: int) -> Sort:
    """The sort of bit-vectors of ``width`` bits: whole numbers from 0 below 2**width.

    >>> bitvector(32).name
    '(_ BitVec 32)'
    """
    if width < 1:
        raise GrammarError(f"expected a width of at least 1 bit, got {width}")
    return Sort(f"(_ BitVec {width})", "uint64" if width <= 64 else "object", width=width)


BOOL = Sort("Bool", "bool")
INT = Sort("Int", "int64")
REAL = Sort("Real", "object")  # Python's fractions
STRING = Sort("String", "object")
LABEL = Sort("Label", "int64")  # index into the signature's labels; -2 is "no label"
MASK = Sort("Mask", "bool", positional=True)
TOKEN = Sort("Token", "int64")  # index into the alphabet; -1 is "no token", the text ''
PART = Sort("Part", "int8", positional=True)  # indices plus 1 of tokens in some order, from the left; then 0
TEXT = Sort("Text", "object")  # letters of a token, or made of them


@dataclass(frozen=True)
class Operator:
    """One row: a function with its three readings. Rows are equal when their names and sorts are.

    Names do not tell everything apart: the variable ``|5|`` is no literal, and a parameter no function without any.

    >>> increment = Operator("inc", (INT,), INT, lambda inputs, n: n + 1, lambda inputs, n: n, "_0 + 1")
    >>> increment
    Operator('inc', (Int) -> Int)
    """

    name: str
    arguments: tuple[Sort, ...]
    result: Sort
    numpy: Callable[..., Any] = field(compare=False, repr=False)
    smt: Callable[..., Any] = field(compare=False, repr=False)
    python: str = field(compare=False, repr=False)
    commutative: bool = field(default=False, compare=False)
    noun: str = field(default="value", compare=False)  # what a variable that holds the result is called
    needs_token: bool = field(default=False, compare=False)  # undefined on the empty sequence
    helper: str = field(default="", compare=False)  # a Python function that the text calls, printed above the program
    value: bool | int | str | Fraction | None = field(default=None, repr=False)  # of a literal
    is_variable: bool = field(default=False, repr=False)  # reads a parameter
    parameters: tuple[tuple[str, Sort], ...] = field(default=(), compare=False, repr=False)  # of a defined function
    definition: Term | None = field(default=None, compare=False, repr=False)  # its body, over its parameters
    meaning: object = field(default=None, compare=False, repr=False)  # what it does, as a value (``dsl.meaning``)
    made_by: object = field(default=None, compare=False, repr=False)  # the call that made it (``dsl.references``)
    _hash: int = field(init=False, repr=False, compare=False)  # kept, like that of a term

    def __post_init__(self) -> None:
        for index in range(len(self.arguments)):
            if f"_{index}" not in self.python:
                raise GrammarError(f"operator {self.name}: its Python text has no hole _{index}: {self.python!r}")
        self.__dict__["_hash"] = hash((self.name, self.arguments, self.result))
        noun = self.noun
        if not noun.isidentifier() or keyword.iskeyword(noun) or hasattr(builtins, noun) or noun in RESERVED:
            raise GrammarError(f"operator {self.name}: expected a noun that can be a variable's name, got {noun!r}")

    def __repr__(self) -> str:
        takes = ", ".join(sort.name for sort in self.arguments)
        return cut(f"Operator({self.name!r}, ({takes}) -> {self.result.name})")

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        """Where it comes from, as ``dsl.references`` finds it; raises GrammarError where that is nowhere."""
        try:
            return _from_reference, (self.name, self.python, reference(self))
        except LookupError as error:
            raise GrammarError(f"operator {self.name} cannot be pickled: {error}") from None

    def __deepcopy__(self, memo: object) -> Operator:
        return self

    @property
    def is_literal(self) -> bool:
        """Whether the operator is a constant written out."""
        return self.value is not None

    @property
    def is_choice(self) -> bool:
        """Whether the operator is a conditional between two values of one sort."""
        return self.meaning == Combination.CHOICE and self.arguments == (BOOL, self.result, self.result)

    def __call__(self, *arguments: Term) -> Term:
        """The term that applies this operator."""
        return Term(self, arguments)


@dataclass(frozen=True)
class Term:
    """An operator applied to terms.

    >>> x = variable("x", INT)()
    >>> term = find("+", (INT, INT))(x, literal(1, INT)())
    >>> term, term.size
    (Term(+(x, 1)), 3)
    """

    operator: Operator
    arguments: tuple[Term, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)  # kept, since terms are keys everywhere

    def __post_init__(self) -> None:
        got = tuple(argument.operator.result for argument in self.arguments)
        if self.operator.arguments != got:
            expected = tuple(sort.name for sort in self.operator.arguments)
            raise GrammarError(f"{self.operator.name} takes {expected}, got {tuple(sort.name for sort in got)}")
        # now, while those of the arguments are known: later it would be as deep a walk as the term
        self.__dict__["_hash"] = hash((self.operator, self.arguments))

    def __repr__(self) -> str:
        return f"Term({cut(str(self)) if self.size <= MOST_SHOWN else f'{self.size} operators'})"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Term)
            and self._hash == other._hash
            and (self.operator, self.arguments) == (other.operator, other.arguments)  # identity first, unlike a == b
        )

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        """Its distinct subterms in a row, however deep; without hashes, which are another process's own."""
        numbers: dict[Term, int] = {}

        def listed(operator: Operator, arguments: list[Term]) -> Term:
            term = Term(operator, tuple(arguments))
            numbers[term] = len(numbers)
            return term

        self.fold(listed)
        rows = [(term.operator, tuple(numbers[argument] for argument in term.arguments)) for term in numbers]
        return _from_rows, (rows,)

    def __deepcopy__(self, memo: object) -> Term:
        return self

    @property
    def sort(self) -> Sort:
        """The sort of its value."""
        return self.operator.result

    @cached_property
    def size(self) -> int:
        """How many operators the term applies."""
        return int(self.fold(lambda operator, sizes: 1 + sum(sizes)))

    def evaluate(self, inputs: Any) -> Any:
        """The numpy value on a batch of inputs."""
        return self.fold(lambda operator, arguments: operator.numpy(inputs, *arguments))

    @cached_property
    def needs_token(self) -> bool:
        """Whether the term has no value on the empty sequence."""
        return bool(self.fold(lambda operator, needs: operator.needs_token or any(needs)))

    def encode(self, inputs: Any) -> Any:
        """The PySMT formula on symbolic inputs (a tuple of formulas, one per position, for a positional sort)."""
        return self.fold(lambda operator, arguments: operator.smt(inputs, *arguments))

    @cached_property
    def subterms(self) -> tuple[Term, ...]:
        """``postorder``, kept."""
        return postorder(self)

    def fold(self, read: Callable[[Operator, list[Any]], Any]) -> Any:
        """``read(operator, values of its arguments)``, once per distinct subterm and however deep, up to the term."""
        known: dict[Term, Any] = {}
        stack = [self]
        while stack:
            missing = [argument for argument in stack[-1].arguments if argument not in known]
            if missing:
                stack += missing
            else:
                inner = stack.pop()
                if inner not in known:
                    known[inner] = read(inner.operator, [known[argument] for argument in inner.arguments])
        return known[self]

    @cached_property
    def magnitude(self) -> int:
        """A bound on the numbers met on the way to the value, where what reads the sequence is below ``LONGEST``.

        A row that says nothing of itself is taken to be no larger than its arguments.
        """
        return int(max(self.fold(_magnitudes)))

    def __str__(self) -> str:
        if not self.arguments:
            return self.operator.name
        return f"{self.operator.name}({', '.join(map(str, self.arguments))})"


def postorder(term: Term, known: Container[Term] = ()) -> tuple[Term, ...]:
    """Every distinct subterm but those ``known``, arguments before what they stand in, without recursion."""
    order: dict[Term, None] = {}
    stack: list[tuple[Term, bool]] = [(term, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order[node] = None
        elif node not in order and node not in known:
            stack.append((node, True))
            stack.extend((argument, False) for argument in reversed(node.arguments))
    return tuple(order)


def _from_reference(name: str, python: str, where: Named | Call) -> Operator:
    """The operator that comes from ``where``; raises GrammarError where that is another one by now."""
    try:
        found = where.find()
    except LookupError as error:
        raise GrammarError(f"operator {name} cannot be read from its pickle: {error}") from None
    if not isinstance(found, Operator) or (found.name, found.python) != (name, python):
        raise GrammarError(f"operator {name} has changed since it was pickled, at {where}; pickle it again")
    return found


def _from_rows(rows: list[tuple[Operator, tuple[int, ...]]]) -> Term:
    """The last of the terms that are written as an operator and the numbers of earlier ones."""
    terms: list[Term] = []
    for operator, arguments in rows:
        terms.append(Term(operator, tuple(terms[number] for number in arguments)))
    return terms[-1]


def _magnitudes(operator: Operator, arguments: list[tuple[int, int]]) -> tuple[int, int]:
    """How large the value of a row may be, and the largest number on the way, by those of its arguments."""
    from dsl.meaning import Constant, Multiple, Within

    sizes, met = [size for size, _ in arguments], max((most for _, most in arguments), default=0)
    match operator.meaning:
        case _ if operator.result != INT:
            size = 1
        case Constant(value):
            size = abs(value)
        case Within(bound):
            size = bound
        case Multiple(factor):
            size = abs(factor) * sum(sizes)
        case Combination.SUM | Combination.DIFFERENCE:
            size = sum(sizes)
        case Combination.PRODUCT:
            size = math.prod(sizes)
        case _:
            size = max((LONGEST, *sizes))
    return size, max(size, met)
